package snapshot

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// Allocator makes the linear memories of the instances of one module, in a form
// that a [Snapshot] can restore. Pass it with experimental.WithMemoryAllocator in
// the context of InstantiateModule.
//
// A memory of a mapped kind (see [Allocator.Tracks]) takes address space for its
// maximum, and physical memory for what was written to. Its address never
// changes. wazero frees it when the instance is closed; what was read from it,
// api.Memory.Read being a view, may still be looked at until the Allocator is
// closed, but no longer holds what it held.
//
// It is safe for concurrent use.
type Allocator struct {
	pages *pagemap // nil where written pages cannot be told

	mu     sync.Mutex // guards what follows; taken after a memory's own
	live   map[*memory]struct{}
	spare  [][]byte // regions of closed instances, empty; the oldest first
	closed bool
}

var (
	errForeign = errors.New("snapshot: the memory was not made by this allocator")
	errFreed   = errors.New("snapshot: the instance is closed")
	errTaken   = errors.New("snapshot: the memory was taken before")
)

// NewAllocator returns an Allocator, which the caller closes. It finds out what
// the system can do by trying it.
func NewAllocator() *Allocator {
	a := newHeapAllocator()
	if pages, err := openPagemap(); err == nil {
		a.pages = pages
	}
	return a
}

// newHeapAllocator returns an Allocator as it is where written pages cannot be
// told.
func newHeapAllocator() *Allocator {
	return &Allocator{live: map[*memory]struct{}{}}
}

// Tracks tells whether Restore copies the pages written to only. Otherwise
// memories lie in Go's heap, may move when they grow, and Restore copies all of
// their content.
func (a *Allocator) Tracks() bool { return a.pages != nil }

// Allocate implements experimental.MemoryAllocator: capacity and maximum are in
// bytes. The memory is in Go's heap where none can be mapped.
//
// A memory in Go's heap moves when it grows beyond its capacity. Shared memories,
// of the threads proposal, may not move; a runtime that allows them needs
// WithMemoryCapacityFromMax unless Tracks is true.
func (a *Allocator) Allocate(capacity, maximum uint64) experimental.LinearMemory {
	m := &memory{owner: a, maximum: maximum}
	if region, err := a.reserve(maximum); err == nil {
		m.buffer, m.mapped = region, true
	} else {
		m.buffer = make([]byte, max(capacity, 1))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live[m] = struct{}{}
	return m
}

// Take makes a snapshot of an instance, which the caller closes: of its memory,
// which may be nil, and of its mutable globals. The memory must come from this
// allocator, and is taken once: of several instances that share it, by one.
//
// It refuses globals that are not i32, i64, f32 or f64, because wazero shows no
// more than 64 bits of a v128, and a reference that is put back later may be one
// to something that is gone.
//
// No guest code may run on the instance meanwhile.
func (a *Allocator) Take(guest api.Memory, globals []api.MutableGlobal) (*Snapshot, error) {
	s := &Snapshot{globals: make([]savedGlobal, 0, len(globals))}
	for i, g := range globals {
		switch g.Type() {
		case api.ValueTypeI32, api.ValueTypeI64, api.ValueTypeF32, api.ValueTypeF64:
			s.globals = append(s.globals, savedGlobal{g, g.Get()})
		default:
			return nil, fmt.Errorf("snapshot: mutable global %d has type %s, which cannot be restored", i, typeName(g.Type()))
		}
	}
	if absent(guest) {
		return s, nil
	}
	m := a.find(guest)
	if m == nil {
		return nil, errForeign
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.freed {
		return nil, errFreed
	}
	if m.taken {
		return nil, errTaken
	}
	m.taken = true
	m.high = m.size
	s.guest, s.memory, s.size = guest, m, m.size
	s.image = a.capture(m)
	s.held.Store(s.image.held())
	return s, nil
}

// capture saves the content of m, whose mu the caller holds.
func (a *Allocator) capture(m *memory) image {
	if m.mapped {
		if cow, err := newCowImage(a.pages, m); err == nil {
			return cow
		}
	}
	return newCopyImage(m)
}

// find returns the memory behind what wazero shows of it.
func (a *Allocator) find(guest api.Memory) *memory {
	a.mu.Lock()
	all := make([]*memory, 0, len(a.live))
	for m := range a.live {
		all = append(all, m)
	}
	a.mu.Unlock()
	view, ok := guest.Read(0, 0)
	if !ok {
		return nil
	}
	for _, m := range all {
		if m.isAt(view) {
			return m
		}
	}
	return nil
}

// Close gives back what the allocator keeps for further instances. Memories in
// use stay until their instances are closed. Snapshots of them still work, but
// copy all of the content. It may be called more than once.
func (a *Allocator) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.closed = true
	for _, region := range a.spare {
		release(region)
	}
	a.spare = nil
	if a.pages != nil {
		a.pages.close()
	}
}

// reserve returns an empty region for a memory of at most size bytes.
func (a *Allocator) reserve(size uint64) ([]byte, error) {
	if a.pages == nil {
		return nil, errors.ErrUnsupported
	}
	size = max(size, wasmPage)
	a.mu.Lock()
	for i, region := range a.spare {
		if uint64(len(region)) == size {
			a.spare = append(a.spare[:i], a.spare[i+1:]...)
			a.mu.Unlock()
			return region, nil
		}
	}
	a.mu.Unlock()
	return reserve(size)
}

// forget takes the memory of a closed instance back, whose mu the caller holds. The addresses of a region
// are kept, so that a view of it that somebody still holds is neither a fault nor
// a window into something else of this process.
func (a *Allocator) forget(m *memory) {
	empty := m.mapped && wipe(m.buffer) == nil
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.live, m)
	switch {
	case empty && !a.closed:
		a.spare = append(a.spare, m.buffer)
	case m.mapped:
		release(m.buffer)
	}
}

// absent tells whether there is no memory. api.Module.Memory returns an interface
// that is not nil but holds nil when a module has none.
func absent(guest api.Memory) bool {
	if guest == nil {
		return true
	}
	v := reflect.ValueOf(guest)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// typeName names the types that api does not, too.
func typeName(t api.ValueType) string {
	const v128, funcref = 0x7b, 0x70
	switch t {
	case v128:
		return "v128"
	case funcref:
		return "funcref"
	}
	return api.ValueTypeName(t)
}
