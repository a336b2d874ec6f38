package jail

import (
	"io"
	"math"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// position is a place in a file. It has a name because go vet holds every
// Seek(int64, int) to io.Seeker, and sys.File's returns another error.
type position = int64

// file is an open file. Its position and whether it appends are its own and not
// the host's, so that every write is one at a known place.
type file struct {
	handle
	node        *inode
	read, write bool

	pos    int64 // guarded by mu
	append bool  // guarded by mu
}

var _ sys.File = (*file)(nil)

// IsDir implements sys.File.
func (f *file) IsDir() (bool, sys.Errno) { return false, 0 }

// IsAppend implements sys.File.
func (f *file) IsAppend() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.append
}

// SetAppend implements sys.File.
func (f *file) SetAppend(enable bool) sys.Errno {
	if e := f.lock(); e != 0 {
		return e
	}
	defer f.mu.Unlock()
	f.append = enable
	return 0
}

// Read implements sys.File.
func (f *file) Read(buf []byte) (int, sys.Errno) {
	if e := f.lock(); e != 0 {
		return 0, e
	}
	defer f.mu.Unlock()
	n, e := f.readAt(buf, f.pos)
	f.pos += int64(n)
	return n, e
}

// Pread implements sys.File.
func (f *file) Pread(buf []byte, off int64) (int, sys.Errno) {
	if e := f.lock(); e != 0 {
		return 0, e
	}
	defer f.mu.Unlock()
	return f.readAt(buf, off)
}

func (f *file) readAt(buf []byte, off int64) (int, sys.Errno) {
	switch {
	case !f.read:
		return 0, sys.EBADF
	case !fits(buf, off):
		return 0, sys.EINVAL
	case len(buf) == 0:
		return 0, 0
	}
	n, err := f.file.ReadAt(buf, off)
	return n, errno(err)
}

// fits reports whether buf has a place in a file at off.
func fits(buf []byte, off int64) bool { return off >= 0 && off <= math.MaxInt64-int64(len(buf)) }

// Seek implements sys.File.
func (f *file) Seek(offset position, whence int) (int64, sys.Errno) {
	if e := f.lock(); e != 0 {
		return 0, e
	}
	defer f.mu.Unlock()
	var base int64
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		base = f.pos
	case io.SeekEnd:
		size, e := f.size()
		if e != 0 {
			return 0, e
		}
		base = size
	default:
		return 0, sys.EINVAL
	}
	pos := base + offset
	if pos < 0 { // too small, or too large and therefore wrapped around
		return 0, sys.EINVAL
	}
	f.pos = pos
	return pos, 0
}

// Write implements sys.File. It writes all or, if that is over MaxBytes, nothing.
func (f *file) Write(buf []byte) (int, sys.Errno) {
	if e := f.lock(); e != 0 {
		return 0, e
	}
	defer f.mu.Unlock()
	n, end, e := f.writeAt(buf, f.pos, f.append)
	f.pos = end
	return n, e
}

// Pwrite implements sys.File, as Write. It writes at off also if the file appends,
// as POSIX has it.
func (f *file) Pwrite(buf []byte, off int64) (int, sys.Errno) {
	if e := f.lock(); e != 0 {
		return 0, e
	}
	defer f.mu.Unlock()
	n, _, e := f.writeAt(buf, off, false)
	return n, e
}

// writeAt writes at off or at the file's end, and returns where what it wrote
// ends, or off if it wrote nothing.
func (f *file) writeAt(buf []byte, off int64, atEnd bool) (n int, end int64, e sys.Errno) {
	switch {
	case !f.write:
		return 0, off, sys.EBADF
	case off < 0:
		return 0, off, sys.EINVAL
	case len(buf) == 0:
		return 0, off, 0
	}
	f.node.size.Lock()
	defer f.node.size.Unlock()
	size := int64(math.MaxInt64) // nothing grows if nobody counts
	if f.fs.counts || atEnd {
		if size, e = f.size(); e != 0 {
			return 0, off, e
		}
	}
	at := off
	if atEnd {
		at = size
	}
	if !fits(buf, at) {
		return 0, off, sys.EINVAL
	}
	growth := max(0, at+int64(len(buf))-size)
	if !f.fs.ledger.bytes.charge(growth) {
		return 0, off, ENOSPC
	}
	n, err := f.file.WriteAt(buf, at)
	if n < len(buf) {
		grown := int64(0)
		if n > 0 {
			grown = max(0, at+int64(n)-size)
		}
		f.fs.ledger.bytes.credit(growth - grown)
	}
	if n == 0 {
		return 0, off, errno(err)
	}
	return n, at + int64(n), errno(err)
}

// Truncate implements sys.File.
func (f *file) Truncate(size int64) sys.Errno {
	if e := f.lock(); e != 0 {
		return e
	}
	defer f.mu.Unlock()
	return f.truncate(size)
}

func (f *file) truncate(size int64) sys.Errno {
	switch {
	case size < 0:
		return sys.EINVAL
	case !f.write:
		return sys.EBADF
	}
	f.node.size.Lock()
	defer f.node.size.Unlock()
	was, e := f.size()
	if e != 0 {
		return e
	}
	if !f.fs.ledger.bytes.charge(max(0, size-was)) {
		return ENOSPC
	}
	if err := f.file.Truncate(size); err != nil {
		f.fs.ledger.bytes.credit(max(0, size-was))
		return errno(err)
	}
	f.fs.ledger.bytes.credit(max(0, was-size))
	return 0
}

func (f *file) size() (int64, sys.Errno) {
	info, err := f.file.Stat()
	if err != nil {
		return 0, errno(err)
	}
	return info.Size(), 0
}

// Close implements sys.File. Closing again does nothing.
func (f *file) Close() sys.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0
	}
	f.release()
	return f.close()
}

// release gives the inode back, and credits the bytes if they go with it.
func (f *file) release() {
	if !f.fs.inodes.release(f.node, false) {
		return
	}
	if size, e := f.size(); e == 0 {
		f.fs.ledger.bytes.credit(size)
	}
}
