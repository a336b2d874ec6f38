package jail

import (
	"errors"
	"io"
	"io/fs"
	"syscall"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// Error numbers that wazero does not have. Guests see EIO for them, as WASI's
// host functions in wazero have no other number; host code can tell them apart.
const (
	ENOSPC sys.Errno = 0x1000 + iota // over MaxBytes or MaxEntries, or the disk is full
	EMFILE                           // over MaxOpen, or over what the host allows itself
)

// errno translates an error of package os.
func errno(err error) sys.Errno {
	if err == nil || errors.Is(err, io.EOF) {
		return 0
	}
	var e syscall.Errno
	switch {
	case errors.As(err, &e):
		switch e {
		case syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG:
			return ENOSPC
		case syscall.EMFILE, syscall.ENFILE:
			return EMFILE
		}
		return sys.UnwrapOSError(e)
	case errors.Is(err, fs.ErrClosed):
		return sys.EBADF
	case errors.Is(err, fs.ErrNotExist):
		return sys.ENOENT
	case errors.Is(err, fs.ErrExist):
		return sys.EEXIST
	case errors.Is(err, fs.ErrInvalid):
		return sys.EINVAL
	}
	return sys.EPERM // os.Root has no other error of its own than that a path leads outside
}
