package meter

import (
	"errors"
	"fmt"
)

var errShort = errors.New("meter: malformed: something ends beyond its end")

// reader reads a part of a module. The first error stays, and from then on there
// is nothing left and everything reads as zero.
type reader struct {
	data []byte
	at   int
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.at = len(r.data)
}

func (r *reader) malformed(format string, args ...any) {
	r.fail(fmt.Errorf("meter: malformed: "+format, args...))
}

func (r *reader) unknown(what string, code uint32) { r.fail(&Unknown{What: what, Code: code}) }

func (r *reader) more() bool { return r.at < len(r.data) }

func (r *reader) left() uint64 { return uint64(len(r.data) - r.at) }

func (r *reader) byte() byte {
	if r.at >= len(r.data) {
		r.fail(errShort)
		return 0
	}
	b := r.data[r.at]
	r.at++
	return b
}

func (r *reader) take(n uint64) []byte {
	if n > r.left() {
		r.fail(errShort)
		return nil
	}
	part := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return part
}

// u32 reads an unsigned LEB128 of at most five bytes.
func (r *reader) u32() uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		if shift == 28 && b > 0x0f {
			break
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	r.malformed("a number has more than 32 bits")
	return 0
}

// signed skips a signed LEB128 of at most so many bytes.
func (r *reader) signed(bytes int) {
	for range bytes {
		if r.byte() < 0x80 {
			return
		}
	}
	r.malformed("a signed number is too long")
}

// s33 reads a signed LEB128 of 33 bits, the way of wazero: the fifth byte is the
// last, and its upper bits are left for wazero to judge.
func (r *reader) s33() int64 {
	var v int64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if b&0x40 != 0 && shift < 28 {
				v |= -1 << (shift + 7)
			}
			break
		}
	}
	return v << 31 >> 31
}

// count reads how many items follow. Each has at least one byte.
func (r *reader) count() uint32 {
	n := r.u32()
	if uint64(n) > r.left() {
		r.fail(errShort)
		return 0
	}
	return n
}

// index reads an index that has to be below limit.
func (r *reader) index(what string, limit uint32) uint32 {
	i := r.u32()
	if r.err == nil && i >= limit {
		r.malformed("%s %d is not there: the module has %d", what, i, limit)
		return 0
	}
	return i
}

// name reads the bytes of a name.
func (r *reader) name() []byte { return r.take(uint64(r.u32())) }

// done says whether all was read, and well.
func (r *reader) done() bool {
	if r.err == nil && r.more() {
		r.malformed("%d bytes are left over", r.left())
	}
	return r.err == nil
}
