package sandbox

import (
	"io/fs"

	"github.com/tetratelabs/wazero/experimental/sys"
	wasi "github.com/tetratelabs/wazero/sys"
)

// watchedFS is a file system as one slot's guest sees it: what is read and
// written counts as work of the call under way.
type watchedFS struct {
	sys.FS
	run *run
}

// fileWork is what an operation on a name or on a whole file counts for, in bytes.
const fileWork = 16 << 10

// OpenFile implements sys.FS.
func (f watchedFS) OpenFile(path string, flag sys.Oflag, perm fs.FileMode) (sys.File, sys.Errno) {
	f.run.spend(fileWork)
	file, errno := f.FS.OpenFile(path, flag, perm)
	if errno != 0 {
		return nil, errno
	}
	return watchedFile{file, f.run}, 0
}

// Stat implements sys.FS.
func (f watchedFS) Stat(path string) (wasi.Stat_t, sys.Errno) {
	f.run.spend(fileWork)
	return f.FS.Stat(path)
}

// Lstat implements sys.FS.
func (f watchedFS) Lstat(path string) (wasi.Stat_t, sys.Errno) {
	f.run.spend(fileWork)
	return f.FS.Lstat(path)
}

// Readlink implements sys.FS.
func (f watchedFS) Readlink(path string) (string, sys.Errno) {
	f.run.spend(fileWork)
	return f.FS.Readlink(path)
}

// Mkdir implements sys.FS.
func (f watchedFS) Mkdir(path string, perm fs.FileMode) sys.Errno {
	f.run.spend(fileWork)
	return f.FS.Mkdir(path, perm)
}

// Chmod implements sys.FS.
func (f watchedFS) Chmod(path string, perm fs.FileMode) sys.Errno {
	f.run.spend(fileWork)
	return f.FS.Chmod(path, perm)
}

// Rename implements sys.FS.
func (f watchedFS) Rename(from, to string) sys.Errno {
	f.run.spend(fileWork)
	return f.FS.Rename(from, to)
}

// Rmdir implements sys.FS.
func (f watchedFS) Rmdir(path string) sys.Errno {
	f.run.spend(fileWork)
	return f.FS.Rmdir(path)
}

// Unlink implements sys.FS.
func (f watchedFS) Unlink(path string) sys.Errno {
	f.run.spend(fileWork)
	return f.FS.Unlink(path)
}

// Link implements sys.FS.
func (f watchedFS) Link(oldPath, newPath string) sys.Errno {
	f.run.spend(fileWork)
	return f.FS.Link(oldPath, newPath)
}

// Symlink implements sys.FS.
func (f watchedFS) Symlink(oldPath, linkName string) sys.Errno {
	f.run.spend(fileWork)
	return f.FS.Symlink(oldPath, linkName)
}

// Utimens implements sys.FS.
func (f watchedFS) Utimens(path string, atim, mtim int64) sys.Errno {
	f.run.spend(fileWork)
	return f.FS.Utimens(path, atim, mtim)
}

type watchedFile struct {
	sys.File
	run *run
}

// Read implements sys.File.
func (f watchedFile) Read(buf []byte) (int, sys.Errno) {
	f.run.spend(len(buf))
	return f.File.Read(buf)
}

// Pread implements sys.File.
func (f watchedFile) Pread(buf []byte, offset int64) (int, sys.Errno) {
	f.run.spend(len(buf))
	return f.File.Pread(buf, offset)
}

// Write implements sys.File.
func (f watchedFile) Write(buf []byte) (int, sys.Errno) {
	f.run.spend(len(buf))
	return f.File.Write(buf)
}

// Pwrite implements sys.File.
func (f watchedFile) Pwrite(buf []byte, offset int64) (int, sys.Errno) {
	f.run.spend(len(buf))
	return f.File.Pwrite(buf, offset)
}

// Readdir implements sys.File.
func (f watchedFile) Readdir(n int) ([]sys.Dirent, sys.Errno) {
	f.run.spend(workStep)
	return f.File.Readdir(n)
}

// Truncate implements sys.File.
func (f watchedFile) Truncate(size int64) sys.Errno {
	f.run.spend(workStep)
	return f.File.Truncate(size)
}

// Sync implements sys.File.
func (f watchedFile) Sync() sys.Errno {
	f.run.spend(workStep)
	return f.File.Sync()
}

// Datasync implements sys.File.
func (f watchedFile) Datasync() sys.Errno {
	f.run.spend(workStep)
	return f.File.Datasync()
}
