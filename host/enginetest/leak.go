package enginetest

import (
	"testing"

	"berth/host"
)

func leakCases() []testCase {
	return []testCase{
		{name: "no goroutines after close", run: testGoroutines},
		{name: "no memory after close", run: testHeap},
	}
}

// cycle loads, calls and closes a module.
func (s Subject) cycle(t *testing.T, engine host.Engine, p *host.Package) {
	t.Helper()
	m, err := engine.Load(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	s.wantEcho(t, m)
	if crashes(s) {
		_, err := bind(t, m, s.Functions.Crash).Call(t.Context(), nil, nil)
		wantCode(t, err, host.CodeTrap)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// testGoroutines asks for what Run asks of each case, but of modules that are
// closed in the midst of the test.
func testGoroutines(t *testing.T, s Subject) {
	engine, p := s.Engine(t), s.Package(t, limits())
	before := len(goroutines())
	for range 5 {
		s.cycle(t, engine, p)
	}
	WaitFor(t, generous, func() bool { return len(goroutines()) <= before })
}

func testHeap(t *testing.T, s Subject) {
	const warmup, cycles, allowed = 5, 50, 4 << 20
	engine, p := s.Engine(t), s.Package(t, limits())
	for range warmup {
		s.cycle(t, engine, p)
	}
	before := HeapInUse()
	for range cycles {
		s.cycle(t, engine, p)
	}
	if grown := HeapInUse() - before; grown > allowed {
		t.Errorf("the heap grew by %d bytes over %d times load and close", grown, cycles)
	}
}
