package snapshot

import (
	"sync"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
)

// wasmPage is the unit of a memory's size.
const wasmPage = 64 << 10

// memory is the linear memory of one instance. It implements
// experimental.LinearMemory.
type memory struct {
	owner   *Allocator
	maximum uint64 // bytes
	mapped  bool   // else in Go's heap

	mu       sync.Mutex // guards what follows; held while the content is restored
	buffer   []byte     // all that is reserved
	size     uint64     // what the guest has of it
	high     uint64     // the most that it had since the last restore
	shrinkTo *uint64    // what Reallocate returns, whatever it is asked for
	taken    bool       // has, or had, a snapshot
	freed    bool
}

// Reallocate implements experimental.LinearMemory. What it adds is zero: a new
// region is, and so is one after a restore.
func (m *memory) Reallocate(size uint64) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shrinkTo != nil {
		size = *m.shrinkTo
	}
	if m.freed || size > m.maximum {
		return nil
	}
	if size > uint64(len(m.buffer)) {
		moved := make([]byte, min(max(size, 2*uint64(len(m.buffer))), m.maximum))
		copy(moved, m.buffer[:m.size])
		m.buffer = moved
	}
	m.size = size
	m.high = max(m.high, size)
	return m.buffer[:size:size]
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.freed {
		return
	}
	m.freed = true
	m.owner.forget(m)
	m.buffer, m.size, m.high = nil, 0, 0
}

// isAt tells whether view begins where the memory does.
func (m *memory) isAt(view []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.freed && unsafe.SliceData(view) == unsafe.SliceData(m.buffer)
}

// shrink gives the memory the size that it had before it grew. It tells whether
// that was possible. The caller holds mu, which is released meanwhile.
//
// WebAssembly has no such instruction, but wazero takes what Reallocate returns
// for the memory, and tells the compiled code of it. So the memory is asked to
// grow by a page, and answered with fewer. At its maximum it cannot be asked.
func (m *memory) shrink(guest api.Memory, size uint64) bool {
	m.shrinkTo = &size
	m.mu.Unlock()
	guest.Grow(1)
	m.mu.Lock()
	m.shrinkTo = nil
	return !m.freed && m.size == size
}
