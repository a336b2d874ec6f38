package enginetest

import (
	"context"
	"sync"
	"testing"

	"berth/host"
)

func capacityCases() []testCase {
	bounded := func(s Subject) bool { return s.Traits.Bounded && interruptible(s) }
	return []testCase{
		{name: "more callers than instances", needs: func(s Subject) bool { return s.Traits.Bounded }, run: testQueue},
		{name: "a waiting caller is served", needs: bounded, run: testHandOver},
		{name: "a waiting caller gives up", needs: bounded, run: testWaiterGivesUp},
		{name: "all instances busy", needs: bounded, run: testAllBusy},
	}
}

func testQueue(t *testing.T, s Subject) {
	l := limits()
	l.Instances = 2
	m := s.load(t, l)
	echo := bind(t, m, s.Functions.Echo)
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			for range 50 {
				if _, err := echo.Call(t.Context(), nil, []byte("in")); err != nil {
					t.Error(err)
				}
				if n := m.Status().Instances; n > l.Instances {
					t.Errorf("%d instances, over the limit of %d", n, l.Instances)
				}
			}
		})
	}
	group.Wait()
	if status := m.Status(); status.Busy != 0 {
		t.Errorf("%+v: none should be busy", status)
	}
}

func testHandOver(t *testing.T, s Subject) {
	l := limits()
	l.Instances = 1
	m := s.load(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	spin := begin(ctx, t, m, bind(t, m, s.Functions.Spin), nil)
	echo := bind(t, m, s.Functions.Echo)
	waiting := make(chan result, 8)
	for range cap(waiting) {
		go func() {
			out, err := echo.Call(t.Context(), nil, []byte("in"))
			waiting <- result{out, err}
		}()
	}
	cancel()
	wantCode(t, receive(t, spin).err, host.CodeCanceled)
	for range cap(waiting) {
		if r := receive(t, waiting); r.err != nil || string(r.out) != "in" {
			t.Errorf("a waiting call: %q, %v", r.out, r.err)
		}
	}
}

func testWaiterGivesUp(t *testing.T, s Subject) {
	l := limits()
	l.Instances = 1
	m := s.load(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	spin := begin(ctx, t, m, bind(t, m, s.Functions.Spin), nil)
	brief, stop := context.WithTimeout(t.Context(), shortly)
	defer stop()
	_, err := bind(t, m, s.Functions.Echo).Call(brief, nil, []byte("in"))
	wantCode(t, err, host.CodeTimeout)
	cancel()
	wantCode(t, receive(t, spin).err, host.CodeCanceled)
	s.wantEcho(t, m)
}

// testAllBusy: one instance, and calls that each hold it for the whole timeout,
// which is also how long a caller waits for it. The first holds it and one of
// the others gets it then; the rest have waited long enough.
func testAllBusy(t *testing.T, s Subject) {
	l := limits()
	l.Instances, l.Timeout = 1, 5*shortly
	m := s.load(t, l)
	spin := bind(t, m, s.Functions.Spin)
	results := make(chan result, 5)
	for range cap(results) {
		go func() {
			out, err := spin.Call(t.Context(), nil, nil)
			results <- result{out, err}
		}()
	}
	counts := map[host.Code]int{}
	for range cap(results) {
		counts[host.CodeOf(receive(t, results).err)]++
	}
	if counts[host.CodeTimeout] == 0 || counts[host.CodeUnavailable] == 0 || counts[host.CodeTimeout]+counts[host.CodeUnavailable] != cap(results) {
		t.Errorf("%v: want some %s, the others %s", counts, host.CodeTimeout, host.CodeUnavailable)
	}
	s.wantEcho(t, m)
}
