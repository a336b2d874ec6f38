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
	plain bool // neither calls nor loops, nor anything that takes long
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
		if opener.kind == eventLoop && opener.again {
			opener.wrapped = f.params == 0 && f.loops <= deepest
			s.plain = false
		}
	}
	s.add(event{kind: eventEnd, target: f.opener}, start)
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

// instruction reads one instruction.
func (s *scan) instruction() {
	r, m := &s.r, s.m
	start := r.at
	if s.since++; s.since > stretch {
		s.since = 0
		s.current++
		s.add(event{kind: eventStretch}, start)
	}
	s.instructions++
	op := r.byte()
	switch op {
	case opBlock:
		s.open(event{kind: eventBlock}, r.blockType(m.types()), start)
		return
	case opLoop:
		s.open(event{kind: eventLoop}, r.blockType(m.types()), start)
		return
	case opIf:
		s.open(event{kind: eventIf, cost: 1}, r.blockType(m.types()), start)
		return
	case opElse:
		f := &s.frames[len(s.frames)-1]
		if f.opener < 0 || s.events[f.opener].kind != eventIf || f.otherwise {
			r.malformed("an else without an if")
			return
		}
		s.balance(f)
		if !f.cut {
			f.known = min(f.known, s.accesses)
		}
		s.accesses = f.accesses
		s.current++
		f.otherwise, f.dead, f.cut = true, false, s.frames[len(s.frames)-2].cut
		s.height = f.floor + int64(f.params)
		s.moves(f.params)
		s.moves(f.results)
		s.add(event{kind: eventElse, target: f.opener}, start)
		return
	case opEnd:
		s.end(start)
		return
	case opTryTable:
		s.tryTable(start)
		return
	case opThrow:
		tag := r.index("tag", uint32(len(m.tags)))
		if r.err != nil {
			return
		}
		s.moves(m.tags[tag])
		s.operands(m.tags[tag], 0)
		s.leave()
		s.plain = false
		s.add(event{kind: eventThrow, cost: costGo}, start)
		return
	case opThrowRef:
		s.operands(1, 0)
		s.leave()
		s.plain = false
		s.add(event{kind: eventThrow, cost: costGo}, start)
		return
	case opBr:
		target := s.label()
		s.leave()
		s.add(event{kind: eventJump, target: target, cost: 1}, start)
		return
	case opBrIf, opBrOnNull, opBrOnNonNull:
		s.operands(1, 0)
		target := s.label()
		s.block(blocksBranch)
		if op == opBrOnNull {
			s.operands(0, 1)
		}
		s.add(event{kind: eventBranch, target: target, cost: 1}, start)
		return
	case opBrTable:
		n := r.count()
		if n > MaxTable {
			r.fail(&TooLarge{What: "targets of one br_table", Most: MaxTable})
		}
		s.operands(1, 0)
		from, to := s.labels(n + 1) // and the default
		s.leave()
		s.add(event{kind: eventTable, cost: 1, from: from, to: to}, start)
		return
	case opReturn, opUnreachable:
		s.moves(s.frames[0].results)
		s.leave()
		s.add(event{kind: eventLeave, cost: 1}, start)
		return
	case opCall, opReturnCall:
		s.call(op, start)
		return
	case opCallIndirect, opReturnCallIndirect:
		t := r.index("type", m.types())
		r.u32() // the table
		s.otherCall(t, op == opReturnCallIndirect, start)
		return
	case opCallRef, opReturnCallRef:
		t := r.index("type", m.types())
		s.otherCall(t, op == opReturnCallRef, start)
		return
	case opRefFunc:
		function := r.index("function", m.allFunctions())
		s.operands(0, 1)
		s.plain = false
		s.add(event{kind: eventRef, target: int32(function), cost: costGo}, start)
		return
	case opMemoryGrow:
		r.u32()
		s.operands(1, 1)
		s.grow()
		return
	case opSelectTyped:
		if n := r.byte(); n != 1 {
			r.malformed("a select of %d types", n)
		}
		s.operands(3, 1)
		if t := r.valueType(m.types()); t == typeRef || t == typeRefNull {
			s.add(event{kind: eventSelect, cost: 1}, start)
			return
		}
	case opLocalGet:
		s.gets()
		s.operands(0, 1)
	case opLocalSet:
		s.sets()
		s.operands(1, 0)
	case opLocalTee:
		s.sets()
		s.operands(1, 1)
	case opGlobalGet:
		r.index("global", m.globals)
		s.operands(0, 1)
	case opGlobalSet:
		r.index("global", m.globals)
		s.operands(1, 0)
	case opTableGet:
		r.u32()
		s.operands(1, 1)
	case opTableSet:
		r.u32()
		s.operands(2, 0)
		m.notResettable("table.set")
	case opMemorySize:
		r.u32()
		s.operands(0, 1)
	case opI32Const:
		r.signed(5)
		s.operands(0, 1)
	case opI64Const:
		r.signed(10)
		s.operands(0, 1)
	case opF32Const:
		r.take(4)
		s.operands(0, 1)
	case opF64Const:
		r.take(8)
		s.operands(0, 1)
	case opRefNull:
		r.nullType(m.types())
		s.operands(0, 1)
	case opNop:
	case opDrop:
		s.operands(1, 0)
	case opSelect:
		s.operands(3, 1)
	case opRefIsNull, opRefAsNonNull:
		s.operands(1, 1)
	case prefixMisc:
		s.misc(start)
		return
	case prefixVector:
		s.vector()
	case prefixAtomic:
		s.atomic()
	default:
		switch {
		case op >= opI32Load && op < opI32Store:
			s.memoryArgument()
			s.operands(1, 1)
		case op >= opI32Store && op <= opI64Store32:
			s.memoryArgument()
			s.operands(2, 0)
		case op >= opI32Eqz && op <= opI64Extend32S:
			s.operands(numeric(op), 1)
		default:
			r.unknown("opcode", uint32(op))
		}
	}
	s.run++
}

func (s *scan) memoryArgument() {
	s.accesses++
	if align := s.r.u32(); align >= 32 {
		s.r.malformed("an alignment of 2 to the power of %d", align)
	}
	s.r.u32()
}

// tryTable reads a block with catch clauses, whose labels are seen from outside
// of it.
func (s *scan) tryTable(start int) {
	s.m.info.Exceptions = true
	r := &s.r
	t := r.blockType(s.m.types())
	from := uint32(len(s.branches))
	for n := r.count(); n > 0 && r.err == nil; n-- {
		switch kind := r.byte(); {
		case kind > catchAllWithRef:
			r.unknown("kind of catch clause", uint32(kind))
		case kind <= catchOneWithRef:
			r.u32() // the tag
		}
		s.labels(1)
		s.block(blocksBranch)
		s.excess()
	}
	s.plain = false
	s.open(event{kind: eventTry, cost: 1, from: from, to: uint32(len(s.branches))}, t, start)
}

func (s *scan) call(op byte, start int) {
	function := s.r.index("function", s.m.allFunctions())
	if s.r.err != nil {
		return
	}
	s.plain = false
	e := event{kind: eventCall, target: int32(function), cost: 1}
	s.called(s.m.functionArity(function))
	if op == opReturnCall {
		e.kind = eventTail
		s.leave()
	}
	if function < s.m.importedFunctions {
		e.cost = costHost
	} else {
		e.cost += s.m.leaves[function-s.m.importedFunctions]
	}
	s.add(e, start)
}

// otherCall adds a call by a type, of which the function is not known.
func (s *scan) otherCall(t uint32, tail bool, start int) {
	if s.r.err != nil {
		return
	}
	s.plain = false
	e := event{kind: eventCall, target: -1, cost: 1}
	s.operands(1, 0) // which function
	s.called(s.m.arities[t])
	if tail {
		e.kind = eventTail
		s.leave()
	}
	s.add(e, start)
}

// called counts what a call moves.
func (s *scan) called(t arity) {
	s.operands(t.params, t.results)
	s.moves(t.params)
	s.moves(t.results)
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
		s.operands(2, 1)
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
		s.operands(0, 1)
	default:
		if op > miscTruncLast {
			r.unknown("opcode behind 0xfc", op)
		}
		s.operands(1, 1)
	}
	s.run++
}

// grow notes an instruction that makes a memory or a table larger. What it costs
// does not depend on by how much, since it may fail, and cannot succeed often.
func (s *scan) grow() {
	s.block(blocksBulk)
	s.plain = false
	s.run += costGrow
	s.since += costGrow
}

// long adds an instruction that pays for its length.
func (s *scan) long(shift uint8, start int) {
	s.block(blocksBulk)
	s.operands(3, 0)
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
	s.operands(vectorOperands(byte(op)))
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
		s.operands(atomicOperands(op))
	case op >= atomicFirst && op <= atomicLast:
		s.memoryArgument()
		s.operands(atomicOperands(op))
	default:
		s.r.unknown("opcode behind 0xfe", uint32(op))
	}
}
