package snapshot

import (
	"errors"
	"os"
	"strconv"
	"unsafe"
)

// What the kernel tells of a page, in the words of its documentation
// (admin-guide/mm/pagemap).
const (
	pagePresent = 1 << 63
	pageSwapped = 1 << 62
	pageFile    = 1 << 61 // of a file or shared; else private, or zero
)

const pagemapEntry = 8 // bytes

// pagemap tells of each page of this process what it is.
type pagemap struct {
	file *os.File
	size int // of a page, in bytes
}

// openPagemap opens this process's list of pages, after a test that it tells the
// truth: some systems that pass for Linux have the file and not the content.
func openPagemap() (*pagemap, error) {
	size := os.Getpagesize()
	if strconv.IntSize < 64 || wasmPage%size != 0 {
		return nil, errors.ErrUnsupported
	}
	file, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, err
	}
	p := &pagemap{file, size}
	if err := p.test(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// read fills flags, one for each page of region.
func (p *pagemap) read(flags []uint64, region []byte) error {
	first := uintptr(unsafe.Pointer(unsafe.SliceData(region))) / uintptr(p.size)
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(flags))), len(flags)*pagemapEntry)
	_, err := p.file.ReadAt(raw, int64(first)*pagemapEntry)
	return err
}

func (p *pagemap) close() { _ = p.file.Close() }

// test takes and restores a memory of three pages that are not zero, and one that
// is: one is only read, one is written to, and one is left alone.
func (p *pagemap) test() error {
	const pages = 4
	region, err := reserve(uint64(pages * p.size))
	if err != nil {
		return err
	}
	defer release(region)
	m := &memory{mapped: true, buffer: region, size: uint64(len(region)), high: uint64(len(region))}
	const read, written, untouched = 0, 1, 2
	for _, i := range []int{read, written, untouched} {
		region[i*p.size] = 1
	}
	saved, err := newCowImage(p, m)
	if err != nil {
		return err
	}
	defer saved.close()
	region[written*p.size] += region[read*p.size]
	flags := make([]uint64, pages)
	if err := p.read(flags, region); err != nil {
		return err
	}
	private := func(i int) bool { return flags[i]&pagePresent != 0 && flags[i]&pageFile == 0 }
	if private(read) || !private(written) || private(untouched) {
		return errors.ErrUnsupported
	}
	saved.restore(m)
	if region[written*p.size] != 1 {
		return errors.ErrUnsupported
	}
	return nil
}
