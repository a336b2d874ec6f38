package cabi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"berth/host"
)

// State is what a plugin keeps: bytes by key, over updates and restarts. It is
// safe for concurrent use. Neither side keeps or changes the other's bytes.
type State interface {
	// Get returns the value of a key, and whether there is one.
	Get(key string) ([]byte, bool, error)
	// Put sets it.
	Put(key string, value []byte) error
	// Delete removes the key; there need be none.
	Delete(key string) error
}

// The bounds of what a library hands to its host.
const (
	maxLogText  = 4 << 10 // bytes; host.PluginLog cuts there too
	maxStateKey = 1 << 10 // bytes
)

// forever is BERTH_FOREVER.
const forever = math.MaxInt32

// logLine is berth_host.log.
func logLine(library uintptr, level int32, text, length uintptr) {
	l := valueOf[Library](library)
	if l == nil || text == 0 {
		return
	}
	defer func() { _ = recover() }() // a panic would have to cross the library's frames
	n := min(length, maxLogText+1)   // one more, so that it is seen to be cut
	l.pkg.Log.Line(slog.Level(min(max(level, int32(slog.LevelDebug)), int32(slog.LevelError))), string(bytesAt(text, int(n))))
}

// remaining is berth_host.remaining.
func remaining(slot uintptr) int32 {
	s := slotOf(slot)
	if s == nil || s.why() != nil {
		return 0
	}
	left := time.Duration(math.MaxInt64)
	if s.limit > 0 {
		left = s.limit - (s.library.now() - s.begun)
	}
	if deadline, ok := s.ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	if left > forever*time.Millisecond {
		return forever
	}
	return int32(max(0, (left+time.Millisecond-1)/time.Millisecond))
}

// why is why nobody waits for the call under way any more; nil: somebody does.
func (s *slot) why() error {
	if err := s.ctx.Err(); err != nil {
		return callerError(err)
	}
	if deadline, ok := s.ctx.Deadline(); ok && !time.Now().Before(deadline) { // the context is told a little later
		return callerError(context.DeadlineExceeded)
	}
	if s.limit > 0 && s.library.now()-s.begun >= s.limit {
		return host.Fail(host.CodeTimeout, "the function gave up after %s, which is all that \"limits.timeout\" allows", s.limit)
	}
	if s.library.life.Err() != nil {
		return errClosed
	}
	return nil
}

func callerError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return host.Fail(host.CodeTimeout, "the caller's deadline passed: %w", err)
	}
	return host.Fail(host.CodeCanceled, "the caller gave up: %w", err)
}

// service runs one that may fail: why it did, or panicked, goes into the
// plugin's log, since the library can tell nobody.
func service(slot uintptr, name string, key, keyLength uintptr, do func(s *slot, key string) (int32, error)) (code int32) {
	s := slotOf(slot)
	if s == nil {
		return codeFailed
	}
	defer func() {
		if r := recover(); r != nil {
			s.library.warn("%s: %v", name, r)
			code = codeFailed
		}
	}()
	if key == 0 || keyLength == 0 || keyLength > maxStateKey {
		s.library.warn("%s: a key of %d bytes: 1 to %d are allowed", name, keyLength, maxStateKey)
		return codeFailed
	}
	text := string(bytesAt(key, int(keyLength)))
	code, err := do(s, text)
	if err != nil {
		s.library.warn("%s of %q: %v", name, text, err)
		return codeFailed
	}
	return code
}

// slotOf is the slot of a handle, nil if no call is under way in it.
func slotOf(handle uintptr) *slot {
	s := valueOf[slot](handle)
	if s == nil || s.ctx == nil {
		return nil
	}
	return s
}

// configValue is berth_host.config.
func configValue(handle, key, keyLength, value, length uintptr) int32 {
	return service(handle, "config", key, keyLength, func(s *slot, key string) (int32, error) {
		text, ok := s.library.pkg.Grants.Config[key]
		if !ok {
			return codeNone, nil
		}
		return s.answer(text, value, length)
	})
}

// stateGet is berth_host.get.
func stateGet(handle, key, keyLength, value, length uintptr) int32 {
	return service(handle, "get", key, keyLength, func(s *slot, key string) (int32, error) {
		data, ok, err := s.library.state.Get(key)
		if err != nil || !ok {
			return codeNone, err
		}
		return s.answer(string(data), value, length)
	})
}

// answer hands a value to the library.
func (s *slot) answer(text string, value, length uintptr) (int32, error) {
	if value == 0 || length == 0 {
		return 0, errors.New("there is nowhere to put the value: a pointer is NULL")
	}
	if code := s.frame.setValue(text, value, length); code != codeOK {
		return 0, fmt.Errorf("there is no memory for %d bytes", len(text))
	}
	return codeOK, nil
}

// statePut is berth_host.put.
func statePut(handle, key, keyLength, value, length uintptr) int32 {
	return service(handle, "put", key, keyLength, func(s *slot, key string) (int32, error) {
		most := s.library.pkg.Limits.Output
		switch {
		case uint64(length) > uint64(most):
			return 0, fmt.Errorf("a value of %d bytes: at most %s are allowed, as of a result", length, most)
		case length > 0 && value == 0:
			return 0, errors.New("the value is NULL")
		}
		data := append([]byte{}, bytesAt(value, int(length))...)
		return codeOK, s.library.state.Put(key, data)
	})
}

// stateRemove is berth_host.remove.
func stateRemove(handle, key, keyLength uintptr) int32 {
	return service(handle, "remove", key, keyLength, func(s *slot, key string) (int32, error) {
		return codeOK, s.library.state.Delete(key)
	})
}

// noState is the state of a library that was opened without one.
type noState struct{}

var errNoState = errors.New("this host keeps no state for the plugin")

func (noState) Get(string) ([]byte, bool, error) { return nil, false, errNoState }
func (noState) Put(string, []byte) error         { return errNoState }
func (noState) Delete(string) error              { return errNoState }
