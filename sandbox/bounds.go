package sandbox

import (
	"encoding/binary"
	"fmt"
)

// wazero makes room for as many things as a build says that it has, before it
// looks whether there are any. So a few bytes could take all memory of the host.
// checkBounds walks a build the way wazero does and refuses what does not fit;
// everything else that may be wrong with it is left for wazero to tell.

// The limits that browsers have; wazero has none that is near.
const (
	maxLocals       = 50_000     // of one function
	maxTableEntries = 10_000_000 // of all tables at the start, 8 bytes each
)

// The sections of a module that say how many there are of something.
const (
	customSection   = 0
	typeSection     = 1
	importSection   = 2
	functionSection = 3
	tableSection    = 4
	memorySection   = 5
	globalSection   = 6
	exportSection   = 7
	elementSection  = 9
	codeSection     = 10
	dataSection     = 11
	tagSection      = 13
)

// checkBounds refuses a build in which a count or a size says more than there
// is. The error follows the file's name. The header was checked before.
func checkBounds(wasm []byte) error {
	module := reader{rest: wasm[8:]}
	for len(module.rest) > 0 {
		id := module.byte()
		size := module.uint()
		section := module.take(size)
		if module.short {
			return fmt.Errorf("does not validate: section %d ends beyond the end of the file", id)
		}
		if section.walk(id); section.short {
			return fmt.Errorf("does not validate: what is said to be in section %d does not fit into it", id)
		}
		if section.excess != nil {
			return section.excess
		}
	}
	return nil
}

// reader reads a part of a build. Once it is short, or has met what wazero does
// not know either, it gives zeros.
type reader struct {
	rest   []byte
	short  bool  // something does not fit
	odd    bool  // wazero refuses what comes next
	excess error // a limit is exceeded
}

func (r *reader) done() bool { return r.short || r.odd || r.excess != nil }

func (r *reader) take(n uint64) reader {
	if r.done() || n > uint64(len(r.rest)) {
		r.rest, r.short = nil, r.short || !r.done()
		return reader{}
	}
	part := reader{rest: r.rest[:n]}
	r.rest = r.rest[n:]
	return part
}

func (r *reader) skip(n uint64) { r.take(n) }

func (r *reader) byte() byte {
	if b := r.take(1); len(b.rest) == 1 {
		return b.rest[0]
	}
	return 0
}

// uint reads a number in LEB128.
func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.take(uint64(len(r.rest)) + 1)
		return 0
	}
	r.skip(uint64(n))
	return v
}

// signed skips a number in LEB128 that may be negative.
func (r *reader) signed() {
	for r.byte() >= 0x80 {
	}
}

// each reads a count, and calls item as often. An item has at least one byte.
func (r *reader) each(item func()) {
	n := r.uint()
	if n > uint64(len(r.rest)) {
		r.take(n)
		return
	}
	for ; n > 0 && !r.done(); n-- {
		item()
	}
}

// name skips a text.
func (r *reader) name() { r.skip(r.uint()) }

// valueType skips the type of a value, and tells its first byte.
func (r *reader) valueType() byte {
	const refNull, ref = 0x63, 0x64
	t := r.byte()
	if t == refNull || t == ref {
		r.signed() // to what
	}
	return t
}

// walk reads a section as far as there are counts in it.
func (r *reader) walk(id byte) {
	switch id {
	case customSection:
		r.custom()
	case typeSection:
		r.each(r.recursiveTypes)
	case importSection:
		r.each(r.imported)
	case functionSection, memorySection, globalSection, tagSection:
		if r.uint() > uint64(len(r.rest)) {
			r.short = true
		}
	case tableSection:
		entries := uint64(0)
		r.each(func() { r.table(&entries) })
	case exportSection:
		r.each(func() {
			r.name()
			r.byte()
			r.uint()
		})
	case elementSection:
		r.each(r.element)
	case codeSection:
		r.each(r.code)
	case dataSection:
		r.each(r.data)
	}
}
