package meter

// constant reads a constant expression and appends it with its indices of
// functions shifted. A global in it has to be below globals.
func (m *module) constant(out []byte, r *reader, globals uint32) []byte {
	for r.err == nil {
		start := r.at
		op := r.byte()
		switch op {
		case opEnd:
			return append(out, op)
		case opI32Const:
			r.signed(5)
		case opI64Const:
			r.signed(10)
		case opF32Const:
			r.take(4)
		case opF64Const:
			r.take(8)
		case opGlobalGet:
			r.index("global", globals)
		case opRefNull:
			r.nullType(m.types())
		case opI32Add, opI32Sub, opI32Mul, opI64Add, opI64Sub, opI64Mul:
		case opRefFunc:
			function := r.index("function", m.allFunctions())
			if r.err == nil {
				m.escapes(function)
			}
			out = appendU32(append(out, op), m.shifted(function))
			continue
		case prefixVector:
			if sub := r.byte(); sub != vectorConst {
				r.unknown("constant vector opcode", uint32(sub))
			}
			r.take(16)
		default:
			r.unknown("constant opcode", uint32(op))
		}
		if r.err == nil {
			out = append(out, r.data[start:r.at]...)
		}
	}
	return out
}

// parseElements reads the segments of elements, and returns the section with
// their indices of functions shifted.
func (m *module) parseElements(r *reader) []byte {
	// The bits of a segment's kind.
	const passive, explicit, expressions = 1, 2, 4
	n := r.count()
	out := appendU32(make([]byte, 0, len(r.data)), n)
	for ; n > 0 && r.err == nil; n-- {
		kind := r.u32()
		if kind > passive|explicit|expressions {
			r.unknown("kind of element segment", kind)
			break
		}
		out = appendU32(out, kind)
		if kind&passive == 0 {
			if kind&explicit != 0 {
				out = appendU32(out, r.u32()) // the table
			}
			out = m.constant(out, r, m.globals)
		}
		if kind&(passive|explicit) != 0 {
			start := r.at
			if kind&expressions != 0 {
				r.valueType(m.types())
			} else {
				r.byte()
			}
			if r.err == nil {
				out = append(out, r.data[start:r.at]...)
			}
		}
		items := r.count()
		out = appendU32(out, items)
		for ; items > 0 && r.err == nil; items-- {
			if kind&expressions != 0 {
				out = m.constant(out, r, m.globals)
				continue
			}
			function := r.index("function", m.allFunctions())
			if r.err == nil {
				m.escapes(function)
			}
			out = appendU32(out, m.shifted(function))
		}
	}
	return out
}

// parseData checks the segments of data. They hold no functions.
func (m *module) parseData(r *reader) {
	const active, passive, explicit = 0, 1, 2
	for n := r.count(); n > 0 && r.err == nil; n-- {
		switch kind := r.u32(); kind {
		case active:
			m.constant(nil, r, m.globals)
		case passive:
		case explicit:
			r.u32()
			m.constant(nil, r, m.globals)
		default:
			r.unknown("kind of data segment", kind)
		}
		r.name()
	}
}
