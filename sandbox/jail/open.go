package jail

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/tetratelabs/wazero/experimental/sys"
	stat "github.com/tetratelabs/wazero/sys"
)

// maxPathBytes is Linux's own bound of a path.
const maxPathBytes = 4096

// name makes a guest's path fit for os.Root. wazero passes paths that were joined
// to that of an open folder, which is empty for the root.
func name(guestPath string) (string, sys.Errno) {
	switch {
	case len(guestPath) > maxPathBytes:
		return "", sys.ENAMETOOLONG
	case strings.IndexByte(guestPath, 0) >= 0:
		return "", sys.EINVAL
	}
	n := strings.TrimLeft(guestPath, "/")
	if n == "" {
		n = "."
	}
	return n, 0
}

func isRoot(name string) bool { return path.Clean(name) == "." }

// how is what an Oflag says.
type how struct {
	flag                        int // of package os: access and sync
	read, write, append         bool
	create, exclusive, truncate bool
	directory, noFollow         bool
}

func parse(o sys.Oflag) (how, sys.Errno) {
	is := func(flag sys.Oflag) bool { return o&flag != 0 }
	h := how{
		append: is(sys.O_APPEND), create: is(sys.O_CREAT), truncate: is(sys.O_TRUNC),
		exclusive: is(sys.O_CREAT) && is(sys.O_EXCL), directory: is(sys.O_DIRECTORY), noFollow: is(sys.O_NOFOLLOW),
	}
	switch o & (sys.O_RDONLY | sys.O_RDWR | sys.O_WRONLY) {
	case sys.O_RDONLY:
		h.flag, h.read = os.O_RDONLY, true
	case sys.O_WRONLY:
		h.flag, h.write = os.O_WRONLY, true
	case sys.O_RDWR:
		h.flag, h.read, h.write = os.O_RDWR, true, true
	default:
		return how{}, sys.EINVAL
	}
	if is(sys.O_SYNC | sys.O_DSYNC | sys.O_RSYNC) {
		h.flag |= os.O_SYNC
	}
	switch {
	case h.truncate && !h.write:
		return how{}, sys.EINVAL
	case h.directory && (h.write || h.create):
		return how{}, sys.EISDIR
	}
	return h, 0
}

// OpenFile opens a file or folder. Beyond the errors of sys.FS there are EPERM
// for what is neither and for paths that lead outside, ELOOP for a link with
// O_NOFOLLOW, EROFS, ENOSPC and EMFILE.
func (f *FS) OpenFile(guestPath string, flag sys.Oflag, perm fs.FileMode) (sys.File, sys.Errno) {
	n, e := name(guestPath)
	if e != 0 {
		return nil, e
	}
	h, e := parse(flag)
	switch {
	case e != 0:
		return nil, e
	case f.readOnly && (h.write || h.create):
		return nil, sys.EROFS
	}
	file, e := f.openCounted(n, h, perm.Perm())
	if (e == EMFILE || e == sys.EBADF) && isRoot(n) {
		e = sys.ENOENT // wazero opens the root behind the guest's back, and panics on any other error
	}
	return file, e
}

func (f *FS) openCounted(name string, h how, perm fs.FileMode) (sys.File, sys.Errno) {
	if !f.ledger.open.charge(1) {
		return nil, EMFILE
	}
	if h.create {
		f.tree.Lock()
		defer f.tree.Unlock()
	} else {
		f.tree.RLock()
		defer f.tree.RUnlock()
	}
	file, e := f.open(name, h, perm)
	if e != 0 {
		f.ledger.open.credit(1)
		return nil, e
	}
	return file, 0
}

// open looks at what a name stands for before it is opened, as opening a device
// or FIFO may do something, and again when it is open, as the host may have
// changed it.
func (f *FS) open(name string, h how, perm fs.FileMode) (sys.File, sys.Errno) {
	look := f.root.Stat
	if h.noFollow || h.exclusive {
		look = f.root.Lstat
	}
	before, err := look(name)
	e := errno(err)
	switch {
	case e == sys.ENOENT && h.create:
		return f.openNew(name, h, perm)
	case e != 0:
		return nil, e
	case h.exclusive:
		return nil, sys.EEXIST
	}
	if e := h.accept(before.Mode()); e != 0 {
		return nil, e
	}
	return f.openFound(name, h, before)
}

// openFound opens what was found to be fit. It does not wait for a peer even if
// it is a FIFO by now.
func (f *FS) openFound(name string, h how, before fs.FileInfo) (sys.File, sys.Errno) {
	file, err := f.root.OpenFile(name, h.flag|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, errno(err)
	}
	return f.wrap(name, file, h, before)
}

// openNew creates a file. Through a link that dangles, it creates the file that
// the link points to.
func (f *FS) openNew(name string, h how, perm fs.FileMode) (sys.File, sys.Errno) {
	if !f.ledger.entries.charge(1) {
		return nil, ENOSPC
	}
	flag := h.flag | os.O_CREATE | syscall.O_NONBLOCK
	if h.exclusive {
		flag |= os.O_EXCL
	}
	file, err := f.root.OpenFile(name, flag, perm)
	if err != nil {
		f.ledger.entries.credit(1)
		return nil, errno(err)
	}
	return f.wrap(name, file, h, nil)
}

// accept says whether what has this mode can be opened so.
func (h how) accept(mode fs.FileMode) sys.Errno {
	switch {
	case mode.IsDir() && h.write:
		return sys.EISDIR
	case mode.IsDir():
		return 0
	case h.directory:
		return sys.ENOTDIR
	case mode.IsRegular():
		return 0
	case mode.Type() == fs.ModeSymlink:
		return sys.ELOOP // it was not to be followed
	}
	return sys.EPERM
}

// wrap makes a guest's file of an open one, or closes it. before is what its name
// stood for, if that is known.
func (f *FS) wrap(name string, opened *os.File, h how, before fs.FileInfo) (sys.File, sys.Errno) {
	info, err := opened.Stat()
	e := errno(err)
	if e == 0 {
		e = h.accept(info.Mode())
	}
	if e == 0 && h.noFollow && before != nil && !os.SameFile(before, info) {
		e = sys.ELOOP
	}
	if e != 0 {
		_ = opened.Close()
		return nil, e
	}
	id := identify(stat.NewStat_t(info))
	if info.IsDir() {
		return &folder{handle: handle{fs: f, name: name, file: opened, id: id}}, 0
	}
	file := &file{
		handle: handle{fs: f, name: name, file: opened, id: id},
		node:   f.inodes.acquire(id), read: h.read, write: h.write, append: h.append,
	}
	if h.truncate {
		if e := file.truncate(0); e != 0 {
			file.release()
			_ = opened.Close()
			return nil, e
		}
	}
	return file, 0
}
