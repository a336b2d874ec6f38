package meter

import "math"

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
	from, to    uint32 // its labels in scan.branches

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
	shift   uint8  // of eventBulk: log2 of how many units cost 1
	level   uint32 // how many blocks are open in it, once it is written
}

// A frame is an open block while a function is scanned.
type frame struct {
	opener     int32 // its event; negative for the function
	parameters bool  // it has some
	loops      int   // how many loops are around what is in it
	otherwise  bool  // it is an if that had its else
}

// scan is what is known about one function. It is used for one after the other.
type scan struct {
	m        *module
	r        reader
	groups   uint32 // of locals
	locals   uint32 // with parameters
	decls    []byte // the groups of locals
	code     []byte
	events   []event
	branches []int32
	frames   []frame
	loops    []region
	catches  []way

	entry        way // of the whole function
	instructions int
	loopCount    int
	blocks       int  // and branches
	plain        bool // neither calls nor loops, nor anything that takes long
	bulk         bool // has an instruction that pays for its length
	run          uint32
	since        int // instructions since the last place to stop
}

// function reads the code of a defined function into events.
func (s *scan) function(i int) error {
	s.r = reader{data: s.m.bodies[i]}
	s.events, s.branches, s.frames = s.events[:0], s.branches[:0], append(s.frames[:0], frame{opener: -1})
	s.instructions, s.loopCount, s.blocks, s.run, s.since = 0, 0, 0, 0, 0
	s.plain, s.bulk = true, false
	s.readLocals(s.m.params[s.m.functions[i]])
	if s.r.err != nil {
		return s.r.err
	}
	s.code = s.r.data[s.r.at:]
	s.r = reader{data: s.code}
	for len(s.frames) > 0 && s.r.err == nil {
		s.instruction()
	}
	if !s.r.done() {
		return s.r.err
	}
	return nil
}

func (s *scan) readLocals(params uint32) {
	r := &s.r
	s.groups = r.count()
	start := r.at
	total := uint64(params)
	for n := s.groups; n > 0 && r.err == nil; n-- {
		total += uint64(r.u32())
		r.valueType(s.m.types())
	}
	if total > math.MaxUint32-2 {
		r.malformed("a function has %d locals", total)
		return
	}
	s.locals = uint32(total)
	s.decls = r.data[min(start, r.at):r.at]
}

// add adds an event for the instruction that begins at start. What stood before
// it since the last one becomes its run.
func (s *scan) add(e event, start int) {
	e.start, e.next, e.run = uint32(start), uint32(s.r.at), s.run
	if e.kind <= eventTable {
		s.blocks++
	}
	s.run = 0
	s.events = append(s.events, e)
}

// label reads the label of a branch, and tells what began the block.
func (s *scan) label() int32 {
	depth := s.r.index("label", uint32(len(s.frames)))
	if s.r.err != nil {
		return -1
	}
	opener := s.frames[len(s.frames)-1-int(depth)].opener
	if opener >= 0 {
		s.events[opener].again = true
	}
	return opener
}

// labels reads so many labels into the branches.
func (s *scan) labels(n uint32) (from, to uint32) {
	from = uint32(len(s.branches))
	for ; n > 0 && s.r.err == nil; n-- {
		s.branches = append(s.branches, s.label())
	}
	return from, uint32(len(s.branches))
}

func (s *scan) open(kind uint8, start int) {
	t := s.r.blockType(s.m.types())
	cost := uint32(0)
	if kind == eventIf {
		cost = 1
	}
	s.add(event{kind: kind, cost: cost}, start)
	f := frame{opener: int32(len(s.events) - 1), parameters: t >= 0 && s.m.params[t] > 0, loops: s.frames[len(s.frames)-1].loops}
	if kind == eventLoop {
		f.loops++
	}
	s.frames = append(s.frames, f)
}

func (s *scan) end(start int) {
	f := s.frames[len(s.frames)-1]
	s.frames = s.frames[:len(s.frames)-1]
	if f.opener >= 0 {
		if opener := &s.events[f.opener]; opener.kind == eventLoop && opener.again {
			opener.wrapped = !f.parameters && f.loops <= deepest
			s.plain = false
		}
	}
	s.add(event{kind: eventEnd, target: f.opener}, start)
}

// instruction reads one instruction.
func (s *scan) instruction() {
	r, m := &s.r, s.m
	start := r.at
	if s.since++; s.since > stretch {
		s.since = 0
		s.add(event{kind: eventStretch}, start)
	}
	s.instructions++
	op := r.byte()
	switch op {
	case opBlock:
		s.open(eventBlock, start)
		return
	case opLoop:
		s.loopCount++
		s.open(eventLoop, start)
		return
	case opIf:
		s.open(eventIf, start)
		return
	case opElse:
		f := &s.frames[len(s.frames)-1]
		if f.opener < 0 || s.events[f.opener].kind != eventIf || f.otherwise {
			r.malformed("an else without an if")
			return
		}
		f.otherwise = true
		s.add(event{kind: eventElse, target: f.opener}, start)
		return
	case opEnd:
		s.end(start)
		return
	case opTryTable:
		s.tryTable(start)
		return
	case opThrow:
		r.u32()
		s.plain = false
		s.add(event{kind: eventThrow, cost: costGo}, start)
		return
	case opThrowRef:
		s.plain = false
		s.add(event{kind: eventThrow, cost: costGo}, start)
		return
	case opBr:
		target := s.label()
		s.add(event{kind: eventJump, target: target, cost: 1}, start)
		return
	case opBrIf, opBrOnNull, opBrOnNonNull:
		target := s.label()
		s.add(event{kind: eventBranch, target: target, cost: 1}, start)
		return
	case opBrTable:
		n := r.count()
		from, to := s.labels(n + 1) // and the default
		s.add(event{kind: eventTable, cost: 1, from: from, to: to}, start)
		return
	case opReturn, opUnreachable:
		s.add(event{kind: eventLeave, cost: 1}, start)
		return
	case opCall, opReturnCall:
		s.call(op, start)
		return
	case opCallIndirect, opReturnCallIndirect:
		r.index("type", m.types())
		r.u32() // the table
		s.otherCall(op == opReturnCallIndirect, start)
		return
	case opCallRef, opReturnCallRef:
		r.index("type", m.types())
		s.otherCall(op == opReturnCallRef, start)
		return
	case opRefFunc:
		function := r.index("function", m.allFunctions())
		s.plain = false
		s.add(event{kind: eventRef, target: int32(function), cost: costGo}, start)
		return
	case opMemoryGrow:
		r.u32()
		s.grow()
		return
	case opSelectTyped:
		if n := r.byte(); n != 1 {
			r.malformed("a select of %d types", n)
		}
		if t := r.valueType(m.types()); t == typeRef || t == typeRefNull {
			s.add(event{kind: eventSelect, cost: 1}, start)
			return
		}
	case opLocalGet, opLocalSet, opLocalTee:
		r.index("local", s.locals)
	case opGlobalGet, opGlobalSet:
		r.index("global", m.globals)
	case opTableGet:
		r.u32()
	case opTableSet:
		r.u32()
		m.notResettable("table.set")
	case opMemorySize:
		r.u32()
	case opI32Const:
		r.signed(5)
	case opI64Const:
		r.signed(10)
	case opF32Const:
		r.take(4)
	case opF64Const:
		r.take(8)
	case opRefNull:
		r.nullType(m.types())
	case prefixMisc:
		s.misc(start)
		return
	case prefixVector:
		s.vector()
	case prefixAtomic:
		s.atomic()
	default:
		switch {
		case op >= opI32Load && op <= opI64Store32:
			s.memoryArgument()
		case op == 0x01, op == opDrop, op == opSelect, op == opRefIsNull, op == opRefAsNonNull:
		case op >= opI32Eqz && op <= opI64Extend32S:
		default:
			r.unknown("opcode", uint32(op))
		}
	}
	s.run++
}

func (s *scan) memoryArgument() {
	if align := s.r.u32(); align >= 32 {
		s.r.malformed("an alignment of 2 to the power of %d", align)
	}
	s.r.u32()
}

// tryTable reads a block with catch clauses, whose labels are seen from outside
// of it.
func (s *scan) tryTable(start int) {
	r := &s.r
	r.blockType(s.m.types())
	from := uint32(len(s.branches))
	for n := r.count(); n > 0 && r.err == nil; n-- {
		switch kind := r.byte(); {
		case kind > catchAllWithRef:
			r.unknown("kind of catch clause", uint32(kind))
		case kind <= catchOneWithRef:
			r.u32() // the tag
		}
		if r.err == nil {
			s.branches = append(s.branches, s.label())
		}
	}
	s.plain = false
	s.add(event{kind: eventTry, cost: 1, from: from, to: uint32(len(s.branches))}, start)
	s.frames = append(s.frames, frame{opener: int32(len(s.events) - 1), loops: s.frames[len(s.frames)-1].loops})
}

func (s *scan) call(op byte, start int) {
	function := s.r.index("function", s.m.allFunctions())
	if s.r.err != nil {
		return
	}
	s.plain = false
	e := event{kind: eventCall, target: int32(function), cost: 1}
	if op == opReturnCall {
		e.kind = eventTail
	}
	if function < s.m.importedFunctions {
		e.cost = costHost
	} else {
		e.cost += s.m.leaves[function-s.m.importedFunctions]
	}
	s.add(e, start)
}

// otherCall adds a call of which the function is not known.
func (s *scan) otherCall(tail bool, start int) {
	s.plain = false
	e := event{kind: eventCall, target: -1, cost: 1}
	if tail {
		e.kind = eventTail
	}
	s.add(e, start)
}

// misc reads an instruction behind prefixMisc.
func (s *scan) misc(start int) {
	// A unit of fuel is for 64 bytes of memory, or 8 elements of a table.
	const bytes, elements = 6, 3
	r, m := &s.r, s.m
	op := r.u32()
	switch op {
	case miscMemoryInit:
		r.u32()
		r.u32()
		s.long(bytes, start)
		return
	case miscMemoryCopy:
		r.u32()
		r.u32()
		s.long(bytes, start)
		return
	case miscMemoryFill:
		r.u32()
		s.long(bytes, start)
		return
	case miscTableInit:
		r.u32()
		r.u32()
		m.notResettable("table.init")
		s.long(elements, start)
		return
	case miscTableCopy:
		r.u32()
		r.u32()
		m.notResettable("table.copy")
		s.long(elements, start)
		return
	case miscTableFill:
		r.u32()
		m.notResettable("table.fill")
		s.long(elements, start)
		return
	case miscTableGrow:
		r.u32()
		m.notResettable("table.grow")
		s.grow()
		return
	case miscDataDrop:
		r.u32()
		m.notResettable("data.drop")
	case miscElemDrop:
		r.u32()
		m.notResettable("elem.drop")
	case miscTableSize:
		r.u32()
	default:
		if op > miscTruncLast {
			r.unknown("opcode behind 0xfc", op)
		}
	}
	s.run++
}

// grow notes an instruction that makes a memory or a table larger. What it costs
// does not depend on by how much, since it may fail, and cannot succeed often.
func (s *scan) grow() {
	s.plain = false
	s.run += costGrow
	s.since += costGrow
}

// long adds an instruction that pays for its length.
func (s *scan) long(shift uint8, start int) {
	s.plain = false
	s.bulk = true
	s.add(event{kind: eventBulk, cost: 1, shift: shift}, start)
}

// vector reads the rest of an instruction behind prefixVector. wazero takes the
// first byte of the number for all of it; a second byte of 1, which numbers from
// 128 on have, it takes for a nop. Other ways to write a number are not known.
func (s *scan) vector() {
	r := &s.r
	start := r.at
	op := r.u32()
	minimal := r.at-start == 1 || op >= 0x80 && r.at-start == 2
	memory, lane, known := vectorImmediate(byte(op))
	if op > 0xff || !known || !minimal {
		r.unknown("opcode behind 0xfd", op)
		return
	}
	switch {
	case op == vectorConst, op == vectorShuffle:
		r.take(16)
	case memory:
		s.memoryArgument()
	}
	if lane {
		r.byte()
	}
}

// atomic reads the rest of an instruction behind prefixAtomic, of which the
// number is one byte.
func (s *scan) atomic() {
	switch op := s.r.byte(); {
	case op == atomicFence:
		s.r.byte()
	case op <= atomicWait64:
		s.plain = false
		s.run += costGo
		s.memoryArgument()
	case op >= atomicFirst && op <= atomicLast:
		s.memoryArgument()
	default:
		s.r.unknown("opcode behind 0xfe", uint32(op))
	}
}
