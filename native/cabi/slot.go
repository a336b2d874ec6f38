package cabi

import (
	"context"
	"math"
	"strings"
	"time"
	"unsafe"

	"berth/host"
)

// maxErrorText is how many bytes of an error's text are read.
const maxErrorText = 64 << 10

// slotSize is about what a slot takes, beside what the library does.
const slotSize = int64(unsafe.Sizeof(frame{}) + unsafe.Sizeof(slot{}))

// slot is what a call takes: an object, and a frame. One goroutine has it from
// the pool's get to its put, and the library calls back on that goroutine only.
type slot struct {
	library *Library
	handle  uintptr
	frame   *frame
	self    uintptr

	ctx   context.Context // of the call under way; nil if there is none
	begun time.Duration   // when it began, by the library's clock
	limit time.Duration   // how long it may take; 0: there is no limit
}

// newSlot makes a slot and, unless all calls share one, its object.
func (l *Library) newSlot(ctx context.Context) (*slot, error) {
	s := &slot{library: l}
	s.handle = theProcess().handles.add(s)
	output := min(int64(l.pkg.Limits.Output), math.MaxInt-1)
	if s.frame = newFrame(l.host, s.handle, max(output+1, maxErrorText)); s.frame == nil {
		theProcess().handles.remove(s.handle)
		return nil, errNoMemory
	}
	switch {
	case l.opened && l.about.concurrency == parallel:
		s.self = l.self
		return s, nil
	case l.about.open == 0:
		return s, nil
	}
	s.begin(ctx, 0, 0)
	_, err := s.result(s.frame.openObject(l.about.open, l.config), nil)
	s.self = s.frame.made
	s.finish()
	if err != nil {
		s.drop()
		return nil, host.Fail(host.CodeTrap, "its open failed: %w", err)
	}
	return s, nil
}

// begin is before the library is entered.
func (s *slot) begin(ctx context.Context, function uintptr, limit time.Duration) {
	s.ctx, s.limit = ctx, limit
	if limit > 0 {
		s.begun = s.library.now()
	}
	s.frame.function = function
}

// finish is after it.
func (s *slot) finish() {
	s.ctx = nil
	if f := s.frame; f.heap|f.value|f.excess|f.poor|f.made != 0 {
		f.tidy()
	}
}

// call calls a function of the library; its output is appended to dst.
func (s *slot) call(ctx context.Context, e entry, dst, in []byte) ([]byte, error) {
	s.begin(ctx, e.address, s.library.pkg.Limits.Timeout)
	out, err := s.result(s.frame.call(e.call, s.self, in, dst[len(dst):cap(dst)]), dst)
	s.finish()
	return out, err
}

// callPart is call, of a source or a sink.
func (s *slot) callPart(ctx context.Context, function, part uintptr, limit time.Duration, dst, in []byte) ([]byte, error) {
	s.begin(ctx, 0, limit)
	out, err := s.result(s.frame.call(function, part, in, dst[len(dst):cap(dst)]), dst)
	s.finish()
	return out, err
}

// result is what a call came to, appended to dst.
func (s *slot) result(code int32, dst []byte) ([]byte, error) {
	f := s.frame
	n, limit := f.outLength, s.library.pkg.Limits.Output
	switch {
	case f.excess > 0 || code == codeOK && uint64(n) > uint64(limit):
		return dst, host.Fail(host.CodeTrap, "the function returned %d bytes: at most %s are allowed by \"limits.output\"", max(f.excess, n), limit)
	case f.poor != 0:
		return dst, host.Fail(host.CodeUnavailable, "there is no memory for the result, after %d bytes", n)
	case n > f.room:
		return dst, host.Fail(host.CodeTrap, "the function says that it wrote %d bytes where there is room for %d", n, f.room)
	}
	var out []byte
	if f.heap != 0 {
		out = bytesAt(f.heap, int(n))
	} else {
		out = dst[len(dst) : len(dst)+int(n)]
	}
	switch code {
	case codeOK:
		if f.heap != 0 {
			return append(dst, out...), nil
		}
		return dst[:len(dst)+int(n)], nil
	case codeFailed:
		return dst, host.Fail(host.CodeRejected, "%s", errorText(out))
	case codeInvalid:
		return dst, host.Fail(host.CodeInvalid, "%s", errorText(out))
	case codeNone:
		return dst, errNone
	case codeEnd:
		return dst, errEnd
	case codeStopped:
		if why := s.why(); why != nil {
			return dst, why
		}
		return dst, host.Fail(host.CodeTrap, "the function gave up, and there was time left")
	}
	return dst, host.Fail(host.CodeTrap, "the function returned %d, which is none of the codes of berth_plugin.h", code)
}

// What only sources may answer.
var (
	errNone = host.Fail(host.CodeTrap, "the function returned BERTH_NONE, which is no answer to a call")
	errEnd  = host.Fail(host.CodeTrap, "the function returned BERTH_END, which is no answer to a call")
)

// errorText is the text of an error. It is a copy.
func errorText(text []byte) string {
	if len(text) == 0 {
		return "the function answered with an error that says nothing"
	}
	return strings.ToValidUTF8(string(text[:min(len(text), maxErrorText)]), "\uFFFD")
}

// free closes the object, unless others have it too, and frees the slot.
func (s *slot) free() {
	if s.library.about.concurrency != parallel {
		s.library.closeSelf(s.self)
	}
	s.drop()
}

// drop frees the slot, and leaves the object alone.
func (s *slot) drop() {
	theProcess().handles.remove(s.handle)
	s.frame.free()
}
