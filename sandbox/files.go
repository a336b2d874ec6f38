package sandbox

import (
	"io/fs"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// watchedFS is a file system as one slot's guest sees it: what is read and
// written counts as work of the call under way.
type watchedFS struct {
	sys.FS
	run *run
}

// OpenFile implements sys.FS.
func (f watchedFS) OpenFile(path string, flag sys.Oflag, perm fs.FileMode) (sys.File, sys.Errno) {
	f.run.spend(0)
	file, errno := f.FS.OpenFile(path, flag, perm)
	if errno != 0 {
		return nil, errno
	}
	return watchedFile{file, f.run}, 0
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
