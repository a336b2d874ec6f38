package jail

import (
	"syscall"
	"unsafe"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// setTimes is futimens, which packages os and syscall do not have.
func (h *handle) setTimes(atim, mtim int64) sys.Errno {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return errno(err)
	}
	times := [2]syscall.Timespec{timespec(atim), timespec(mtim)}
	var failed syscall.Errno
	err = conn.Control(func(fd uintptr) {
		_, _, failed = syscall.Syscall6(syscall.SYS_UTIMENSAT, fd, 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	})
	switch {
	case err != nil:
		return errno(err)
	case failed != 0:
		return errno(failed)
	}
	return 0
}

func timespec(nanoseconds int64) syscall.Timespec {
	const omit = 1<<30 - 2 // UTIME_OMIT of the kernel
	if nanoseconds == sys.UTIME_OMIT {
		return syscall.Timespec{Nsec: omit}
	}
	return syscall.NsecToTimespec(nanoseconds)
}
