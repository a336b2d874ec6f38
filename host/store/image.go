package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
)

// The layout of a bbolt file, version 2. Numbers are in the machine's own byte
// order: see internal/common in bbolt.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	headerSize  = 16 // id u64, flags u16, count u16, overflow u32
	elementSize = 16 // branch: pos, ksize u32, page u64; leaf: flags, pos, ksize, vsize u32
	metaSize    = 64
	bucketSize  = 16 // root u64, sequence u64; the page itself follows if root is 0

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	flagBucket   = 0x01 // of a leaf's element

	noFreelist = ^uint64(0)

	minPageSize = 1 << 10
	maxPageSize = 1 << 24
	maxDepth    = 32
)

// metaPage is one of the two headers of the file.
type metaPage struct {
	version, pageSize          uint32
	root, freelist, high, txid uint64 // high: pages in use lie below it
}

// image reads a bbolt file that may be damaged, and believes nothing of it.
type image struct {
	r    io.ReaderAt
	meta metaPage
	torn error  // why one of the headers was not taken
	seen []bool // by page: reachable or free
}

// inspect checks the whole file, of the given size, and calls visit for every
// entry in every bucket; slices are valid until it returns. Damage wraps
// errDamaged; other errors are those of reading. made tells that a change was
// ever committed, and torn why one of the two headers could not be taken.
func inspect(r io.ReaderAt, size int64, visit func(bucket string, key, value []byte) error) (made bool, torn, err error) {
	im := &image{r: r}
	if err := im.readMeta(size); err != nil {
		return false, nil, err
	}
	err = im.tree(im.meta.root, keyRange{}, 0, func(flags uint32, key, value []byte) error {
		if flags != flagBucket {
			return damaged("an entry %.40q outside of any bucket", key)
		}
		return im.bucket(string(key), value, visit)
	})
	if err == nil {
		err = im.freelist()
	}
	return im.meta.txid > 1, im.torn, err // bbolt makes a file with 0 and 1
}

// read fills buf from the file. The file's size was checked, so its end is
// damage.
func (im *image) read(buf []byte, offset int64) error {
	_, err := im.r.ReadAt(buf, offset)
	if errors.Is(err, io.EOF) {
		return damaged("it ends before byte %d", offset+int64(len(buf)))
	}
	return err
}

// readMeta finds the header with the latest valid state.
func (im *image) readMeta(size int64) error {
	first, err0 := im.metaAt(0, size)
	if err0 != nil && !errors.Is(err0, errDamaged) {
		return err0
	}
	second, err1 := metaPage{}, damaged("no valid header")
	if err0 == nil {
		second, err1 = im.metaAt(int64(first.pageSize), size)
	} else {
		// Where the second lies depends on the page size, which the first told.
		for at := int64(minPageSize); at <= maxPageSize && err1 != nil; at *= 2 {
			second, err1 = im.metaAt(at, size)
			if err1 == nil && int64(second.pageSize) != at {
				err1 = damaged("the second header is in the wrong place")
			}
			if err1 != nil && !errors.Is(err1, errDamaged) {
				break
			}
		}
	}
	switch {
	case err1 != nil && !errors.Is(err1, errDamaged):
		return err1
	case err0 != nil && err1 != nil:
		return errors.Join(err1, err0)
	case err0 != nil:
		im.meta, im.torn = second, err0
	case err1 != nil:
		im.meta, im.torn = first, err1
	case second.txid > first.txid:
		im.meta = second
	default:
		im.meta = first
	}
	return im.checkMeta(size)
}

// metaAt reads a header; valid means that its checksum is right.
func (im *image) metaAt(offset, size int64) (m metaPage, err error) {
	var buf [headerSize + metaSize]byte
	if offset+int64(len(buf)) > size {
		return m, damaged("it has %d bytes: too few for its headers", size)
	}
	if err := im.read(buf[:], offset); err != nil {
		return m, err
	}
	order, b := binary.NativeEndian, buf[headerSize:]
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8])
	m = metaPage{
		version: order.Uint32(b[4:]), pageSize: order.Uint32(b[8:]),
		root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]), high: order.Uint64(b[40:]), txid: order.Uint64(b[48:]),
	}
	switch {
	case order.Uint32(b) != boltMagic:
		return m, damaged("the header at byte %d is not bbolt's", offset)
	case order.Uint64(b[56:]) != sum.Sum64():
		return m, damaged("the checksum of the header at byte %d is wrong", offset)
	case m.version > boltVersion:
		return m, errNewer
	case m.version != boltVersion || m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0:
		return m, damaged("the header at byte %d makes no sense", offset)
	}
	return m, nil
}

func (im *image) checkMeta(size int64) error {
	m := im.meta
	if pages := uint64(size) / uint64(m.pageSize); m.high > pages {
		return damaged("it has %d bytes, which is less than the %d pages of %d that its header tells of", size, m.high, m.pageSize)
	}
	if m.root < 2 || m.root >= m.high || m.freelist != noFreelist && (m.freelist < 2 || m.freelist >= m.high) {
		return damaged("the header points outside of the file")
	}
	im.seen = make([]bool, m.high)
	return nil
}

// claim marks a page as used. No page is used twice.
func (im *image) claim(id uint64) error {
	if id < 2 || id >= im.meta.high {
		return damaged("page %d does not exist", id)
	}
	if im.seen[id] {
		return damaged("page %d is used twice", id)
	}
	im.seen[id] = true
	return nil
}

// page reads a page with those that belong to it, and claims them.
func (im *image) page(id uint64) (page, error) {
	if err := im.claim(id); err != nil {
		return page{}, err
	}
	size := int64(im.meta.pageSize)
	var header [headerSize]byte
	if err := im.read(header[:], int64(id)*size); err != nil {
		return page{}, err
	}
	p := page{header[:]}
	if got := binary.NativeEndian.Uint64(p.data); got != id {
		return page{}, damaged("page %d says that it is page %d", id, got)
	}
	for i := range p.overflow() {
		if err := im.claim(id + 1 + i); err != nil {
			return page{}, err
		}
	}
	p.data = make([]byte, size*int64(p.overflow()+1))
	return p, im.read(p.data, int64(id)*size)
}

// keyRange is min ≤ key < max; nil is no bound.
type keyRange struct{ min, max []byte }

func (r keyRange) has(key []byte) bool {
	return bytes.Compare(key, r.min) >= 0 && (r.max == nil || bytes.Compare(key, r.max) < 0)
}

// tree walks the pages below a page and calls visit for each element of a leaf.
func (im *image) tree(id uint64, within keyRange, depth int, visit func(flags uint32, key, value []byte) error) error {
	if depth > maxDepth {
		return damaged("page %d lies too deep", id)
	}
	p, err := im.page(id)
	if err != nil {
		return err
	}
	if p.flags() == flagLeaf {
		return p.leaf(within, visit)
	}
	children, err := p.branch(within)
	if err != nil {
		return damaged("page %d: %w", id, err)
	}
	for i, child := range children {
		below := keyRange{child.key, within.max}
		if i+1 < len(children) {
			below.max = children[i+1].key
		}
		if err := im.tree(child.page, below, depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

// bucket walks a bucket from what its entry in the root holds.
func (im *image) bucket(name string, value []byte, visit func(bucket string, key, value []byte) error) error {
	if len(value) < bucketSize {
		return damaged("bucket %.40q is cut off", name)
	}
	entry := func(flags uint32, key, value []byte) error {
		if flags != 0 {
			return damaged("a bucket %.40q inside the bucket %.40q", key, name)
		}
		return visit(name, key, value)
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return im.tree(root, keyRange{}, 0, entry)
	}
	p := page{value[bucketSize:]}
	if len(p.data) < headerSize || p.flags() != flagLeaf {
		return damaged("bucket %.40q is cut off", name)
	}
	return p.leaf(keyRange{}, entry)
}

// freelist checks that each page is either in use or free.
func (im *image) freelist() error {
	if im.meta.freelist == noFreelist {
		return nil // bbolt finds the free pages by itself
	}
	p, err := im.page(im.meta.freelist)
	if err != nil {
		return err
	}
	ids, err := p.free()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := im.claim(id); err != nil {
			return err
		}
	}
	for id, seen := range im.seen {
		if id >= 2 && !seen {
			return damaged("page %d is neither in use nor free", id)
		}
	}
	return nil
}
