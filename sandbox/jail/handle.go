package jail

import (
	"os"
	"sync"

	"github.com/tetratelabs/wazero/experimental/sys"
	stat "github.com/tetratelabs/wazero/sys"
)

// handle is what open files and folders have in common.
type handle struct {
	sys.UnimplementedFile

	fs   *FS
	name string // when it was opened
	file *os.File
	id   identity

	mu     sync.Mutex // guards closed, and what says so in file; held across I/O
	closed bool
}

// Dev implements sys.File.
func (h *handle) Dev() (uint64, sys.Errno) { return h.id.dev, 0 }

// Ino implements sys.File.
func (h *handle) Ino() (stat.Inode, sys.Errno) { return h.id.ino, 0 }

// lock locks the handle for one operation, unless it is closed. The caller
// unlocks it if there is no error.
func (h *handle) lock() sys.Errno {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return sys.EBADF
	}
	return 0
}

// Stat implements sys.File.
func (h *handle) Stat() (stat.Stat_t, sys.Errno) {
	if e := h.lock(); e != 0 {
		return stat.Stat_t{}, e
	}
	defer h.mu.Unlock()
	info, err := h.file.Stat()
	if err != nil {
		return stat.Stat_t{}, errno(err)
	}
	return stat.NewStat_t(info), 0
}

// Sync implements sys.File. It does nothing on a read-only FS.
func (h *handle) Sync() sys.Errno {
	if e := h.lock(); e != 0 {
		return e
	}
	defer h.mu.Unlock()
	if h.fs.readOnly {
		return 0
	}
	return errno(h.file.Sync())
}

// Datasync implements sys.File, as Sync.
func (h *handle) Datasync() sys.Errno { return h.Sync() }

// Utimens implements sys.File.
func (h *handle) Utimens(atim, mtim int64) sys.Errno {
	if e := h.lock(); e != 0 {
		return e
	}
	defer h.mu.Unlock()
	if h.fs.readOnly {
		return sys.EROFS
	}
	return h.setTimes(atim, mtim)
}

// Close implements sys.File. Closing again does nothing.
func (h *handle) Close() sys.Errno {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return 0
	}
	return h.close()
}

// close closes a locked handle.
func (h *handle) close() sys.Errno {
	h.closed = true
	h.fs.ledger.open.credit(1)
	return errno(h.file.Close())
}
