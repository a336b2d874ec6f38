//go:build wasip1

package main

import "unsafe"

// The berth ABI. For each call the host calls alloc(len), writes the input
// there, calls the function with (ptr, len), and copies the result before it
// calls alloc again. A function returns ptr<<32 | len; with the top bit of len
// set, the bytes are the text of an error.
//
// To make a plugin of your own, copy this file and put your functions in place
// of the three at the top.

//go:wasmexport geohash
func exportGeohash(_, n uint32) uint64 { return serve(geohash, n) }

//go:wasmexport pick
func exportPick(_, n uint32) uint64 { return serve(pick, n) }

//go:wasmexport convert
func exportConvert(_, n uint32) uint64 { return serve(convert, n) }

const (
	maxInput = 1 << 20 // more would want more memory and time than the manifest allows
	failed   = 1 << 31
)

// input and output keep alive what the host writes to and reads from: the
// garbage collector cannot see the host's pointers. The next call reuses both.
var input, output []byte

// alloc makes room for size bytes of input, and marks the start of a call.
//
//go:wasmexport alloc
func alloc(size uint32) unsafe.Pointer {
	output = nil
	if size > maxInput {
		return nil // to the host: out of memory
	}
	if int(size) > cap(input) {
		input = nil // let it be collected first
		input = make([]byte, size)
	}
	return unsafe.Pointer(unsafe.SliceData(input))
}

// serve runs f on the first n bytes of the input and packs its result.
func serve(f function, n uint32) uint64 {
	var flag uint64
	var err error
	if output, err = call(f, input[:n]); err != nil {
		output, flag = []byte(err.Error()), failed
	}
	ptr := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(output))))
	return ptr<<32 | uint64(len(output)) | flag
}
