package jail

import (
	"sync"

	"github.com/tetratelabs/wazero/sys"
)

// identity is which file it is, whatever its names.
type identity struct{ dev, ino uint64 }

func identify(st sys.Stat_t) identity { return identity{st.Dev, st.Ino} }

// inode is an open file, as all who have it open share it.
type inode struct {
	id identity

	// size is held while the file's size changes, so that what is charged is
	// what it grew by, and appended data does not overlap.
	size sync.Mutex

	handles int  // guarded by inodes.mu
	removed bool // guarded by inodes.mu: it has no name any more, and its bytes are still charged
}

// inodes are the open files. It is safe for concurrent use.
type inodes struct {
	mu   sync.Mutex // guards open, and the fields of inodes that say so
	open map[identity]*inode
}

// acquire counts one more handle of a file.
func (t *inodes) acquire(id identity) *inode {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.open[id]
	if n == nil {
		n = &inode{id: id}
		t.open[id] = n
	}
	n.handles++
	return n
}

// release counts one handle less, notes whether the file has just lost its last
// name, and reports whether its bytes go with the handle: it has no name and
// nobody else has it open.
func (t *inodes) release(n *inode, removed bool) (gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.removed = n.removed || removed
	n.handles--
	if n.handles > 0 {
		return false
	}
	delete(t.open, n.id)
	return n.removed
}
