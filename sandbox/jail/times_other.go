//go:build !linux

package jail

import (
	"os"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// setTimes goes by the file's name, as package os has no other way, and fails
// with ENOENT if that stands for another file by now.
func (h *handle) setTimes(atim, mtim int64) sys.Errno {
	mine, err := h.file.Stat()
	if err != nil {
		return errno(err)
	}
	now, err := h.fs.root.Stat(h.name)
	switch {
	case err != nil:
		return errno(err)
	case !os.SameFile(mine, now):
		return sys.ENOENT
	}
	return errno(h.fs.root.Chtimes(h.name, instant(atim), instant(mtim)))
}
