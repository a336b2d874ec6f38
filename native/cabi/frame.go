package cabi

import "unsafe"

// What a library's functions return; BERTH_OK and the others of the header.
const (
	codeOK int32 = iota
	codeFailed
	codeInvalid
	codeNone
	codeEnd
	codeStopped
)

// abiVersion is BERTH_ABI.
const abiVersion = 1

// frame is a berth_call, and behind it what the host itself knows of the call.
// It lies in C memory and holds addresses as numbers: what is in it is nothing to
// the garbage collector. Its twin in C is cabi_frame, in trampoline.h.
type frame struct {
	size, reserved uint32
	host           uintptr
	function       uintptr // the entry in the library's table
	in, inLength   uintptr
	out, outLength uintptr
	outCapacity    uintptr // as the library sees it

	handle uintptr // of the slot
	limit  uintptr // what grow gives at most
	room   uintptr // what out has room for
	excess uintptr // what grow was asked for beyond limit; 0 if it was not
	poor   uintptr // not 0: there was no memory
	heap   uintptr // out, if grow allocated it
	value  uintptr // what get or config answered last
	made   uintptr // where an open puts what it made
}

// callSize is sizeof(berth_call).
const callSize = unsafe.Offsetof(frame{}.handle)

// newFrame allocates a frame, nil if there is no memory. It belongs to whoever
// holds the slot.
func newFrame(host, handle uintptr, limit int64) *frame {
	address := allocate(unsafe.Sizeof(frame{}))
	if address == 0 {
		return nil
	}
	f := at[frame](address)
	*f = frame{size: uint32(callSize), host: host, handle: handle, limit: uintptr(limit)}
	return f
}

// tidy frees what a call left behind.
func (f *frame) tidy() {
	release(f.heap)
	release(f.value)
	f.heap, f.value, f.excess, f.poor, f.made = 0, 0, 0, 0, 0
}

// free frees the frame.
func (f *frame) free() {
	f.tidy()
	release(uintptr(unsafe.Pointer(f)))
}

// setValue hands a copy of a value to the library, until the next one. The
// addresses are those of the library's variables.
func (f *frame) setValue(value string, to, length uintptr) int32 {
	release(f.value)
	f.value = allocate(uintptr(max(len(value), 1)))
	if f.value == 0 {
		return codeFailed
	}
	copy(bytesAt(f.value, len(value)), value)
	*at[uintptr](to) = f.value
	*at[uintptr](length) = uintptr(len(value))
	return codeOK
}

// at is what lies at an address of C memory.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// bytesAt is n bytes of C memory; they are not the caller's.
func bytesAt(address uintptr, n int) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice(at[byte](address), n)
}

// textAt reads a text that ends with a 0 byte, at most most bytes of it.
func textAt(address uintptr, most int) string {
	n := 0
	for n < most && *at[byte](address + uintptr(n)) != 0 {
		n++
	}
	return string(bytesAt(address, n))
}
