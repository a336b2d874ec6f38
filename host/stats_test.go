package host

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"
)

func TestLatencyBuckets(t *testing.T) {
	for i := range numBuckets - 1 {
		bound := latencyBound(i)
		if got := latencyBucket(bound); got != i {
			t.Errorf("%v lies in bucket %d, want %d: the bound belongs to it", bound, got, i)
		}
		if got := latencyBucket(bound + 1); got != i+1 {
			t.Errorf("%v lies in bucket %d, want %d", bound+1, got, i+1)
		}
	}
	for d, want := range map[time.Duration]int{-1: 0, 0: 0, 1: 0, 1024: 0, 1025: 1, math.MaxInt64: numBuckets - 1, time.Hour: numBuckets - 1} {
		if got := latencyBucket(d); got != want {
			t.Errorf("%v lies in bucket %d, want %d", d, got, want)
		}
	}
	if latencyBound(0) != 1024 || latencyBound(numBuckets-2) != 1<<32 {
		t.Errorf("bounds from %v to %v", latencyBound(0), latencyBound(numBuckets-2))
	}
}

// feed counts n calls on a stripe, each as long as took says.
func feed(s *stats, stripe uint32, n int, took func(i int) time.Duration) {
	for i := range n {
		if weight := s.begin(stripe); weight > 0 {
			s.observe(stripe, weight, took(i))
		}
	}
}

func TestSamplingWeights(t *testing.T) {
	s := newStats("f")
	for i := range exactCalls {
		if w := s.begin(0); w != 1 {
			t.Fatalf("call %d has the weight %d: the first %d are all timed", i, w, exactCalls)
		}
	}
	var timed, stood uint64
	for range 80 {
		if w := s.begin(0); w > 0 {
			timed++
			stood += w
		}
	}
	if timed != 10 || stood != 80 {
		t.Errorf("of 80 fast calls %d were timed and stand for %d", timed, stood)
	}
	s.observe(0, 1, fastCall+1)
	for range 20 {
		if w := s.begin(0); w != 1 {
			t.Fatalf("a call of a slow function has the weight %d", w)
		}
	}
	s.observe(0, 1, fastCall)
	if s.slow.Load() {
		t.Error("a call of exactly fastCall makes a function slow")
	}
	if w := s.begin(1); w != 1 {
		t.Errorf("the first call of another stripe has the weight %d", w)
	}
}

// TestFiguresAddUp: what the histogram counts is what was called, to the calls
// that the next sample will stand for.
func TestFiguresAddUp(t *testing.T) {
	for _, test := range []struct {
		name string
		took func(int) time.Duration
	}{
		{"fast", func(int) time.Duration { return 500 }},
		{"slow", func(int) time.Duration { return time.Millisecond }},
	} {
		s := newStats("f")
		var want uint64
		for stripe := range s.stripes {
			feed(s, uint32(stripe), 1000+stripe, test.took)
			want += uint64(1000 + stripe)
		}
		f := s.figures()
		if f.Calls != want {
			t.Errorf("%s: %d calls, want %d", test.name, f.Calls, want)
		}
		if missing := want - f.Latency.Count; f.Latency.Count > want || missing >= uint64(len(s.stripes)*timedOneIn) {
			t.Errorf("%s: the histogram counts %d of %d calls", test.name, f.Latency.Count, want)
		}
		if mean := f.Latency.Sum / time.Duration(f.Latency.Count); mean != test.took(0) {
			t.Errorf("%s: mean %v, want %v", test.name, mean, test.took(0))
		}
	}
}

// TestFiguresAddUpWhenSpeedVaries: calls that are now fast, now slow must not be
// counted twice or lost on the way between the two ways of timing.
func TestFiguresAddUpWhenSpeedVaries(t *testing.T) {
	for _, one := range []int{2, 3, 5, 8, 16} {
		s := newStats("f")
		const n = 8000
		random := uint32(1)
		feed(s, 0, n, func(int) time.Duration {
			random = random*1664525 + 1013904223
			if random>>16%uint32(one) == 0 {
				return 50 * time.Microsecond
			}
			return time.Microsecond
		})
		f := s.figures()
		if off := math.Abs(float64(f.Latency.Count)-n) / n; off > 0.02 {
			t.Errorf("one call in %d is slow: the histogram counts %d of %d calls, %.0f %% off", one, f.Latency.Count, n, 100*off)
		}
	}
}

func TestHistogramIsCumulative(t *testing.T) {
	s := newStats("f")
	feed(s, 0, exactCalls, func(i int) time.Duration { return time.Duration(i) * time.Microsecond })
	s.errors[CodeTrap].Add(3)
	f := s.figures()
	if len(f.Latency.Buckets) != numBuckets-1 {
		t.Errorf("%d buckets, want %d", len(f.Latency.Buckets), numBuckets-1)
	}
	last := uint64(0)
	for i := range numBuckets - 1 {
		n, ok := f.Latency.Buckets[latencyBound(i)]
		if !ok || n < last || n > f.Latency.Count {
			t.Errorf("bucket %v: %d after %d", latencyBound(i), n, last)
		}
		last = n
	}
	if f.Function != "f" || len(f.Errors) != 1 || f.Errors[CodeTrap] != 3 {
		t.Errorf("%+v", f)
	}
}

func TestFiguresLimit(t *testing.T) {
	f := newFigures(3)
	for i := range 5 {
		s := f.of(fmt.Sprint("f", i))
		if own := s != f.other; own != (i < 3) {
			t.Errorf("function %d has figures of its own: %v", i, own)
		}
	}
	if f.of("f1") != f.lookup("f1") || f.lookup("f4") != nil {
		t.Error("of and lookup differ")
	}
	f.forget([]string{"f1", "never"})
	if f.lookup("f1") != nil {
		t.Error("a forgotten function still has figures")
	}
	if f.of("f4") == f.other {
		t.Error("the room of a forgotten function is not given to another")
	}
	if n := len(f.all()); n != 4 {
		t.Errorf("all has %d, want 3 and the others", n)
	}
}

func TestFiguresRace(t *testing.T) {
	f := newFigures(8)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				name := fmt.Sprint("f", (g+i)%16)
				s := f.of(name)
				feed(s, uint32(g%len(s.stripes)), 3, func(int) time.Duration { return time.Microsecond })
				if i%7 == 0 {
					f.forget([]string{name})
				}
				for _, s := range f.all() {
					_ = s.figures()
				}
			}
		})
	}
	wg.Wait()
	if len(f.byName) > 8 {
		t.Errorf("%d functions have figures, the limit is 8", len(f.byName))
	}
}
