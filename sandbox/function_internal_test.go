package sandbox

import (
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"berth/host"
)

// faulty is an ABI with a bug: it panics in the method that it names.
type faulty struct {
	abi
	in string
}

func (f faulty) attach(m *module, s *slot) guest {
	f.bug("attach")
	return faultyGuest{f.abi.attach(m, s), f, s.run}
}

func (f faulty) bug(in string) {
	if f.in == in {
		panic("a bug in " + in)
	}
}

type faultyGuest struct {
	guest
	abi faulty
	run *run
}

func (g faultyGuest) begin() error {
	g.abi.bug("begin")
	return g.guest.begin()
}

func (g faultyGuest) call(fn api.Function, dst, in []byte) ([]byte, error) {
	g.run.tick(-1) // it has a place
	g.abi.bug("call")
	return g.guest.call(fn, dst, in)
}

func (g faultyGuest) wipe() {
	g.abi.bug("wipe")
	g.guest.wipe()
}

// faultyModule is the guest counter, called through an ABI with a bug.
func faultyModule(t *testing.T, in string) *module {
	t.Helper()
	m := bareModule(t, "counter", "compiler")
	m.abi = faulty{m.abi, in}
	m.exports = []string{"count"}
	m.admission = newAdmission(Admission{Places: 1, Queue: 1, Wait: time.Millisecond})
	m.pool = newPool(1, time.Second, time.Hour, m.instantiate)
	return m
}

// TestCallPanics: a bug of ours in a call costs the instance, and nothing else:
// its place and its room in the pool are there for the next.
func TestCallPanics(t *testing.T) {
	for _, in := range []string{"call", "wipe"} {
		t.Run(in, func(t *testing.T) {
			m := faultyModule(t, in)
			f := &function{module: m, name: "count", export: "count"}
			for range 2 {
				s, err := m.pool.get(t.Context())
				if err != nil {
					t.Fatalf("the pool's only slot is lost: %v", err)
				}
				m.pool.put(s)
				m.isolation = isolationFresh // calls wipe
				if fault := panicOf(func() { _, _ = f.Call(t.Context(), nil, nil) }); fault != "a bug in "+in {
					t.Errorf("the call panicked with %v", fault)
				}
				m.isolation = isolationKeep
				wantAdmission(t, m.admission, 0, 0)
				wantUsage(t, m.pool, 0, 0)
			}
			if err := m.pool.close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func panicOf(f func()) (fault any) {
	defer func() { fault = recover() }()
	f()
	return nil
}

// TestInstantiatePanics: a bug of ours while an instance is made is an error, so
// that it does not end the process when one is made ahead of need.
func TestInstantiatePanics(t *testing.T) {
	for _, in := range []string{"attach", "begin"} {
		t.Run(in, func(t *testing.T) {
			m := faultyModule(t, in)
			for range 2 {
				_, err := m.pool.get(t.Context())
				wantCodeOf(t, err, host.CodeInvalid)
				wantUsage(t, m.pool, 0, 0)
			}
			if err := m.pool.close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
