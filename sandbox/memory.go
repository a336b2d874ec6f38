package sandbox

import (
	"berth/host"

	"github.com/tetratelabs/wazero/experimental"
)

// memories makes the linear memories of a slot's instances and bounds them
// together: wazero bounds each by itself, and leaves that of an instance which it
// could not make to nobody.
type memories struct {
	make experimental.MemoryAllocator
	left int64 // bytes
	made []*boundedMemory
}

// Allocate implements experimental.MemoryAllocator.
func (m *memories) Allocate(capacity, maximum uint64) experimental.LinearMemory {
	b := &boundedMemory{LinearMemory: m.make.Allocate(capacity, maximum), of: m}
	m.made = append(m.made, b)
	return b
}

// free frees what no instance freed.
func (m *memories) free() {
	for _, b := range m.made {
		b.Free()
	}
}

// boundedMemory is the memory of one instance.
type boundedMemory struct {
	experimental.LinearMemory
	of    *memories
	size  int64 // bytes that it ever had
	begun bool
	freed bool
}

// Reallocate implements experimental.LinearMemory: nil if it would be too much.
// For what an instance begins with it panics, because wazero cannot take a nil
// there.
func (b *boundedMemory) Reallocate(size uint64) []byte {
	more := int64(size) - b.size
	if more > b.of.left {
		if !b.begun {
			panic(host.Fail(host.CodeInvalid, "its modules begin with more memory together than the plugin's limit: raise \"limits.memory\" or build them for less"))
		}
		return nil
	}
	b.begun = true
	buffer := b.LinearMemory.Reallocate(size)
	if buffer != nil && more > 0 {
		b.of.left -= more
		b.size += more
	}
	return buffer
}

// Free implements experimental.LinearMemory.
func (b *boundedMemory) Free() {
	if !b.freed {
		b.freed = true
		b.LinearMemory.Free()
	}
}

// heap makes linear memories in Go's heap.
type heap struct{}

// Allocate implements experimental.MemoryAllocator.
func (heap) Allocate(capacity, _ uint64) experimental.LinearMemory {
	return &heapMemory{make([]byte, 0, capacity)}
}

type heapMemory struct{ buffer []byte }

// Reallocate implements experimental.LinearMemory.
func (m *heapMemory) Reallocate(size uint64) []byte {
	if more := int64(size) - int64(len(m.buffer)); more > 0 {
		m.buffer = append(m.buffer, make([]byte, more)...)
	}
	return m.buffer[:size]
}

// Free implements experimental.LinearMemory.
func (m *heapMemory) Free() { m.buffer = nil }
