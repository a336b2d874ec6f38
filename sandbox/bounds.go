package sandbox

import (
	"encoding/binary"
	"fmt"

	"berth/sandbox/meter"
)

// wazero makes room for as many things as a build says that it has, before it
// looks whether there are any. So a few bytes could take all memory of the host.
// checkBounds walks a build the way wazero does and refuses what does not fit, and
// what is too much of something; everything else that may be wrong with it is
// left for wazero to tell. What the code itself takes to compile is bounded by
// package meter.

// How much of what one module may have. Browsers have most of these limits, wazero
// none that is near. The times are wazero's for a module that is full of it.
const (
	maxLocals       = meter.MaxLocals // of one function
	maxLocalGroups  = meter.MaxLocals // of one function: a group may be empty
	maxAllLocals    = 5_000_000       // of all functions: 40 MB; 150 million took 2 s and 1.2 GB
	maxFunctions    = 1_000_000       // 5 s
	maxTypes        = 100_000         // 0.6 s and 130 MB
	maxValues       = 1_000           // parameters or results of a type: 100,000 parameters took 6 s
	maxAllValues    = 1_000_000       // of all types: 1 s and 80 MB
	maxTableEntries = 10_000_000      // of all tables at the start, 8 bytes each
	maxTables       = 100             // each may grow
	maxItems        = 100_000         // imports, globals, exports, segments of data and of elements, tags: 0.1 s and 30 MB each
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
	var t totals
	for len(module.rest) > 0 {
		id := module.byte()
		size := module.uint()
		section := module.take(size)
		if module.short {
			return fmt.Errorf("does not validate: section %d ends beyond the end of the file", id)
		}
		if section.walk(id, &t); section.short {
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

// tooMany refuses the build where it has more of something than it may.
func (r *reader) tooMany(has, most uint64, what string) {
	if has > most && !r.done() {
		r.excess = fmt.Errorf("has %d %s: at most %d are compiled", has, what, most)
	}
}

// atMost reads a count without moving on, and refuses one that is too large. A
// count that does not fit is left for what follows.
func (r *reader) atMost(most uint64, what string) {
	if n, size := binary.Uvarint(r.rest); size > 0 && n <= uint64(len(r.rest)-size) {
		r.tooMany(n, most, what)
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

// totals are sums over a module.
type totals struct {
	types   uint64 // with those in groups
	values  uint64 // parameters and results of all types
	locals  uint64
	entries uint64 // of tables
	called  uint64 // functions that are exported
}

// walk reads a section as far as there are counts in it.
func (r *reader) walk(id byte, t *totals) {
	count := func() {
		if r.uint() > uint64(len(r.rest)) && !r.done() {
			r.short = true
		}
	}
	switch id {
	case customSection:
		r.custom()
	case typeSection:
		r.each(func() { r.recursiveTypes(t) })
	case importSection:
		r.atMost(maxItems, "imports")
		r.each(r.imported)
	case functionSection:
		r.atMost(maxFunctions, "functions")
		count()
	case memorySection:
		count()
	case globalSection:
		r.atMost(maxItems, "globals")
		count()
	case tagSection:
		r.atMost(maxItems, "tags")
		count()
	case tableSection:
		r.atMost(maxTables, "tables")
		r.each(func() { r.table(&t.entries) })
	case exportSection:
		r.atMost(maxItems, "exports")
		r.each(func() { r.export(t) })
	case elementSection:
		r.atMost(maxItems, "segments of elements")
		r.each(r.element)
	case codeSection:
		r.each(func() { r.code(t) })
	case dataSection:
		r.atMost(maxItems, "segments of data")
		r.each(r.data)
	}
}
