package host

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Latency histograms have one bucket for each factor of four: bucket i counts
// the calls that took at most latencyBound(i).
const (
	firstBucketBits = 10 // 2¹⁰ ns ≈ 1 µs
	numBuckets      = 13 // the last is everything over 2³² ns ≈ 4.3 s
)

// latencyBound is the upper bound of bucket i, for all but the last.
func latencyBound(i int) time.Duration { return 1 << (firstBucketBits + 2*i) }

func latencyBucket(d time.Duration) int {
	if d <= latencyBound(0) {
		return 0
	}
	return min((bits.Len64(uint64(d)-1)-firstBucketBits+1)/2, numBuckets-1)
}

const (
	// Reading the clock twice takes as long as a small call. So calls of a
	// function that answers within fastCall are timed one in timedOneIn, each
	// standing for that many; the first exactCalls of a stripe, and all calls
	// of slower functions, are timed.
	fastCall   = 10 * time.Microsecond
	timedOneIn = 8
	exactCalls = 64
)

// stats are the figures of one function, or of all that share "other".
type stats struct {
	function string
	stripes  []statsStripe
	slow     atomic.Bool // the last timed call took over fastCall
	errors   [numCodes]atomic.Uint64
}

// statsStripe is two cache lines.
type statsStripe struct {
	calls   atomic.Uint64
	timed   atomic.Uint64 // calls when the last one was timed
	nanos   atomic.Uint64
	buckets [numBuckets]atomic.Uint64
}

func newStats(function string) *stats {
	return &stats{function: function, stripes: make([]statsStripe, Stripes())}
}

// stripe is the caller's stripe. Gates made when the process had more
// processors have more stripes than these stats may have.
func (s *stats) stripe(i uint32) *statsStripe { return &s.stripes[i&uint32(len(s.stripes)-1)] }

// begin counts a call and tells for how many calls its duration stands: itself
// and those before it that were not timed. 0 means that it need not be timed.
func (s *stats) begin(stripe uint32) (weight uint64) {
	st := s.stripe(stripe)
	n := st.calls.Add(1)
	if n > exactCalls && n%timedOneIn != 0 && !s.slow.Load() {
		return 0
	}
	if last := st.timed.Swap(n); last < n {
		return n - last
	}
	return 1 // overtaken by another call of this stripe
}

func (s *stats) observe(stripe uint32, weight uint64, d time.Duration) {
	st := s.stripe(stripe)
	st.nanos.Add(weight * uint64(d))
	st.buckets[latencyBucket(d)].Add(weight)
	if slow := d > fastCall; slow != s.slow.Load() {
		s.slow.Store(slow)
	}
}

// FunctionFigures are counts since the host started.
type FunctionFigures struct {
	Function string
	Calls    uint64
	Errors   map[Code]uint64 // only codes that occurred
	Latency  Histogram
}

// Histogram is a latency histogram. Calls of functions that answer within
// 10 µs are sampled, each timed one standing for eight.
type Histogram struct {
	Count   uint64
	Sum     time.Duration
	Buckets map[time.Duration]uint64 // upper bound → calls at most that long (cumulative)
}

func (s *stats) figures() FunctionFigures {
	f := FunctionFigures{Function: s.function, Errors: map[Code]uint64{}, Latency: Histogram{Buckets: map[time.Duration]uint64{}}}
	var buckets [numBuckets]uint64
	for i := range s.stripes {
		st := &s.stripes[i]
		f.Calls += st.calls.Load()
		f.Latency.Sum += time.Duration(st.nanos.Load())
		for b := range buckets {
			buckets[b] += st.buckets[b].Load()
		}
	}
	for b, n := range buckets {
		f.Latency.Count += n
		if b < numBuckets-1 {
			f.Latency.Buckets[latencyBound(b)] = f.Latency.Count
		}
	}
	for code := range s.errors {
		if n := s.errors[code].Load(); n > 0 {
			f.Errors[Code(code)] = n
		}
	}
	return f
}

// OtherFunctions is the name under which the figures of functions are kept
// that found no room of their own. It cannot be the name of a function.
const OtherFunctions = "~other"

// figures keeps the stats of at most limit functions by name; those that come
// later share OtherFunctions, so that no number of functions makes /metrics
// grow without bound. A function that is dropped gives its room back.
type figures struct {
	limit int
	other *stats

	mu     sync.Mutex // guards byName
	byName map[string]*stats
}

func newFigures(limit int) *figures {
	return &figures{limit: limit, other: newStats(OtherFunctions), byName: map[string]*stats{}}
}

// of returns the stats that calls of the function count into.
func (f *figures) of(function string) *stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.byName[function]; ok {
		return s
	}
	if len(f.byName) >= f.limit {
		return f.other
	}
	s := newStats(function)
	f.byName[function] = s
	return s
}

// forget gives the room of functions back that are no more.
func (f *figures) forget(functions []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, function := range functions {
		delete(f.byName, function)
	}
}

// lookup returns the function's own stats, nil if it has none.
func (f *figures) lookup(function string) *stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byName[function]
}

// all returns every stats that counted a call.
func (f *figures) all() []*stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*stats, 0, len(f.byName)+1)
	for _, s := range f.byName {
		all = append(all, s)
	}
	return append(all, f.other)
}
