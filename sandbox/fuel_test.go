package sandbox_test

import (
	"encoding/binary"
	"testing"
	"time"

	"berth/host"
)

func u32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// used is the fuel that a call takes.
func used(t *testing.T, m host.Module, function string, in []byte) uint64 {
	t.Helper()
	before := m.Status().Fuel
	if _, err := call(t, m, function, in); err != nil {
		t.Fatal(err)
	}
	return m.Status().Fuel - before
}

// TestFuelIsDeterministic: the same call takes the same fuel, compiled or
// interpreted, warm or not, and longer ones take more.
func TestFuelIsDeterministic(t *testing.T) {
	limited := func(p *host.Package) { p.Limits.Fuel, p.Limits.Instances = 1<<40, 1 }
	var first [2]uint64
	for i, change := range []func(*host.Package){func(*host.Package) {}, interpreted} {
		m := loadGuest(t, "loop", func(p *host.Package) { limited(p); change(p) })
		for round := range 3 {
			small, large := used(t, m, "spin_n", u32(10)), used(t, m, "spin_n", u32(100_000))
			if i+round == 0 {
				first = [2]uint64{small, large}
				if small == 0 || large < 1000*small || large > 100_000*small {
					t.Errorf("10 rounds take %d, 100,000 take %d", small, large)
				}
			} else if small != first[0] || large != first[1] {
				t.Errorf("%d and %d, want %v", small, large, first)
			}
		}
	}
}

// TestFuelLags: without limits.fuel, what calls take that are over at once is seen
// when the instance has used up a quantum, and all of it when the instance is gone.
func TestFuelLags(t *testing.T) {
	const quantum = 150_000
	for form, change := range map[string]func(*host.Package){"compiled": func(*host.Package) {}, "interpreted": interpreted} {
		exact := loadGuest(t, "loop", func(p *host.Package) { p.Limits.Fuel, p.Limits.Instances = 1<<40, 1; change(p) })
		cost := used(t, exact, "spin_n", u32(1000))
		m := loadGuest(t, "loop", func(p *host.Package) { oneInstance(p); change(p) })
		before := m.Status().Fuel
		taken, farthest := uint64(0), uint64(0)
		for taken < 3*quantum {
			if _, err := call(t, m, "spin_n", u32(1000)); err != nil {
				t.Fatal(err)
			}
			taken += cost
			farthest = max(farthest, taken-(m.Status().Fuel-before))
		}
		if farthest == 0 || farthest >= quantum {
			t.Errorf("%s: the status was %d behind", form, farthest)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if seen := m.Status().Fuel - before; seen != taken {
			t.Errorf("%s: in the end it is %d, not %d", form, seen, taken)
		}
	}
}

// TestFuelLimit: a call that would take more is stopped, at the same place each
// time, and the next has all of its own.
func TestFuelLimit(t *testing.T) {
	var cost uint64
	{
		m := loadGuest(t, "recurse", func(p *host.Package) { p.Limits.Fuel = 1 << 40 })
		cost = used(t, m, "fib", u32(20))
	}
	for _, change := range []func(*host.Package){func(*host.Package) {}, interpreted} {
		enough := loadGuest(t, "recurse", func(p *host.Package) { p.Limits.Fuel = int64(cost); change(p) })
		short := loadGuest(t, "recurse", func(p *host.Package) { p.Limits.Fuel = int64(cost) / 2; change(p) })
		for range 3 {
			if got := used(t, enough, "fib", u32(20)); got != cost {
				t.Errorf("it took %d, and %d before", got, cost)
			}
			_, err := call(t, short, "fib", u32(20))
			wantFailure(t, err, host.CodeTimeout, "fuel")
			if _, err := call(t, short, "fib", u32(5)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestInterrupted: loops and recursion alike end with the deadline.
func TestInterrupted(t *testing.T) {
	for _, change := range []func(*host.Package){func(*host.Package) {}, interpreted} {
		limit := func(p *host.Package) { p.Limits.Timeout = 30 * time.Millisecond; change(p) }
		for _, c := range []struct {
			guest, function string
			in              []byte
		}{{"loop", "spin", nil}, {"recurse", "fib", u32(60)}} {
			m := loadGuest(t, c.guest, limit)
			if how := m.Status().Interruption; how != "metered" {
				t.Errorf("%s is interrupted by %q", c.guest, how)
			}
			for range 2 {
				_, err := call(t, m, c.function, c.in)
				wantFailure(t, err, host.CodeTimeout, "30ms", "interrupted")
			}
		}
	}
}
