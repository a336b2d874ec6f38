package jail

import (
	"io"

	"github.com/tetratelabs/wazero/experimental/sys"
	stat "github.com/tetratelabs/wazero/sys"
)

// maxDirents is how many entries one Readdir returns at most.
const maxDirents = 1 << 16

// folder is an open folder.
type folder struct {
	handle
	sys.DirFile // what a folder refuses
}

var _ sys.File = (*folder)(nil)

// Seek implements sys.File: it rewinds, and nothing else.
func (d *folder) Seek(offset position, whence int) (int64, sys.Errno) {
	if e := d.lock(); e != 0 {
		return 0, e
	}
	defer d.mu.Unlock()
	if offset != 0 || whence != io.SeekStart {
		return 0, sys.EINVAL
	}
	_, err := d.file.Seek(0, io.SeekStart)
	return 0, errno(err)
}

// Readdir implements sys.File. It fails with ERANGE when n allows more than
// maxDirents entries and there are more.
func (d *folder) Readdir(n int) ([]sys.Dirent, sys.Errno) { return d.list(n, maxDirents) }

// list is Readdir with a bound. It does not return the first entries of too many,
// as wazero takes fewer than it asked for as the end.
func (d *folder) list(n, most int) ([]sys.Dirent, sys.Errno) {
	if e := d.lock(); e != 0 {
		return nil, e
	}
	defer d.mu.Unlock()
	if n <= 0 || n > most {
		n = most + 1
	}
	infos, err := d.file.Readdir(n)
	switch {
	case errno(err) != 0:
		return nil, errno(err)
	case len(infos) > most:
		return nil, sys.ERANGE
	}
	dirents := make([]sys.Dirent, len(infos))
	for i, info := range infos {
		dirents[i] = sys.Dirent{Name: info.Name(), Ino: stat.NewStat_t(info).Ino, Type: info.Mode().Type()}
	}
	return dirents, 0
}
