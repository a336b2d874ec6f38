package sandbox_test

import (
	"bytes"
	"encoding/binary"
)

// assembler makes modules that are too large to be kept as files, or that no
// tool at hand makes. Its zero value is an empty module.
type assembler struct {
	types, imports, functions, tables, tags, globals, exports, elements, codes, datas [][]byte
}

// code is a function's instructions, without the end.
type code = []byte

// The few instructions that the tests name.
const (
	opUnreachable = 0x00
	opBlock       = 0x02
	opLoop        = 0x03
	opIf          = 0x04
	opThrow       = 0x08
	opEnd         = 0x0b
	opBr          = 0x0c
	opBrIf        = 0x0d
	opBrTable     = 0x0e
	opCall        = 0x10
	opTryTable    = 0x1f
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opLoad        = 0x28
	opConst       = 0x41
	opAdd         = 0x6a
	catchAll      = 2
	noResult      = 0x40
	typeI32       = 0x7f
)

func uleb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// sleb is for numbers that are not negative.
func sleb(n int) (b []byte) {
	for ; n >= 0x40; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func times(n int, part ...byte) []byte { return bytes.Repeat(part, n) }

func sized(p []byte) []byte { return append(uleb(len(p)), p...) }

// functionType adds a type of so many parameters and results, all i32.
func (a *assembler) functionType(params, results int) (index int) {
	a.types = append(a.types, join([]byte{0x60}, uleb(params), times(params, typeI32), uleb(results), times(results, typeI32)))
	return len(a.types) - 1
}

// function adds a function of a type with so many locals, all i32.
func (a *assembler) function(kind, locals int, instructions code) (index int) {
	a.functions = append(a.functions, uleb(kind))
	a.codes = append(a.codes, sized(join([]byte{1}, uleb(locals), []byte{typeI32}, instructions, []byte{opEnd})))
	return len(a.codes) - 1
}

func (a *assembler) export(name string, function int) {
	a.exports = append(a.exports, join(sized([]byte(name)), []byte{0}, uleb(function)))
}

// module is the binary, with a memory of one page.
func (a *assembler) module() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, section := range []struct {
		id    byte
		items [][]byte
	}{
		{1, a.types}, {2, a.imports}, {3, a.functions}, {4, a.tables}, {5, [][]byte{{0, 1}}}, {13, a.tags},
		{6, a.globals}, {7, a.exports}, {9, a.elements}, {10, a.codes}, {11, a.datas},
	} {
		if len(section.items) > 0 {
			out = join(out, []byte{section.id}, sized(append(uleb(len(section.items)), bytes.Join(section.items, nil)...)))
		}
	}
	return out
}

// single is a module of one function (i32) -> i32, named f.
func single(locals int, instructions code) []byte {
	var a assembler
	a.export("f", a.function(a.functionType(1, 1), locals, instructions))
	return a.module()
}
