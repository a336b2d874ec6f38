//go:build !cgo && linux && (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64)

package cabi

import (
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// machine names the way to the library.
const machine = "purego"

// rtldNoload is RTLD_NOLOAD of glibc and musl.
const rtldNoload = 4

// services is berth_host.
type services struct {
	size, abi                                      uint32
	handle                                         uintptr
	log, grow, remaining, config, get, put, remove uintptr
}

// streamTable is berth_stream.
type streamTable struct {
	size         uint32
	_            uint32 // reserved
	handle, push uintptr
}

// heap is C's memory.
type heap struct{ malloc, realloc, free uintptr }

var theHeap = sync.OnceValue(func() (h heap) {
	for name, address := range map[string]*uintptr{"malloc": &h.malloc, "realloc": &h.realloc, "free": &h.free} {
		*address, _ = purego.Dlsym(purego.RTLD_DEFAULT, name)
	}
	return h
})

// callbacks are the functions that libraries call. purego never frees one: there
// is one of each.
type callbacks struct {
	services services
	push     uintptr
}

var theCallbacks = sync.OnceValue(func() *callbacks {
	return &callbacks{
		services: services{
			size: uint32(unsafe.Sizeof(services{})),
			abi:  abiVersion,
			log: purego.NewCallback(func(host *services, level int32, text, length uintptr) uintptr {
				logLine(host.handle, level, text, length)
				return 0
			}),
			grow:      purego.NewCallback(func(f *frame, capacity uintptr) uintptr { return uintptr(f.grow(capacity)) }),
			remaining: purego.NewCallback(func(f *frame) uintptr { return uintptr(remaining(f.handle)) }),
			config: purego.NewCallback(func(f *frame, key, keyLength, value, length uintptr) uintptr {
				return uintptr(configValue(f.handle, key, keyLength, value, length))
			}),
			get: purego.NewCallback(func(f *frame, key, keyLength, value, length uintptr) uintptr {
				return uintptr(stateGet(f.handle, key, keyLength, value, length))
			}),
			put: purego.NewCallback(func(f *frame, key, keyLength, value, length uintptr) uintptr {
				return uintptr(statePut(f.handle, key, keyLength, value, length))
			}),
			remove: purego.NewCallback(func(f *frame, key, keyLength uintptr) uintptr {
				return uintptr(stateRemove(f.handle, key, keyLength))
			}),
		},
		push: purego.NewCallback(func(s *streamTable, message, length uintptr) uintptr {
			return uintptr(push(s.handle, message, length))
		}),
	}
})

// grow is berth_host.grow, as trampoline.c has it.
func (f *frame) grow(capacity uintptr) int32 {
	switch {
	case capacity <= f.room:
		f.outCapacity = f.room
		return codeOK
	case capacity > f.limit:
		f.excess = capacity
		return codeFailed
	}
	room := min(max(2*f.room, 4096, capacity), f.limit)
	out, _, _ := purego.SyscallN(theHeap().realloc, f.heap, room)
	if out == 0 {
		f.poor = 1
		return codeFailed
	}
	if n := min(f.outLength, f.room); f.heap == 0 && n > 0 {
		copy(bytesAt(out, int(n)), bytesAt(f.out, int(n)))
	}
	f.out, f.heap, f.room, f.outCapacity = out, out, room, room
	return codeOK
}

// openLibrary keeps its thread: why the loader failed, it tells that one only.
func openLibrary(path string) (uintptr, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

// isLoaded asks the loader whether it has the file already.
func isLoaded(path string) bool {
	library, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL|rtldNoload)
	if err != nil {
		return false
	}
	_ = closeLibrary(library) // asking counts as opening
	return true
}

func closeLibrary(library uintptr) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return purego.Dlclose(library)
}

// symbol is the address of a symbol, 0 if there is none.
func symbol(library uintptr, name string) uintptr {
	address, err := purego.Dlsym(library, name)
	if err != nil {
		return 0
	}
	return address
}

// allocate gives C memory, or 0.
func allocate(n uintptr) uintptr {
	address, _, _ := purego.SyscallN(theHeap().malloc, n)
	return address
}

// release frees it; 0 is nothing.
func release(address uintptr) {
	if address != 0 {
		purego.SyscallN(theHeap().free, address)
	}
}

// newHost makes a berth_host, 0 if there is no memory.
func newHost(handle uintptr) uintptr {
	address := allocate(unsafe.Sizeof(services{}))
	if address != 0 {
		*at[services](address) = theCallbacks().services
		at[services](address).handle = handle
	}
	return address
}

// newStream makes a berth_stream, 0 if there is no memory.
func newStream(handle uintptr) uintptr {
	address := allocate(unsafe.Sizeof(streamTable{}))
	if address != 0 {
		*at[streamTable](address) = streamTable{size: uint32(unsafe.Sizeof(streamTable{})), handle: handle, push: theCallbacks().push}
	}
	return address
}

// call calls a function: in is its input, spare what the output may use. C leaves
// arguments alone that it does not know: the last two keep Go's memory where it
// is, and alive, for the call.
func (f *frame) call(function, self uintptr, in, spare []byte) int32 {
	f.begin(in, spare)
	code, _, _ := purego.SyscallN(function, self, f.address(), uintptr(unsafe.Pointer(unsafe.SliceData(in))), uintptr(unsafe.Pointer(unsafe.SliceData(spare))))
	return int32(code)
}

// openObject calls the open of the library; what it made is in f.made.
func (f *frame) openObject(function uintptr, in []byte) int32 {
	f.begin(in, nil)
	code, _, _ := purego.SyscallN(function, f.address(), uintptr(unsafe.Pointer(&f.made)), uintptr(unsafe.Pointer(unsafe.SliceData(in))))
	return int32(code)
}

// openPart calls the open of a source or sink; what it made is in f.made.
func (f *frame) openPart(function, self uintptr, in []byte) int32 {
	f.begin(in, nil)
	code, _, _ := purego.SyscallN(function, self, f.address(), uintptr(unsafe.Pointer(&f.made)), uintptr(unsafe.Pointer(unsafe.SliceData(in))))
	return int32(code)
}

// start has a source push.
func (f *frame) start(function, source, stream uintptr) int32 {
	f.begin(nil, nil)
	code, _, _ := purego.SyscallN(function, source, f.address(), stream)
	return int32(code)
}

// closeObject calls the close of an object, a source or a sink.
func closeObject(function, object uintptr) { purego.SyscallN(function, object) }

// begin sets the frame up for a call.
func (f *frame) begin(in, spare []byte) {
	f.in, f.inLength = uintptr(unsafe.Pointer(unsafe.SliceData(in))), uintptr(len(in))
	if f.in == 0 {
		f.in = f.address() // it is never NULL, and there is nothing in it to read
	}
	f.out, f.outLength = uintptr(unsafe.Pointer(unsafe.SliceData(spare))), 0
	f.outCapacity, f.room = uintptr(len(spare)), uintptr(len(spare))
}

func (f *frame) address() uintptr { return uintptr(unsafe.Pointer(f)) }
