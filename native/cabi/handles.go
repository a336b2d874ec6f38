package cabi

import (
	"sync"
	"sync/atomic"
)

// handles are what C memory holds in place of pointers to Go's values. They are
// safe for concurrent use.
type handles struct {
	last   atomic.Uintptr
	values sync.Map // uintptr → any
}

// add gives a value a handle, never 0, which is good until remove.
func (h *handles) add(value any) uintptr {
	handle := h.last.Add(1)
	h.values.Store(handle, value)
	return handle
}

func (h *handles) remove(handle uintptr) { h.values.Delete(handle) }

// process is what belongs to the process and to no library: the functions that
// libraries call belong to no value of Go's, and the dynamic loader is one too.
type process struct {
	handles handles

	// loading is held from asking the loader whether it has a file until it has
	// it: two libraries must not come to share one.
	loading sync.Mutex
}

var theProcess = sync.OnceValue(func() *process { return new(process) })

// valueOf is the value of a handle, nil if it is of another type or gone: what a
// library does after it was closed must not bring down the host here.
func valueOf[T any](handle uintptr) *T {
	value, _ := theProcess().handles.values.Load(handle)
	v, _ := value.(*T)
	return v
}
