package snapshot

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// When private pages are given back. A page fault costs about as much as looking
// at patience pages in vain, so by then keeping them has cost what giving them
// back can cost; fewer than fewPages are not worth it.
const (
	patience = 16
	fewPages = 64
)

// cowImage is a file in memory that the guest's memory maps copy-on-write.
//
// Private pages are those that some call since Take has written to. Each Restore
// compares them with the file. When most calls leave many of them alone, after
// one that wrote to much, those unused are given back.
type cowImage struct {
	pages   *pagemap
	content []byte // the file, mapped read-only; the rest of the memory is zero
	filed   int    // pages of the file that are not zero
	top     uint64 // private pages do not lie behind it; a bound, not the end

	private int // pages, after the last restore
	unused  int // of them, those that the last call did not change
	waste   int // the sum of unused, since there were few or they were given back

	flags [512]uint64 // as read from pages
}

// newCowImage saves the content of m in a file and maps the file in its place.
// The caller holds m.mu. m is as it was when there is an error.
func newCowImage(pages *pagemap, m *memory) (*cowImage, error) {
	c := &cowImage{pages: pages, top: m.size}
	file, err := createMemoryFile()
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(file) }() // the mappings keep it
	size, err := c.fill(file, m)
	if err != nil || size == 0 {
		return c, err
	}
	if c.content, err = mapShared(file, size); err != nil {
		return nil, err
	}
	// The kernel looks whether it can map before it unmaps what is there.
	if err := mapPrivate(file, m.buffer[:size]); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// fill writes what is not zero of m into the file, and returns how long that made
// the file.
func (c *cowImage) fill(file int, m *memory) (size int, err error) {
	page := c.pages.size
	for start := 0; start < int(m.size); start += len(c.flags) * page {
		span := m.buffer[start:min(start+len(c.flags)*page, int(m.size))]
		flags := c.flags[:len(span)/page]
		if err := c.pages.read(flags, span); err != nil {
			return 0, err
		}
		run := 0 // where the pages begin that are to be written
		for i := range flags {
			// A page that is not there is zero; reading it would make it be there.
			here := span[i*page : (i+1)*page]
			if flags[i]&(pagePresent|pageSwapped) == 0 || isZero(here) {
				if err := writeAt(file, span[run:i*page], start+run); err != nil {
					return 0, err
				}
				run = (i + 1) * page
				continue
			}
			c.filed++
			size = start + (i+1)*page
		}
		if err := writeAt(file, span[run:], start+run); err != nil {
			return 0, err
		}
	}
	return size, nil
}

func (c *cowImage) restore(m *memory) {
	giveBack := c.unused >= fewPages && c.waste >= patience*c.unused
	c.top = max(c.top, m.high)
	c.private, c.unused = 0, 0
	kept := uint64(0) // where the pages end that stay private
	page := c.pages.size
	for start := 0; start < int(c.top); start += len(c.flags) * page {
		span := m.buffer[start:min(start+len(c.flags)*page, int(c.top))]
		flags := c.flags[:len(span)/page]
		if c.pages.read(flags, span) != nil {
			c.restoreAll(m)
			return
		}
		idle := 0 // how many of the pages before this one are private and unused
		for i, flag := range flags {
			if flag&pageFile == 0 && flag&(pagePresent|pageSwapped) != 0 {
				c.private++
				if !c.restorePage(span[i*page:(i+1)*page], start+i*page) {
					idle++
					continue
				}
				kept = uint64(start + (i+1)*page)
			}
			c.leave(span[(i-idle)*page:i*page], giveBack)
			idle = 0
		}
		c.leave(span[len(span)-idle*page:], giveBack)
	}
	switch {
	case giveBack:
		c.top, c.waste = kept, 0
	case c.unused < fewPages:
		c.waste = 0
	default:
		c.waste += c.unused
	}
}

// restorePage copies a page back, and tells whether it had to.
func (c *cowImage) restorePage(page []byte, offset int) (changed bool) {
	if offset >= len(c.content) {
		if isZero(page) {
			return false
		}
		clear(page)
		return true
	}
	saved := c.content[offset : offset+len(page)]
	if bytes.Equal(page, saved) {
		return false
	}
	copy(page, saved)
	return true
}

// leave counts private pages that the call did not change, or gives them back.
// They hold what the file holds, or zero where the file ends.
func (c *cowImage) leave(pages []byte, giveBack bool) {
	n := len(pages) / c.pages.size
	if n == 0 {
		return
	}
	if giveBack && unix.Madvise(pages, unix.MADV_DONTNEED) == nil {
		c.private -= n
		return
	}
	c.unused += n
}

// restoreAll copies everything, because pages cannot be told any more.
func (c *cowImage) restoreAll(m *memory) {
	n := copy(m.buffer, c.content)
	clear(m.buffer[n:c.top])
	c.private = int(c.top) / c.pages.size
}

func (c *cowImage) held() int64 {
	return int64(c.filed+c.private) * int64(c.pages.size)
}

func (c *cowImage) close() {
	if c.content != nil {
		release(c.content)
		c.content = nil
	}
}
