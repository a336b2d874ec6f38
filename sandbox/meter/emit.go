package meter

// emit appends the metered body of the function that was scanned and measured.
func (s *scan) emit(out []byte, entry charge) []byte {
	groups := s.groups
	if s.bulk {
		groups++
	}
	out = append(appendU32(out, groups), s.decls...)
	if s.bulk {
		out = append(out, 1, typeI32) // with the index s.locals
	}
	out = s.m.appendCharge(out, entry)
	out = s.appendCode(out, 0, int32(len(s.events))-1, 0)
	return append(out, opEnd)
}

// appendCode appends the metered form of what stands between two events, with
// those from the first of them and without the last, where so many blocks are
// open.
func (s *scan) appendCode(out []byte, from, to int32, depth uint32) []byte {
	copied := uint32(0)
	if from > 0 {
		copied = s.events[from-1].next
	}
	for i := from; i < to; i++ {
		e := &s.events[i]
		out = append(out, s.code[copied:e.start]...)
		if e.kind == eventLoop && e.small {
			out = s.appendTwice(out, i, depth)
			i = int32(e.to)
			copied = s.events[i].next
			continue
		}
		copied = e.next
		instruction := s.code[e.start:e.next]
		switch e.kind {
		case eventLoop:
			if e.wrapped {
				out = s.m.appendLoop(out, instruction, e.charge)
				depth += wrapping + 1
				e.level = depth
				continue
			}
			depth++
			e.level = depth
		case eventBlock, eventIf:
			depth++
			e.level = depth
		case eventTry:
			out = s.appendTry(out, e, depth)
			depth++
			e.level = depth
			instruction = nil
		case eventEnd:
			depth--
			if opener := &s.events[e.target]; opener.wrapped {
				out = s.m.appendLoopEnd(out, opener.charge)
				depth -= wrapping
				instruction = nil
			}
		case eventJump, eventBranch:
			out = appendU32(append(out, instruction[0]), s.depth(e.target, depth))
			instruction = nil
		case eventTable:
			out = appendU32(append(out, opBrTable), e.to-e.from-1)
			for _, target := range s.branches[e.from:e.to] {
				out = appendU32(out, s.depth(target, depth))
			}
			instruction = nil
		case eventBulk:
			out = s.m.appendLength(out, uint32(s.locals), e.shift)
		case eventCall, eventTail, eventRef:
			if e.target >= 0 {
				out = appendU32(append(out, instruction[0]), s.m.shifted(uint32(e.target)))
				instruction = nil
			}
		case eventSelect:
			// wazero takes the type from the operands, and would run the second
			// byte of this one as an instruction.
			out = append(out, opSelectTyped, 1, typeFunc)
			instruction = nil
		}
		out = append(out, instruction...)
		out = s.m.appendCharge(out, charge{e.charge, e.check})
	}
	return append(out, s.code[copied:s.events[to].start]...)
}

// depth is the label of a target from inside so many blocks.
func (s *scan) depth(target int32, depth uint32) uint32 {
	if target < 0 {
		return depth
	}
	return depth - s.events[target].level
}

// appendTry appends a try_table with the labels of its catch clauses anew.
func (s *scan) appendTry(out []byte, e *event, depth uint32) []byte {
	r := reader{data: s.code[e.start:e.next]}
	r.byte()
	r.blockType(s.m.types())
	r.count()
	out = append(out, r.data[:r.at]...)
	for _, target := range s.branches[e.from:e.to] {
		start := r.at
		if r.byte() <= catchOneWithRef {
			r.u32() // the tag
		}
		out = append(out, r.data[start:r.at]...)
		out = appendU32(out, s.depth(target, depth))
		r.u32()
	}
	return out
}

// A charge is what is taken from the fuel at one place.
type charge struct {
	cost  uint32
	check bool // and ticks where the fuel is below zero then
}

// appendCharge appends a charge. It leaves the operands alone.
func (m *module) appendCharge(out []byte, c charge) []byte {
	if c.cost > 0 {
		out = m.appendTake(out, opI64Sub, c.cost)
	}
	if c.check {
		out = m.appendCheck(out)
	}
	return out
}

// appendTake appends what takes the cost from the fuel, or gives it back.
func (m *module) appendTake(out []byte, op byte, cost uint32) []byte {
	out = appendU32(append(out, opGlobalGet), m.globals)
	out = appendSigned(append(out, opI64Const), int64(cost))
	return appendU32(append(out, op, opGlobalSet), m.globals)
}

// appendCheck appends what ticks when the fuel is below zero. The way that is
// taken nearly always comes first: wazero lets what follows the block find its
// registers as that way leaves them.
func (m *module) appendCheck(out []byte) []byte {
	out = appendU32(append(out, opGlobalGet), m.globals)
	out = append(out, opI64Const, 0, opI64GeS, opIf, blockTypeEmpty, opElse)
	out = appendU32(append(out, opCall), m.refuel())
	return append(out, opEnd)
}

// appendLength appends what pays for the length on the top of the stack, which
// it leaves there: one unit for each 2 to the power of shift.
func (m *module) appendLength(out []byte, local uint32, shift uint8) []byte {
	out = appendU32(append(out, opLocalTee), local)
	out = appendU32(append(out, opGlobalGet), m.globals)
	out = appendU32(append(out, opLocalGet), local)
	out = append(out, opI64ExtendI32U, opI64Const, shift, opI64ShrU, opI64Sub)
	out = appendU32(append(out, opGlobalSet), m.globals)
	return m.appendCheck(out)
}

// refuel is the index of the function that ticks.
func (m *module) refuel() uint32 { return m.allFunctions() + 1 }

// appendRefuel appends the body of that function: fuel = tick(fuel).
func (m *module) appendRefuel(out []byte) []byte {
	body := []byte{0}
	body = appendU32(append(body, opGlobalGet), m.globals)
	body = appendU32(append(body, opCall), m.importedFunctions)
	body = appendU32(append(body, opGlobalSet), m.globals)
	body = append(body, opEnd)
	return append(appendU32(out, uint32(len(body))), body...)
}
