package meter

import "math"

// A frame is an open block while a function is scanned.
type frame struct {
	opener    int32  // its event; negative for the function
	arity            // of its type
	floor     int64  // how many values are on the stack below its own
	jump      uint32 // how many values a branch to its label takes
	loops     int    // how many loops are around what is in it
	otherwise bool   // it is an if that had its else
	dead      bool   // what follows in it may take any operands
	cut       bool   // no way leads to what follows in it
	accesses  int64  // where it begins
	known     int64  // the fewest accesses where something branches to its end
	// Of a loop: the load before its first instruction, and what was plain then.
	before load
	plain  bool
}

// scan is what is known about one function. It is used for one after the other.
type scan struct {
	m        *module
	r        reader
	groups   uint32 // of locals
	decls    []byte // the groups of locals
	code     []byte // nil until the locals are read
	events   []event
	branches []int32
	frames   []frame
	loops    []region
	catches  []way

	entry way  // of the whole function
	plain bool // neither calls nor loops, nor anything that takes long; in a loop: so far in there
	bulk  bool // has an instruction that pays for its length
	run   uint32
	since int // instructions since the last place to stop

	load // so far
	// set and shared tell of each local in which block, and in which function, it
	// was set last and found to be shared. Blocks have numbers from here on that are
	// never used again.
	setIn    []uint32
	sharedIn []uint32
	current  uint32 // the block
	first    uint32 // the function's first block
	accesses int64  // to memory, on each way to here, of which wazero knows the bounds
	height   int64  // of the stack
	left     int64  // how much work the function may take
}

// function reads the code of a defined function into events.
func (s *scan) function(i int) error {
	s.r = reader{data: s.m.bodies[i]}
	t := s.m.arities[s.m.functions[i]]
	s.events, s.branches, s.frames = s.events[:0], s.branches[:0], append(s.frames[:0], frame{opener: -1, arity: arity{results: t.results}, jump: t.results})
	s.run, s.since = 0, 0
	s.plain, s.bulk = true, false
	s.load, s.accesses, s.height, s.code = load{}, 0, 0, nil
	s.readLocals(t.params)
	if s.r.err != nil {
		return s.r.err
	}
	s.code = s.r.data[s.r.at:]
	s.r = reader{data: s.code}
	s.moves(t.params)
	s.block(blocksFunction)
	s.first = s.current
	for i := range t.params {
		s.setIn[i] = s.current
	}
	for s.excess(); len(s.frames) > 0 && s.r.err == nil; s.excess() {
		s.instruction()
	}
	if !s.r.done() {
		return s.r.err
	}
	return nil
}

// block counts basic blocks, and what is alive there.
func (s *scan) block(n int64) {
	s.blocks += n
	s.stacked += n * s.height
	s.bounds += n * s.accesses
	s.current++
}

// local reads the index of a local.
func (s *scan) local() (i uint32, ok bool) {
	i = s.r.index("local", uint32(s.locals))
	return i, s.r.err == nil
}

// gets notes that a local is read.
func (s *scan) gets() {
	if i, ok := s.local(); ok && s.setIn[i] != s.current && s.sharedIn[i] < s.first {
		s.sharedIn[i] = s.current
		s.shared++
	}
}

// sets notes that a local is set.
func (s *scan) sets() {
	if i, ok := s.local(); ok {
		s.setIn[i] = s.current
	}
}

// moves counts values that are moved.
func (s *scan) moves(values uint32) { s.moved += int64(values) }

func (s *scan) readLocals(params uint32) {
	r := &s.r
	s.groups = r.count()
	start := r.at
	total := uint64(params)
	for n := s.groups; n > 0 && r.err == nil; n-- {
		total += uint64(r.u32())
		r.valueType(s.m.types())
	}
	s.locals = int64(total)
	if total > MaxLocals {
		s.excess()
		return
	}
	if more := int(total) - len(s.setIn); more > 0 {
		s.setIn = append(s.setIn, make([]uint32, more)...)
		s.sharedIn = append(s.sharedIn, make([]uint32, more)...)
	}
	s.decls = r.data[min(start, r.at):r.at]
}

// add adds an event for the instruction that begins at start. What stood before
// it since the last one becomes its run.
func (s *scan) add(e event, start int) {
	e.start, e.next, e.run = uint32(start), uint32(s.r.at), s.run
	s.run = 0
	s.events = append(s.events, e)
}

// label reads the label of a branch, and tells what began the block. The branch
// moves what the label takes.
func (s *scan) label() int32 {
	depth := s.r.index("label", uint32(len(s.frames)))
	if s.r.err != nil {
		return -1
	}
	f := &s.frames[len(s.frames)-1-int(depth)]
	s.moves(f.jump)
	if !s.frames[len(s.frames)-1].cut {
		f.known = min(f.known, s.accesses)
	}
	if f.opener >= 0 {
		s.events[f.opener].again = true
	}
	return f.opener
}

// labels reads so many labels into the branches.
func (s *scan) labels(n uint32) (from, to uint32) {
	from = uint32(len(s.branches))
	s.targets += int64(n)
	s.bounds += int64(n) * s.accesses
	for ; n > 0 && s.r.err == nil; n-- {
		s.branches = append(s.branches, s.label())
	}
	return from, uint32(len(s.branches))
}

// open begins a block of a type. A block moves its parameters and results in and
// out, a loop that is wrapped a few times more.
func (s *scan) open(e event, t int64, start int) {
	if s.r.err != nil {
		return
	}
	around := &s.frames[len(s.frames)-1]
	f := frame{opener: int32(len(s.events)), arity: s.m.blockArity(t), loops: around.loops, cut: around.cut, accesses: s.accesses, known: math.MaxInt64}
	f.jump = f.results
	blocks := int64(blocksBlock)
	switch e.kind {
	case eventIf:
		blocks = blocksIf
		s.operands(1, 0)
	case eventTry:
		blocks = blocksTry
	case eventLoop:
		blocks = blocksLoop
		f.loops++
		f.jump = f.params
		s.moves(f.results)
		s.moves(f.results)
		s.loopCount++
		s.nesting = max(s.nesting, int64(f.loops))
	}
	s.operands(f.params, f.params)
	s.block(blocks)
	s.widest = max(s.widest, int64(f.params), int64(f.results))
	s.moves(f.params)
	s.moves(f.results)
	f.floor = s.height - int64(f.params)
	if e.kind == eventLoop {
		f.before, f.plain, s.plain = s.load, s.plain, true
	}
	s.add(e, start)
	s.frames = append(s.frames, f)
}

// blockArity is the arity of the type of a block.
func (m *module) blockArity(t int64) arity {
	switch {
	case t >= 0:
		return m.arities[t]
	case t == blockEmpty:
		return arity{}
	}
	return arity{results: 1}
}

func (s *scan) end(start int) {
	f := s.frames[len(s.frames)-1]
	s.balance(&f)
	s.height = f.floor + int64(f.results)
	s.moves(f.results)
	s.current++
	s.frames = s.frames[:len(s.frames)-1]
	if f.opener >= 0 {
		opener := &s.events[f.opener]
		s.join(&f, opener.kind)
		if opener.kind == eventLoop {
			s.endLoop(&f, opener)
		}
	}
	s.add(event{kind: eventEnd, target: f.opener}, start)
}

func (s *scan) endLoop(f *frame, opener *event) {
	if opener.again {
		opener.wrapped = f.params == 0 && f.loops <= deepest
		if opener.wrapped && s.plain && s.instructions-f.before.instructions <= maxSmall && s.loopCount <= mostLoops {
			opener.small, opener.to = true, uint32(len(s.events))
			s.twice(f)
		}
	}
	s.plain = s.plain && f.plain && !opener.again
}

// twice counts what it takes that two more rounds of a small loop are written:
// the second, and the last.
func (s *scan) twice(f *frame) {
	const more = 2
	s.copied += more * (s.instructions - f.before.instructions)
	s.targets += more * (s.targets - f.before.targets)
	s.moved += more * (s.moved - f.before.moved)
	s.stacked += more * (s.stacked - f.before.stacked)
	blocks := more * (s.blocks - f.before.blocks)
	s.blocks += blocks
	s.bounds += more*(s.bounds-f.before.bounds) + (blocks+blocksTwice)*(s.instructions-f.before.instructions)
	s.block(blocksTwice)
}

// join finds how many accesses are on each way to the end of a block: wazero
// knows there what it knew at the end of all of them.
func (s *scan) join(f *frame, kind uint8) {
	known := int64(math.MaxInt64)
	if !f.cut {
		known = s.accesses
	}
	if kind != eventLoop { // to that, branches lead back
		known = min(known, f.known)
	}
	around := &s.frames[len(s.frames)-1]
	if kind == eventIf && !f.otherwise && !around.cut {
		known = f.accesses
	}
	if known == math.MaxInt64 {
		known, around.cut = f.accesses, true
	}
	s.accesses = known
}
