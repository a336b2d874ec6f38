package meter

// What things cost, in fuel. Every other instruction costs 1, and what only
// gives structure (block, loop, else, end) nothing.
const (
	costFunction = 1   // to enter a function
	costLoop     = 1   // to begin a round of a loop
	costHost     = 100 // to call a function that is imported
	costGo       = 100 // an instruction that wazero leaves to Go: ref.func, throw, atomic wait and notify
	costGrow     = 1000
)

const (
	// stretch is after how many instructions in a row a check may follow.
	stretch = 5000
	// deepest is how many loops around each other are wrapped. Beyond that the
	// blocks would cost wazero more time than they can save.
	deepest = 16
	// maxSmall is how many instructions a loop may have that is written with two
	// rounds, and mostLoops after how many loops of a function none is: such loops
	// take wazero more time.
	maxSmall  = 32
	mostLoops = 250
	// maxLeaf is up to what cost a function without calls and loops is checked
	// by its callers only.
	maxLeaf = 64
)

// Kinds of events.
const (
	eventBlock   = iota // block: target is unused
	eventLoop           // loop
	eventIf             // if
	eventTry            // try_table: branches holds the labels of its catch clauses
	eventElse           // else: target is its if
	eventEnd            // end: target is what began; the function itself where it is negative
	eventJump           // br: target is what began the block
	eventBranch         // br_if and the like: as eventJump, and goes on
	eventTable          // br_table: branches holds its labels
	eventLeave          // return, unreachable
	eventThrow          // throw, throw_ref
	eventCall           // a call that returns: target is the function, or negative
	eventTail           // a call that does not
	eventRef            // ref.func: target is the function
	eventBulk           // an instruction that pays for its length
	eventSelect         // a select with a type that is written in more than a byte
	eventStretch        // nothing but a place in a long run of instructions
)

// An event is an instruction that matters for the meter or has to be changed.
type event struct {
	start, next uint32 // where it begins and ends in the code
	run         uint32 // cost of the instructions between the event before and this
	target      int32
	cost        uint32 // of the instruction itself
	from, to    uint32 // its labels in scan.branches; to of a small loop: the event that ends it

	charge uint32 // what is paid after it
	// label is the way from the end of the block, region how many loops are
	// around its label.
	label  way
	region int32
	kind   uint8
	// check is set where fuel is looked at after the charge.
	check bool
	// again is set where something jumps to the label.
	again bool
	// wrapped is set for a loop without parameters that something jumps back to,
	// if it is not too deep: blocks around it take the tick out of its way.
	wrapped bool
	// small is set for a wrapped loop of a few instructions that calls nothing: it
	// is written with two rounds.
	small bool
	shift uint8  // of eventBulk: log2 of how many units cost 1
	level uint32 // how many blocks are open in it, once it is written
}
