package meter

// emit appends the metered body of the function that was scanned and measured.
func (s *scan) emit(out []byte, entry charge) []byte {
	tight, length := s.locals, s.locals // the locals that are added
	groups := s.groups
	if s.tight {
		groups++
		length++
	}
	if s.bulk {
		groups++
	}
	out = append(appendU32(out, groups), s.decls...)
	if s.tight {
		out = append(out, 1, typeI64)
	}
	if s.bulk {
		out = append(out, 1, typeI32)
	}
	out = s.m.appendCharge(out, entry)

	copied, inside := uint32(0), 0 // inside so many tight loops
	for i := range s.events {
		e := &s.events[i]
		out = append(out, s.code[copied:e.start]...)
		copied = e.next
		instruction := s.code[e.start:e.next]
		switch {
		case e.kind == eventLoop && e.tight:
			if inside == 0 {
				out = appendU32(append(out, opGlobalGet), s.m.globals)
				out = appendU32(append(out, opLocalSet), tight)
			}
			inside++
		case e.kind == eventEnd && e.target >= 0 && s.events[e.target].tight:
			inside--
		case e.kind == eventBulk:
			out = s.m.appendLength(out, length, e.shift)
		case (e.kind == eventCall || e.kind == eventTail || e.kind == eventRef) && e.target >= 0:
			out = appendU32(append(out, instruction[0]), s.m.shifted(uint32(e.target)))
			instruction = nil
		case e.kind == eventSelect:
			// wazero takes the type from the operands, and would run the second
			// byte of this one as an instruction.
			out = append(out, opSelectTyped, 1, typeFunc)
			instruction = nil
		}
		out = append(out, instruction...)
		if e.charge > 0 || e.check {
			out = s.m.appendCharge(out, charge{cost: e.charge, check: e.check, inside: inside > 0, local: tight})
		}
	}
	return append(out, s.code[copied:]...)
}

// A charge is code that takes from the fuel.
type charge struct {
	cost   uint32
	check  bool   // ticks where the fuel is below zero then
	inside bool   // a tight loop, so local holds the fuel, too
	local  uint32 // the local
}

// appendCharge appends a charge. It leaves the operands alone.
func (m *module) appendCharge(out []byte, c charge) []byte {
	if c.cost == 0 && !c.check {
		return out
	}
	fuel := c.get(out, m.globals)
	out = appendSigned(append(fuel, opI64Const), int64(c.cost))
	out = append(out, opI64Sub)
	if c.inside {
		out = appendU32(append(out, opLocalTee), c.local)
	}
	out = appendU32(append(out, opGlobalSet), m.globals)
	if !c.check {
		return out
	}
	out = c.get(out, m.globals)
	out = m.appendCheck(out)
	if c.inside {
		out = appendU32(append(out, opGlobalGet), m.globals)
		out = appendU32(append(out, opLocalSet), c.local)
	}
	return append(out, opEnd)
}

// get appends what puts the fuel onto the stack.
func (c charge) get(out []byte, global uint32) []byte {
	if c.inside {
		return appendU32(append(out, opLocalGet), c.local)
	}
	return appendU32(append(out, opGlobalGet), global)
}

// appendCheck appends what ticks when the fuel on the stack is below zero. Its
// block is left open.
func (m *module) appendCheck(out []byte) []byte {
	out = append(out, opI64Const, 0, opI64LtS, opIf, blockTypeEmpty)
	return appendU32(append(out, opCall), m.refuel())
}

// appendLength appends what pays for the length on the top of the stack, which
// it leaves there: one unit for each 2 to the power of shift.
func (m *module) appendLength(out []byte, local uint32, shift uint8) []byte {
	out = appendU32(append(out, opLocalTee), local)
	out = appendU32(append(out, opGlobalGet), m.globals)
	out = appendU32(append(out, opLocalGet), local)
	out = append(out, opI64ExtendI32U, opI64Const, shift, opI64ShrU, opI64Sub)
	out = appendU32(append(out, opGlobalSet), m.globals)
	out = appendU32(append(out, opGlobalGet), m.globals)
	return append(m.appendCheck(out), opEnd)
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
