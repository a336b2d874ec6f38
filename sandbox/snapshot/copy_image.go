package snapshot

import "bytes"

// copyImage is a plain copy, without the zeros at the end.
type copyImage struct {
	content []byte
	whole   int64 // bytes of the memory
}

func newCopyImage(m *memory) *copyImage {
	content := m.buffer[:m.size]
	end := len(content)
	for end > 0 && isZero(content[max(end-wasmPage, 0):end]) {
		end -= min(wasmPage, end)
	}
	return &copyImage{content: bytes.Clone(content[:end]), whole: int64(m.size)}
}

func (c *copyImage) restore(m *memory) {
	n := copy(m.buffer, c.content)
	clear(m.buffer[n:m.high])
}

func (c *copyImage) held() int64 { return int64(len(c.content)) + c.whole }

func (c *copyImage) close() { c.content = nil }

// isZero tells whether b, which is not empty, is all zeros: the first byte is, and
// each is as the one before.
func isZero(b []byte) bool {
	return b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
