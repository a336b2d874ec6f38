package meter

// Types of values, and what may follow a type of reference.
const (
	typeI32     = 0x7f
	typeI64     = 0x7e
	typeF32     = 0x7d
	typeF64     = 0x7c
	typeV128    = 0x7b
	typeFunc    = 0x70
	typeExtern  = 0x6f
	typeExn     = 0x69
	typeRefNull = 0x63 // and a heap type
	typeRef     = 0x64 // and a heap type

	formFunction = 0x60
	formGroup    = 0x4e

	blockEmpty = -64 // the heap types below are numbers of 7 bits, too
	heapFunc   = -16
	heapExtern = -17
	heapExn    = -23
)

// valueType reads a type and tells its first byte. A type index in it has to be
// below types.
func (r *reader) valueType(types uint32) byte {
	t := r.byte()
	switch t {
	case typeI32, typeI64, typeF32, typeF64, typeV128, typeFunc, typeExtern, typeExn:
	case typeRef, typeRefNull:
		r.heapType(types)
	default:
		r.unknown("type of value", uint32(t))
	}
	return t
}

func (r *reader) heapType(types uint32) {
	switch t := r.s33(); {
	case t >= int64(types):
		r.malformed("type %d is not there: the module has %d", t, types)
	case t < 0 && t != heapFunc && t != heapExtern && t != heapExn:
		r.unknown("heap type", uint32(t&0x7f))
	}
}

// nullType reads the type of a null. As in wazero, one byte names an abstract
// type, and everything else is the index of a type.
func (r *reader) nullType(types uint32) {
	switch b := r.byte(); b {
	case typeFunc, typeExtern, typeExn:
	default:
		if r.err == nil {
			r.at--
			r.index("type", types)
		}
	}
}

// blockType reads the type of a block, and tells its index, which is below zero
// where the type is none of the module's.
func (r *reader) blockType(types uint32) int64 {
	t := r.s33()
	switch {
	case t >= int64(types):
		r.malformed("type %d is not there: the module has %d", t, types)
		return -1
	case t >= 0, t == blockEmpty:
		return t
	case t < blockEmpty:
		r.unknown("type of block", uint32(t))
		return -1
	}
	switch byte(t & 0x7f) {
	case typeI32, typeI64, typeF32, typeF64, typeV128, typeFunc, typeExtern, typeExn:
	case typeRef, typeRefNull:
		r.heapType(types)
	default:
		r.unknown("type of block", uint32(t&0x7f))
	}
	return t
}

// limits reads the limits of a table or a memory.
func (r *reader) limits() {
	flags := r.byte()
	if flags > 3 {
		r.unknown("kind of limits", uint32(flags))
	}
	r.u32()
	if flags&1 != 0 {
		r.u32()
	}
}
