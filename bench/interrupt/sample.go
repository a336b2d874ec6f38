package main

import (
	"slices"
	"time"
)

// sample is a set of durations. It is not safe for concurrent use.
type sample []time.Duration

// quantile returns the smallest duration that the share q of the sample does
// not exceed; 0 of an empty sample.
func (s sample) quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (s sample) p50() time.Duration { return s.quantile(0.50) }
func (s sample) p99() time.Duration { return s.quantile(0.99) }
func (s sample) max() time.Duration { return s.quantile(1) }

// millis is a duration in milliseconds, to be printed.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ratio is a/b; 0 if b is 0.
func ratio(a, b time.Duration) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
