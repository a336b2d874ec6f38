package enginetest

import (
	"context"
	"testing"
	"time"

	"berth/host"
)

func faultCases() []testCase {
	survives := func(s Subject) bool { return crashes(s) && s.Traits.Survives }
	return []testCase{
		{name: "crash", needs: crashes, run: testCrash},
		{name: "call after crash", needs: survives, run: testAfterCrash},
		{name: "input over memory", needs: func(s Subject) bool { return s.Traits.Bounded }, run: testTooLarge},
		{name: "deadline", needs: interruptible, run: testDeadline},
		{name: "caller's deadline", needs: interruptible, run: testCallerDeadline},
		{name: "caller gives up", needs: interruptible, run: testCancel},
		{name: "caller gave up before", run: testCanceledBefore},
		{name: "caller's deadline passed before", run: testExpiredBefore},
	}
}

func testCrash(t *testing.T, s Subject) {
	dst := []byte("kept")
	out, err := bind(t, s.load(t, limits()), s.Functions.Crash).Call(t.Context(), dst, []byte("in"))
	wantCode(t, err, host.CodeTrap)
	if string(out) != "kept" {
		t.Errorf("dst is %q after a crash, want it as it was", out)
	}
}

func testAfterCrash(t *testing.T, s Subject) {
	l := limits()
	l.Instances = 2
	m := s.load(t, l)
	crash := bind(t, m, s.Functions.Crash)
	for range 10 { // more often than there are instances
		_, err := crash.Call(t.Context(), nil, nil)
		wantCode(t, err, host.CodeTrap)
		s.wantEcho(t, m)
	}
	if status := m.Status(); status.Busy != 0 || status.Instances > l.Instances {
		t.Errorf("%+v: crashes are still counted", status)
	}
}

func testTooLarge(t *testing.T, s Subject) {
	l := limits()
	l.Memory = 2 << 20
	m := s.load(t, l)
	echo := bind(t, m, s.Functions.Echo)
	for range 3 {
		dst := []byte("kept")
		out, err := echo.Call(t.Context(), dst, make([]byte, 4<<20))
		wantCode(t, err, host.CodeTooLarge)
		if string(out) != "kept" {
			t.Errorf("dst has %d bytes, want it as it was", len(out))
		}
		s.wantEcho(t, m)
	}
}

// interrupted calls Spin, which must end with the code before long.
func (s Subject) interrupted(ctx context.Context, t *testing.T, m host.Module, want host.Code) {
	t.Helper()
	begun := time.Now()
	out, err := bind(t, m, s.Functions.Spin).Call(ctx, []byte("kept"), nil)
	wantCode(t, err, want)
	if took := time.Since(begun); took > generous/2 {
		t.Errorf("it took %s to stop it", took)
	}
	if string(out) != "kept" {
		t.Errorf("dst is %q, want it as it was", out)
	}
	s.wantEcho(t, m)
}

func testDeadline(t *testing.T, s Subject) {
	l := limits()
	l.Timeout = shortly
	m := s.load(t, l)
	for range 3 {
		s.interrupted(t.Context(), t, m, host.CodeTimeout)
	}
}

func testCallerDeadline(t *testing.T, s Subject) {
	m := s.load(t, limits())
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), shortly)
		s.interrupted(ctx, t, m, host.CodeTimeout)
		cancel()
	}
}

func testCancel(t *testing.T, s Subject) {
	m := s.load(t, limits())
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		done := begin(ctx, t, m, bind(t, m, s.Functions.Spin), nil)
		cancel()
		wantCode(t, receive(t, done).err, host.CodeCanceled)
		s.wantEcho(t, m)
	}
}

func testCanceledBefore(t *testing.T, s Subject) {
	m := s.load(t, limits())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // each time, not by chance
		out, err := bind(t, m, s.Functions.Echo).Call(ctx, []byte("kept"), []byte("in"))
		wantCode(t, err, host.CodeCanceled)
		if string(out) != "kept" {
			t.Errorf("dst is %q, want it as it was", out)
		}
	}
	s.wantEcho(t, m)
}

func testExpiredBefore(t *testing.T, s Subject) {
	m := s.load(t, limits())
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for range 20 {
		_, err := bind(t, m, s.Functions.Echo).Call(ctx, nil, []byte("in"))
		wantCode(t, err, host.CodeTimeout)
	}
	s.wantEcho(t, m)
}
