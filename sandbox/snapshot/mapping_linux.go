package snapshot

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reserve maps a region of zeros, which takes physical memory where it is written
// to. Huge pages are declined: they would be written to whole.
func reserve(size uint64) ([]byte, error) {
	region, err := mapAt(nil, uintptr(size), -1, unix.PROT_READ|unix.PROT_WRITE, regionFlags)
	if err == nil {
		_ = unix.Madvise(region, unix.MADV_NOHUGEPAGE) // refused by kernels that have none
	}
	return region, err
}

const regionFlags = unix.MAP_PRIVATE | unix.MAP_ANON | unix.MAP_NORESERVE

// wipe makes a region of whatever it maps one of zeros.
func wipe(region []byte) error {
	at := unsafe.Pointer(unsafe.SliceData(region))
	again, err := mapAt(at, uintptr(len(region)), -1, unix.PROT_READ|unix.PROT_WRITE, regionFlags|unix.MAP_FIXED)
	if err == nil {
		_ = unix.Madvise(again, unix.MADV_NOHUGEPAGE)
	}
	return err
}

// release unmaps a region. That fails only for what was never mapped.
func release(region []byte) {
	_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(region)), uintptr(len(region)))
}

// mapShared maps a file to be read.
func mapShared(file, size int) ([]byte, error) {
	return mapAt(nil, uintptr(size), file, unix.PROT_READ, unix.MAP_SHARED)
}

// mapPrivate maps a file copy-on-write in the place of region.
func mapPrivate(file int, region []byte) error {
	at := unsafe.Pointer(unsafe.SliceData(region))
	_, err := mapAt(at, uintptr(len(region)), file, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_NORESERVE|unix.MAP_FIXED)
	return err
}

func mapAt(at unsafe.Pointer, size uintptr, file, protection, flags int) ([]byte, error) {
	p, err := unix.MmapPtr(file, 0, at, size, protection, flags)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), size), nil
}

// createMemoryFile makes an empty file in memory, without a name. Kernels before
// 6.3 do not know of a file that cannot be executed; later ones may insist.
func createMemoryFile() (file int, err error) {
	file, err = unix.MemfdCreate("snapshot", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		file, err = unix.MemfdCreate("snapshot", unix.MFD_CLOEXEC)
	}
	return file, err
}

// writeAt writes all of content, and makes the file longer as needed.
func writeAt(file int, content []byte, offset int) error {
	for len(content) > 0 {
		n, err := unix.Pwrite(file, content, int64(offset))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		n = max(n, 0)
		content, offset = content[n:], offset+n
	}
	return nil
}
