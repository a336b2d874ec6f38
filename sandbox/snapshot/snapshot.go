package snapshot

import (
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"
)

// Snapshot is the state of one instance at the time of [Allocator.Take]. It
// belongs to one goroutine at a time, as the instance does; Size may be called
// from any.
type Snapshot struct {
	guest   api.Memory // nil when there is none
	memory  *memory
	size    uint64 // bytes
	image   image
	globals []savedGlobal
	held    atomic.Int64
	closed  bool
}

type savedGlobal struct {
	global api.MutableGlobal
	value  uint64
}

// image is the content of a memory, saved.
type image interface {
	// restore puts the content back, from the first byte up to m.high: what lies
	// behind the content is zero. The caller holds m.mu.
	restore(m *memory)

	// held is the physical memory of the image and of the memory it is of, in
	// bytes.
	held() int64

	// close frees the image, and not the memory.
	close()
}

// Restore puts the instance back to the state of the snapshot. It allocates
// nothing. No guest code may run on the instance meanwhile.
//
// The instance must be replaced when ok is false: it is closed, or its memory
// grew up to the very maximum, from where it cannot shrink. Then nothing was
// restored.
func (s *Snapshot) Restore() (ok bool) {
	if s.closed {
		return false
	}
	if s.memory != nil && !s.restoreMemory() {
		return false
	}
	for i := range s.globals {
		s.globals[i].global.Set(s.globals[i].value)
	}
	return true
}

func (s *Snapshot) restoreMemory() (ok bool) {
	m := s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.freed || m.size != s.size && !m.shrink(s.guest, s.size) {
		return false
	}
	s.image.restore(m)
	m.high = m.size
	s.held.Store(s.image.held())
	return true
}

// Close frees the snapshot. The instance keeps the state that it has, and works
// on. It may be called more than once, also after the instance was closed.
func (s *Snapshot) Close() {
	if s.closed {
		return
	}
	s.closed = true
	if s.memory == nil {
		return
	}
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.image.close()
	s.held.Store(0)
}

// Size is the physical memory, in bytes, that the snapshot and the linear memory
// it is of hold together, as of the last Restore. Where written pages are told,
// that is the content that is not zero, once, and the pages that calls write to
// (or read, where they are zero); else the memory and a copy of its content.
func (s *Snapshot) Size() int64 { return s.held.Load() }
