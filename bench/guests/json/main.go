//go:build wasip1

// Command json is a guest that parses a JSON document and prints it again, with
// Go's encoding/json: allocation, maps, reflection and a garbage collector in
// linear memory, as a plugin in Go has them.
package main

import (
	"encoding/json"
	"unsafe"
)

func main() {} // not run: the guest is a library

// input and output keep alive what the host writes to and reads from: the
// garbage collector cannot see the host's pointers. The next call reuses both.
var input, output []byte

//go:wasmexport alloc
func alloc(size uint32) unsafe.Pointer {
	if int(size) > cap(input) {
		input = make([]byte, size)
	}
	return unsafe.Pointer(unsafe.SliceData(input))
}

//go:wasmexport reprint
func reprint(_, n uint32) uint64 {
	const failed = 1 << 31
	var document any
	var flag uint64
	err := json.Unmarshal(input[:n], &document)
	if err == nil {
		output, err = json.Marshal(document)
	}
	if err != nil {
		output, flag = []byte(err.Error()), failed
	}
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(output))))<<32 | uint64(len(output)) | flag
}
