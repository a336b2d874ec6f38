package meter

// arity is how many values a type takes and gives.
type arity struct{ params, results uint32 }

// operands takes so many values from the stack and puts others there. Behind
// what does not return there are as many as are asked for.
func (s *scan) operands(pops, pushes uint32) {
	f := &s.frames[len(s.frames)-1]
	s.height -= int64(pops)
	if s.height < f.floor {
		if !f.dead {
			s.r.malformed("an instruction finds too few operands")
		}
		s.height = f.floor
	}
	s.height += int64(pushes)
}

// leave tells that what follows is not reached.
func (s *scan) leave() {
	f := &s.frames[len(s.frames)-1]
	f.dead, f.cut = true, true
	s.height = f.floor
}

// balance checks what a block, or one arm of it, leaves on the stack.
func (s *scan) balance(f *frame) {
	if left := s.height - f.floor; left != int64(f.results) && !(f.dead && left < int64(f.results)) {
		s.r.malformed("a block leaves %d values, not %d", left, f.results)
	}
}

// numeric tells how many operands an instruction from opI32Eqz to
// opI64Extend32S takes. It gives one.
func numeric(op byte) uint32 {
	switch {
	case op == opI32Eqz, op == 0x50, // i64.eqz
		op >= 0x67 && op <= 0x69, op >= 0x79 && op <= 0x7b, // clz, ctz, popcnt
		op >= 0x8b && op <= 0x91, op >= 0x99 && op <= 0x9f, // abs to sqrt
		op >= 0xa7: // conversions
		return 1
	}
	return 2
}

// vectorOperands tells what a known instruction behind prefixVector takes and
// gives.
func vectorOperands(op byte) (pops, pushes uint32) {
	switch op {
	case vectorConst:
		return 0, 1
	case 0x0b, 0x58, 0x59, 0x5a, 0x5b: // stores
		return 2, 0
	case 0x52: // bitselect
		return 3, 1
	case 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, // splat
		0x15, 0x16, 0x18, 0x19, 0x1b, 0x1d, 0x1f, 0x21, // extract_lane
		0x4d, 0x53, 0x5c, 0x5d, 0x5e, 0x5f, // not, any_true, loads, between f32 and f64
		0x60, 0x61, 0x62, 0x63, 0x64, 0x67, 0x68, 0x69, 0x6a, 0x74, 0x75, 0x7a, 0x7c, 0x7d, 0x7e, 0x7f, // of 8 bits, and rounding
		0x80, 0x81, 0x83, 0x84, 0x87, 0x88, 0x89, 0x8a, 0x94, // of 16 bits
		0xa0, 0xa1, 0xa3, 0xa4, 0xa7, 0xa8, 0xa9, 0xaa, // of 32 bits
		0xc0, 0xc1, 0xc3, 0xc4, 0xc7, 0xc8, 0xc9, 0xca, // of 64 bits
		0xe0, 0xe1, 0xe3, 0xec, 0xed, 0xef, // of numbers with a point
		0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff: // conversions
		return 1, 1
	}
	if op <= 0x0a { // loads
		return 1, 1
	}
	return 2, 1
}

// atomicOperands tells what an instruction behind prefixAtomic takes and gives,
// but for the fence.
func atomicOperands(op byte) (pops, pushes uint32) {
	switch {
	case op == atomicNotify:
		return 2, 1
	case op <= atomicWait64:
		return 3, 1
	case op <= 0x16: // loads
		return 1, 1
	case op <= 0x1d: // stores
		return 2, 0
	case op >= 0x48: // compare and exchange
		return 3, 1
	}
	return 2, 1
}
