package meter

import (
	"fmt"
	"time"
)

// What a module may take to compile.
//
// wazero compiles what is valid, however long it takes: its passes are quadratic
// in the basic blocks of a function, and linear in the values that are alive at
// each of them and in those that branches and calls move, of which two bytes buy
// a thousand; with locals and nested loops it is worse. So neither size nor
// instructions bound it: 40 KB took 13 seconds and 2.7 GB, and 14 KB would take
// half an hour. The scan counts what matters instead and stops where it is too much.
//
// Measured with wazero 1.12 on metered modules, one core: a large Go plugin (3.3
// MB, a million instructions) is estimated at 3.5 s and takes 2; what was made to
// be slow takes from a hundredth of its estimate to a little more than it. Real
// functions have up to 30,000 instructions, 2,500 locals and 2,000 blocks.
const (
	// MaxWork bounds the estimate for all functions of a build, in microseconds.
	// Go plugins of 13 MB are within it. It bounds the memory, too: some 60 bytes
	// for each value that is alive at a block, a gigabyte in the end.
	MaxWork = 15_000_000
	// MaxInstructions bounds a function, for the memory that it takes: 75,000
	// times call_indirect take 900 MB.
	MaxInstructions = 150_000
	// MaxBlocks bounds the basic blocks that wazero makes of a function: that many
	// take up to 12 seconds. And it recurs once for each in a row.
	MaxBlocks = 25_000
	// MaxTable bounds one br_table, as browsers do.
	MaxTable = 65_520
	// MaxTargets bounds the targets of all br_tables and catch clauses of a
	// function: 300,000 take 700 MB.
	MaxTargets = 300_000
	// MaxMoved bounds the values that all branches and calls of a function move: a
	// million take 400 MB.
	MaxMoved = 1_000_000
	// MaxBounds bounds, for the memory that it takes, the accesses to linear memory
	// on the way to each block and target of a br_table, summed over them: wazero
	// copies there what it knows of their bounds, 24 bytes for each. A function of
	// 25,000 loads and branches in turns took 7 GB.
	MaxBounds = 40_000_000
	// MaxLocals bounds the locals of a function with its parameters, as browsers
	// do.
	MaxLocals = 50_000
)

// What things take to compile, in microseconds.
const (
	workFunction      = 5
	workInstruction   = 1
	workTarget        = 10
	workMoved         = 5
	workAlive         = 1    // for each value that is alive at a block
	blocksSquaredEach = 50   // how many pairs of blocks take one
	boundsEach        = 20   // how many accesses before a block take one
	phisEach          = 1000 // how many pairs of variables, at each block and in each nested loop, take one
	localsEach        = 4    // how many locals that are declared take one
)

// How many basic blocks wazero makes of an instruction once it is metered.
const (
	blocksFunction = 4 // with a look at the fuel
	blocksBlock    = 1
	blocksLoop     = 4
	blocksTwice    = 6 // more, of a small one
	blocksIf       = 3
	blocksTry      = 3
	blocksBranch   = 1
	blocksBulk     = 5 // also of what makes a memory or a table grow
)

// load is what a function has of what takes time to compile.
type load struct {
	instructions int64
	copied       int64 // instructions that are written once more
	blocks       int64
	loopCount    int64
	nesting      int64 // of loops within each other
	targets      int64 // of br_tables and catch clauses
	moved        int64 // values by branches, blocks and calls
	stacked      int64 // values on the stack, summed over the blocks
	bounds       int64 // accesses to memory on the way to a block or target, summed over these
	locals       int64 // with parameters
	shared       int64 // of them, those of which one block may read what another has set
	widest       int64 // the most parameters or results of a block
}

// work estimates what it takes to compile, in microseconds.
func (l *load) work() int64 {
	// A local that is shared is alive at each block, and more so in loops.
	alive := l.stacked + (l.blocks+blocksLoop*l.loopCount)*l.shared
	// wazero finds out which variables are the same wherever ways meet: each time
	// it looks at all of them for each of them, and as often as loops are nested.
	variables := l.shared + l.widest
	phis := variables * variables * (l.blocks + l.targets) * (1 + l.nesting)
	return workFunction + l.locals/localsEach + workInstruction*(l.instructions+l.copied) + l.blocks*l.blocks/blocksSquaredEach +
		workTarget*l.targets + workMoved*l.moved + workAlive*alive + phis/phisEach + l.bounds/boundsEach
}

// unreadable counts a function of which not all is known as the worst that so
// many bytes can be: of growing a memory, of calls and of targets.
func (s *scan) unreadable() error {
	n := int64(len(s.code))
	values := max(1, s.m.widest)                 // that an instruction moves
	blocks, height := n*blocksBulk/2, n*values/2 // both take two bytes
	s.load = load{
		instructions: n,
		blocks:       blocks,
		loopCount:    n / 3,
		nesting:      n / 3,
		targets:      n,
		moved:        n * values,
		// Half of the code for each: what puts values on the stack, or gets at memory,
		// and what makes blocks.
		stacked: (blocks / 2) * (height / 2),
		bounds:  (n/2 + blocks/2) * (n / 2),
		locals:  s.load.locals,
		shared:  min(s.load.locals, n/2),
		widest:  s.m.widest,
	}
	s.r.err = nil
	s.excess()
	return s.r.err
}

// TooLarge is the error for a module that would take too long to compile, or too
// much memory. It stands for itself, without this package's name.
type TooLarge struct {
	Function uint32 // its index, with the imported ones
	Name     string // what the name section calls it, if it does
	What     string // of which it has too many; empty where it is all functions together
	Most     int64  // how many there may be
	Work     int64  // what the function takes, in microseconds, where What is empty
}

// Error says which function has too much of what.
func (t *TooLarge) Error() string {
	function := fmt.Sprintf("function %d", t.Function)
	if t.Name != "" {
		function += fmt.Sprintf(" (%.80q)", t.Name)
	}
	if t.What != "" {
		return fmt.Sprintf("%s has more than %d %s", function, t.Most, t.What)
	}
	length := func(microseconds int64) time.Duration {
		return (time.Duration(microseconds) * time.Microsecond).Round(10 * time.Millisecond)
	}
	return fmt.Sprintf("to compile all functions would take more than %s, as is estimated: at least %s for %s", length(t.Most), length(t.Work), function)
}

// excess fails the scan where the function has too much of something.
func (s *scan) excess() {
	tooMany := func(what string, most int64) { s.r.fail(&TooLarge{What: what, Most: most}) }
	switch {
	case s.load.locals > MaxLocals:
		tooMany("local variables", MaxLocals)
	case s.instructions+s.copied > MaxInstructions:
		tooMany("instructions", MaxInstructions)
	case s.blocks > MaxBlocks:
		tooMany("basic blocks", MaxBlocks)
	case s.targets > MaxTargets:
		tooMany("targets of br_table and catch clauses", MaxTargets)
	case s.moved > MaxMoved:
		tooMany("values moved by branches and calls", MaxMoved)
	case s.bounds > MaxBounds:
		tooMany("pairs of a block and an access to memory before it", MaxBounds)
	case s.work() > s.left:
		s.r.fail(&TooLarge{Most: MaxWork, Work: s.work()})
	}
}
