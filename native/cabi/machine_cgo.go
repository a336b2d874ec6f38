//go:build cgo

package cabi

/*
#cgo CFLAGS: -I${SRCDIR}/../../sdk/c -std=c99 -D_GNU_SOURCE -O2 -Wall -Wextra
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "trampoline.h"
*/
import "C"

import (
	"errors"
	"unsafe"
)

// The functions below that hand over Go's memory are not "#cgo noescape": then
// the memory could lie on a goroutine's stack, and that moves when it grows while
// C is calling back. It costs nothing: what comes through an interface is on the
// heap anyway.

// machine names the way to the library.
const machine = "cgo"

// The twins are of one size.
var (
	_ [C.sizeof_cabi_frame]byte   = [unsafe.Sizeof(frame{})]byte{}
	_ [C.sizeof_berth_call]byte   = [callSize]byte{}
	_ [C.sizeof_berth_plugin]byte = [unsafe.Sizeof(plugin{})]byte{}
)

func openLibrary(path string) (uintptr, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var text *C.char
	library := C.cabi_open_library(name, 0, &text)
	return uintptr(library), loaderError(text)
}

// isLoaded asks the loader whether it has the file already.
func isLoaded(path string) bool {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var text *C.char
	library := C.cabi_open_library(name, 1, &text)
	if library == 0 {
		C.free(unsafe.Pointer(text))
		return false
	}
	_ = closeLibrary(uintptr(library)) // asking counts as opening
	return true
}

func closeLibrary(library uintptr) error {
	return loaderError(C.cabi_close_library(C.uintptr_t(library)))
}

// loaderError takes over a text of C's; NULL is no error.
func loaderError(text *C.char) error {
	if text == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(text))
	return errors.New(C.GoString(text))
}

// symbol is the address of a symbol, 0 if there is none.
func symbol(library uintptr, name string) uintptr {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return uintptr(C.cabi_symbol(C.uintptr_t(library), text))
}

// allocate gives C memory, or 0.
func allocate(n uintptr) uintptr { return uintptr(C.cabi_allocate(C.size_t(n))) }

// release frees it; 0 is nothing.
func release(address uintptr) {
	if address != 0 {
		C.free(unsafe.Pointer(at[byte](address)))
	}
}

// newHost makes a berth_host, 0 if there is no memory.
func newHost(handle uintptr) uintptr { return uintptr(C.cabi_host(C.uintptr_t(handle))) }

// newStream makes a berth_stream, 0 if there is no memory.
func newStream(handle uintptr) uintptr { return uintptr(C.cabi_stream(C.uintptr_t(handle))) }

// call calls a function: in is its input, spare what the output may use.
func (f *frame) call(function, self uintptr, in, spare []byte) int32 {
	return int32(C.cabi_call(C.uintptr_t(function), C.uintptr_t(self), f.address(),
		(*C.uint8_t)(unsafe.SliceData(in)), C.size_t(len(in)), (*C.uint8_t)(unsafe.SliceData(spare)), C.size_t(len(spare))))
}

// openObject calls the open of the library; what it made is in f.made.
func (f *frame) openObject(function uintptr, in []byte) int32 {
	return int32(C.cabi_open(C.uintptr_t(function), f.address(), (*C.uint8_t)(unsafe.SliceData(in)), C.size_t(len(in))))
}

// openPart calls the open of a source or sink; what it made is in f.made.
func (f *frame) openPart(function, self uintptr, in []byte) int32 {
	return int32(C.cabi_open_part(C.uintptr_t(function), C.uintptr_t(self), f.address(), (*C.uint8_t)(unsafe.SliceData(in)), C.size_t(len(in))))
}

// start has a source push.
func (f *frame) start(function, source, stream uintptr) int32 {
	return int32(C.cabi_start(C.uintptr_t(function), C.uintptr_t(source), f.address(), C.uintptr_t(stream)))
}

// closeObject calls the close of an object, a source or a sink.
func closeObject(function, object uintptr) {
	C.cabi_close(C.uintptr_t(function), C.uintptr_t(object))
}

func (f *frame) address() C.uintptr_t { return C.uintptr_t(uintptr(unsafe.Pointer(f))) }

//export cabiLog
func cabiLog(library uintptr, level int32, text, length uintptr) {
	logLine(library, level, text, length)
}

//export cabiRemaining
func cabiRemaining(slot uintptr) int32 { return remaining(slot) }

//export cabiConfig
func cabiConfig(slot, key, keyLength, value, length uintptr) int32 {
	return configValue(slot, key, keyLength, value, length)
}

//export cabiGet
func cabiGet(slot, key, keyLength, value, length uintptr) int32 {
	return stateGet(slot, key, keyLength, value, length)
}

//export cabiPut
func cabiPut(slot, key, keyLength, value, length uintptr) int32 {
	return statePut(slot, key, keyLength, value, length)
}

//export cabiRemove
func cabiRemove(slot, key, keyLength uintptr) int32 { return stateRemove(slot, key, keyLength) }

//export cabiPush
func cabiPush(stream, message, length uintptr) int32 { return push(stream, message, length) }
