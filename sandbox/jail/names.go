package jail

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/experimental/sys"
	stat "github.com/tetratelabs/wazero/sys"
)

// Stat implements sys.FS.
func (f *FS) Stat(guestPath string) (stat.Stat_t, sys.Errno) { return look(guestPath, f.root.Stat) }

// Lstat implements sys.FS.
func (f *FS) Lstat(guestPath string) (stat.Stat_t, sys.Errno) { return look(guestPath, f.root.Lstat) }

func look(guestPath string, at func(string) (os.FileInfo, error)) (stat.Stat_t, sys.Errno) {
	n, e := name(guestPath)
	if e != 0 {
		return stat.Stat_t{}, e
	}
	info, err := at(n)
	if err != nil {
		return stat.Stat_t{}, errno(err)
	}
	return stat.NewStat_t(info), 0
}

// Readlink implements sys.FS. It says where a link points even if that is outside.
func (f *FS) Readlink(guestPath string) (string, sys.Errno) {
	n, e := name(guestPath)
	if e != 0 {
		return "", e
	}
	target, err := f.root.Readlink(n)
	return target, errno(err)
}

// change resolves a path for an operation that changes something.
func (f *FS) change(guestPath string) (string, sys.Errno) {
	n, e := name(guestPath)
	if e == 0 && f.readOnly {
		e = sys.EROFS
	}
	return n, e
}

// changeBoth is change, for two paths.
func (f *FS) changeBoth(oldPath, newPath string) (from, to string, e sys.Errno) {
	if from, e = f.change(oldPath); e == 0 {
		to, e = f.change(newPath)
	}
	return from, to, e
}

// add makes a new entry with create, if there may be one more. The tree is locked.
func (f *FS) add(create func() error) sys.Errno {
	if !f.ledger.entries.charge(1) {
		return ENOSPC
	}
	if err := create(); err != nil {
		f.ledger.entries.credit(1)
		return errno(err)
	}
	return 0
}

// take takes an entry away with do, and credits what goes with it. info is what
// the name stands for. The tree is locked.
func (f *FS) take(name string, info fs.FileInfo, do func() error) sys.Errno {
	if !f.counts || !info.Mode().IsRegular() {
		if err := do(); err != nil {
			return errno(err)
		}
		f.ledger.entries.credit(1)
		return 0
	}
	node := f.inodes.acquire(identify(stat.NewStat_t(info)))
	node.size.Lock() // from here on the size is what Lstat says
	defer node.size.Unlock()
	info, err := f.root.Lstat(name)
	if err == nil {
		err = do()
	}
	if err != nil {
		f.inodes.release(node, false)
		return errno(err)
	}
	st := stat.NewStat_t(info)
	f.ledger.entries.credit(1)
	if f.inodes.release(node, st.Nlink <= 1) {
		f.ledger.bytes.credit(st.Size)
	}
	return 0
}

// Mkdir implements sys.FS.
func (f *FS) Mkdir(guestPath string, perm fs.FileMode) sys.Errno {
	n, e := f.change(guestPath)
	if e != 0 {
		return e
	}
	f.tree.Lock()
	defer f.tree.Unlock()
	return f.add(func() error { return f.root.Mkdir(n, perm.Perm()) })
}

// Chmod implements sys.FS, for the permissions only.
func (f *FS) Chmod(guestPath string, perm fs.FileMode) sys.Errno {
	n, e := f.change(guestPath)
	if e != 0 {
		return e
	}
	return errno(f.root.Chmod(n, perm.Perm()))
}

// Utimens implements sys.FS.
func (f *FS) Utimens(guestPath string, atim, mtim int64) sys.Errno {
	n, e := f.change(guestPath)
	if e != 0 {
		return e
	}
	return errno(f.root.Chtimes(n, instant(atim), instant(mtim)))
}

// instant is a time of wazero as package os takes it, where the zero one stands
// for the time that a file has.
func instant(nanoseconds int64) time.Time {
	if nanoseconds == sys.UTIME_OMIT {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}

// Rmdir implements sys.FS. The root stays: EINVAL.
func (f *FS) Rmdir(guestPath string) sys.Errno {
	return f.remove(guestPath, func(mode fs.FileMode, root bool) sys.Errno {
		switch {
		case !mode.IsDir():
			return sys.ENOTDIR
		case root:
			return sys.EINVAL
		}
		return 0
	})
}

// Unlink implements sys.FS.
func (f *FS) Unlink(guestPath string) sys.Errno {
	return f.remove(guestPath, func(mode fs.FileMode, _ bool) sys.Errno {
		if mode.IsDir() {
			return sys.EISDIR
		}
		return 0
	})
}

func (f *FS) remove(guestPath string, accept func(mode fs.FileMode, root bool) sys.Errno) sys.Errno {
	n, e := f.change(guestPath)
	if e != 0 {
		return e
	}
	f.tree.Lock()
	defer f.tree.Unlock()
	info, err := f.root.Lstat(n)
	if err != nil {
		return errno(err)
	}
	if e := accept(info.Mode(), isRoot(n)); e != 0 {
		return e
	}
	return f.take(n, info, func() error { return f.root.Remove(n) })
}

// Link implements sys.FS, for files only: EPERM for anything else.
func (f *FS) Link(oldPath, newPath string) sys.Errno {
	from, to, e := f.changeBoth(oldPath, newPath)
	if e != 0 {
		return e
	}
	f.tree.Lock()
	defer f.tree.Unlock()
	info, err := f.root.Lstat(from)
	switch {
	case err != nil:
		return errno(err)
	case !info.Mode().IsRegular():
		return sys.EPERM
	}
	return f.add(func() error { return f.root.Link(from, to) })
}

// Symlink implements sys.FS. The package comment says which links can be made;
// EPERM for others.
func (f *FS) Symlink(target, linkPath string) sys.Errno {
	target = strings.Clone(target) // wazero passes the guest's own memory, which may change behind our back
	n, e := f.change(linkPath)
	switch {
	case e != 0:
		return e
	case target == "" || strings.IndexByte(target, 0) >= 0:
		return sys.EINVAL
	case len(target) > maxPathBytes:
		return sys.ENAMETOOLONG
	}
	f.tree.Lock()
	defer f.tree.Unlock()
	if e := f.acceptLink(target, n); e != 0 {
		return e
	}
	return f.add(func() error { return f.root.Symlink(target, n) })
}

// acceptLink says whether there may be a link called name to target. The tree
// is locked.
func (f *FS) acceptLink(target, name string) sys.Errno {
	if path.IsAbs(target) {
		return sys.EPERM
	}
	up := 0
	for i, element := range strings.Split(target, "/") {
		switch {
		case element != "..":
		case i != up: // behind a folder that may be a link, or that is not there
			return sys.EPERM
		default:
			up++
		}
	}
	if up == 0 {
		return 0
	}
	elements := strings.Split(path.Clean(name), "/")
	above := elements[:len(elements)-1]
	if up > len(above) || slices.Contains(strings.Split(name, "/"), "..") {
		return sys.EPERM
	}
	for i := range above {
		info, err := f.root.Lstat(path.Join(above[:i+1]...))
		if err != nil {
			return errno(err)
		}
		if !info.IsDir() {
			return sys.EPERM
		}
	}
	return 0
}

// Rename implements sys.FS. The root stays: EINVAL.
func (f *FS) Rename(oldPath, newPath string) sys.Errno {
	from, to, e := f.changeBoth(oldPath, newPath)
	if e != 0 {
		return e
	}
	if isRoot(from) || isRoot(to) {
		return sys.EINVAL
	}
	f.tree.Lock()
	defer f.tree.Unlock()
	moved, err := f.root.Lstat(from)
	if err != nil {
		return errno(err)
	}
	if moved.Mode().Type() == fs.ModeSymlink {
		target, err := f.root.Readlink(from)
		if err != nil {
			return errno(err)
		}
		if e := f.acceptLink(target, to); e != 0 {
			return e
		}
	}
	replaced, err := f.root.Lstat(to)
	switch e := errno(err); {
	case e == sys.ENOENT:
		return errno(f.root.Rename(from, to))
	case e != 0:
		return e
	case os.SameFile(moved, replaced):
		return 0 // two names of one file: POSIX keeps both
	}
	return f.replace(from, to, moved, replaced)
}

// replace renames over something that is there.
func (f *FS) replace(from, to string, moved, replaced fs.FileInfo) sys.Errno {
	switch {
	case replaced.IsDir() && !moved.IsDir():
		return sys.EISDIR
	case !replaced.IsDir() && moved.IsDir():
		return sys.ENOTDIR
	case replaced.IsDir():
		if strings.HasPrefix(path.Clean(to), path.Clean(from)+"/") {
			return sys.EINVAL // below itself
		}
		// os.Root does not replace folders, POSIX does if they are empty.
		if err := f.root.Remove(to); err != nil {
			return errno(err)
		}
	}
	e := f.take(to, replaced, func() error { return f.root.Rename(from, to) })
	if e != 0 && replaced.IsDir() {
		_ = f.root.Mkdir(to, replaced.Mode().Perm())
	}
	return e
}
