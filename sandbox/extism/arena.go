package extism

import (
	"encoding/binary"
	"io"
	"slices"
)

const (
	// base is the address of the arena's first byte, and the largest size an
	// arena can have: all addresses fit 31 bits.
	base = 1 << 30
	// page is the step in which the arena's bounds move.
	page = 4 << 10
	// slack lies at least behind each block, for loads and stores over its tail.
	slack = 8
	// entry is the size of a block's entry in the table.
	entry = 8
	// blockCost is what a block takes of the limit besides its bytes: its entry,
	// and the room that the table grows ahead of it.
	blockCost = 2 * entry
	// minArena is the least limit of an arena.
	minArena = 64 << 10
	// keepBlocks is how many entries a table may keep between calls.
	keepBlocks = 4 << 10
)

// arena is a range of addresses, from base on, in which blocks lie in ascending
// order. Addresses are the guest's; indices are addresses less base.
type arena struct {
	// mem is what the guest can address. Its length follows from the blocks
	// alone; its capacity is what is held. Beyond used all of it is zero.
	mem    []byte
	used   int // end of what was written
	bump   int // index of the next block
	blocks []block
	limit  int
}

// block is an entry of the table. A freed one has size 0, which no live one has.
type block struct {
	at, size uint32
}

func newArena(limit int64) arena {
	return arena{mem: make([]byte, page), limit: int(min(max(limit, minArena), base))}
}

// reset makes the arena what it was when it was new, but for its capacity.
func (a *arena) reset() {
	clear(a.mem[:a.used])
	a.mem = a.mem[:page]
	a.used, a.bump = 0, 0
	a.blocks = a.blocks[:0]
}

// trim gives back memory beyond keep bytes. What was in the arena is gone if it
// returns true.
func (a *arena) trim(keep int) bool {
	if cap(a.mem) <= keep && cap(a.blocks) <= keepBlocks {
		return false
	}
	*a = newArena(int64(a.limit))
	return true
}

// size is what the arena holds, in bytes.
func (a *arena) size() int64 {
	return int64(cap(a.mem)) + int64(cap(a.blocks))*entry
}

// room makes the arena's bounds enclose a block of n bytes at the bump. It
// returns false, and changes nothing, if the limit does not allow it.
func (a *arena) room(n uint64) bool {
	rest := a.limit - (len(a.blocks)+1)*blockCost
	free := rest - a.bump - slack
	if free < 0 || n > uint64(free) || len(a.mem) > rest {
		return false
	}
	need := a.bump + int(n) + slack
	if need <= len(a.mem) {
		return true
	}
	end := min((need+page-1)&^(page-1), rest)
	if end > cap(a.mem) {
		grown := make([]byte, min(max(end, 2*cap(a.mem)), a.limit))
		copy(grown, a.mem[:a.used])
		a.mem = grown
	}
	a.mem = a.mem[:end]
	return true
}

// alloc makes a block of n bytes and returns its handle; 0 if n is 0 or the
// limit does not allow it.
func (a *arena) alloc(n uint64) uint64 {
	if n == 0 || !a.room(n) {
		return 0
	}
	return a.seal(int(n))
}

// seal enters a block of n bytes at the bump, for which there is room.
func (a *arena) seal(n int) uint64 {
	at := a.bump
	a.blocks = append(a.blocks, block{uint32(at), uint32(n)})
	a.bump = (at + n + slack + 7) &^ 7
	return base + uint64(at)
}

// put makes a block of the bytes of p; 0 if p is empty or does not fit.
func put[T string | []byte](a *arena, p T) uint64 {
	handle := a.alloc(uint64(len(p)))
	if handle != 0 {
		at := int(handle - base)
		a.wrote(at + copy(a.mem[at:], p))
	}
	return handle
}

// readFrom makes a block of what r gives until its end; 0 if that is nothing.
// It reads at most limit+1 bytes. hint is the expected size, negative if unknown.
func (a *arena) readFrom(r io.Reader, limit, hint int64) (uint64, error) {
	const chunk = 32 << 10
	if 0 < hint && hint <= limit {
		a.room(uint64(hint) + 1) // if not: it may be less than expected
	}
	for n := 0; ; {
		free := len(a.mem) - slack - a.bump - n
		if free <= 0 {
			if !a.room(uint64(max(2*n, 512))) && !a.room(uint64(n+1)) {
				return 0, errArenaFull
			}
			continue
		}
		p := a.mem[a.bump+n:][:min(int64(free), chunk, limit+1-int64(n))]
		m, err := r.Read(p)
		clear(p[m:]) // a reader may use all of p
		n += m
		a.wrote(a.bump + n)
		switch {
		case int64(n) > limit:
			return 0, errOversize
		case err == io.EOF && n == 0:
			return 0, nil
		case err == io.EOF:
			return a.seal(n), nil
		case err != nil:
			return 0, err
		}
	}
}

// find is the place in the table of the block that begins at the address p.
func (a *arena) find(p uint64) (int, bool) {
	at := p - base
	if at >= uint64(len(a.mem)) {
		return 0, false
	}
	return slices.BinarySearchFunc(a.blocks, uint32(at), func(b block, at uint32) int {
		return int(b.at) - int(at)
	})
}

// length is the size of the live block with the handle h, else 0.
func (a *arena) length(h uint64) uint64 {
	if i, ok := a.find(h); ok {
		return uint64(a.blocks[i].size)
	}
	return 0
}

// free marks the block with the handle h as dead, if there is one.
func (a *arena) free(h uint64) {
	if i, ok := a.find(h); ok {
		a.blocks[i].size = 0
	}
}

// bytes is a view of the live block with the handle h; empty if it is none.
func (a *arena) bytes(h uint64) []byte {
	return a.view(h, a.length(h))
}

// view is the range of n bytes at p, which must be in the arena or empty.
func (a *arena) view(p, n uint64) []byte {
	if n == 0 {
		return nil
	}
	at := p - base
	return a.mem[at : at+n : at+n]
}

// contains says whether p and the n bytes from there lie in the arena.
func (a *arena) contains(p, n uint64) bool {
	at := p - base
	return at < uint64(len(a.mem)) && n <= uint64(len(a.mem))-at
}

func (a *arena) loadU8(p uint64) byte {
	if at := p - base; at < uint64(len(a.mem)) {
		return a.mem[at]
	}
	return 0
}

func (a *arena) loadU64(p uint64) uint64 {
	if at := p - base; at <= uint64(len(a.mem)-8) {
		return binary.LittleEndian.Uint64(a.mem[at:])
	}
	return 0
}

func (a *arena) storeU8(p uint64, v byte) {
	if at := p - base; at < uint64(len(a.mem)) {
		a.mem[at] = v
		a.wrote(int(at) + 1)
	}
}

func (a *arena) storeU64(p, v uint64) {
	if at := p - base; at <= uint64(len(a.mem)-8) {
		binary.LittleEndian.PutUint64(a.mem[at:], v)
		a.wrote(int(at) + 8)
	}
}

// wrote marks what lies before the index end as written.
func (a *arena) wrote(end int) {
	if end > a.used {
		a.used = end
	}
}
