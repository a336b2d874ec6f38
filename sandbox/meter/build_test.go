package meter_test

import "encoding/binary"

// A module is made of sections, and those of items.

func module(sections ...[]byte) []byte {
	wasm := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range sections {
		wasm = append(wasm, s...)
	}
	return wasm
}

// section has a count in front of its items.
func section(id byte, items ...[]byte) []byte {
	content := binary.AppendUvarint(nil, uint64(len(items)))
	for _, item := range items {
		content = append(content, item...)
	}
	return raw(id, content)
}

func raw(id byte, content []byte) []byte { return append([]byte{id}, sized(content)...) }

func sized(content []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(content))), content...)
}

func named(name string, rest ...byte) []byte { return append(sized([]byte(name)), rest...) }

// code is a function without locals; its end is added.
func code(body ...byte) []byte { return sized(append(append([]byte{0}, body...), 0x0b)) }

// function is a module with one function of no parameters and results, exported
// as "f".
func function(body ...byte) []byte {
	return module(
		section(1, []byte{0x60, 0, 0}),
		section(3, []byte{0}),
		section(7, named("f", 0, 0)),
		section(10, code(body...)))
}
