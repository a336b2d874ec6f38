package meter

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
	case miscMemoryInit, miscMemoryCopy:
		s.long(2, bytes, start)
		return
	case miscMemoryFill:
		s.long(1, bytes, start)
		return
	case miscTableInit:
		m.notResettable("table.init")
		s.long(2, elements, start)
		return
	case miscTableCopy:
		m.notResettable("table.copy")
		s.long(2, elements, start)
		return
	case miscTableFill:
		m.notResettable("table.fill")
		s.long(1, elements, start)
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

// long reads the indices of an instruction that pays for its length, and adds it.
func (s *scan) long(indices int, shift uint8, start int) {
	for range indices {
		s.r.u32()
	}
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
