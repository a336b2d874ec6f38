package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"text/tabwriter"
	"time"

	"berth/host"
)

// measureCollector times runtime.GC while every core runs guests: metered,
// unmetered, and with no guest at all.
func (s settings) measureCollector(ctx context.Context, out *tabwriter.Writer) error {
	idle, err := s.collect(ctx)
	if err != nil {
		return err
	}
	metered, err := s.collectBeside(ctx, 5*time.Second)
	if err != nil {
		return fmt.Errorf("metered: %w", err)
	}
	unmetered, err := s.collectBeside(ctx, 0)
	if err != nil {
		return fmt.Errorf("unmetered: %w", err)
	}
	fmt.Fprintf(out, "runtime.GC, %d cores\tguest call ms\tcollections\tp50 ms\tp99 ms\tmax ms\t\n", runtime.GOMAXPROCS(0))
	row := func(name string, call time.Duration, gc sample) {
		fmt.Fprintf(out, "%s\t%.2f\t%d\t%.3f\t%.3f\t%.3f\t\n", name, millis(call), len(gc), millis(gc.p50()), millis(gc.p99()), millis(gc.max()))
	}
	row("no guests", 0, idle)
	row("metered", metered.call, metered.gc)
	row("unmetered", unmetered.call, unmetered.gc)
	fmt.Fprintf(out, "unmetered/metered\t\t\t%.1f\t%.1f\t\t\n", ratio(unmetered.gc.p50(), metered.gc.p50()), ratio(unmetered.gc.p99(), metered.gc.p99()))
	fmt.Fprintf(out, "wanted\t\t\t\t20.0\t\t\n\n")
	return out.Flush()
}

// collect times collections for one phase, and longer where that is too short
// for a 99th percentile.
func (s settings) collect(ctx context.Context) (gc sample, err error) {
	const enough = 200
	for end := time.Now().Add(s.duration); time.Now().Before(end) || len(gc) < enough; {
		start := time.Now()
		runtime.GC()
		gc = append(gc, time.Since(start))
		if err := ctx.Err(); err != nil {
			return gc, err
		}
	}
	return gc, nil
}

// collected is what was measured beside guests.
type collected struct {
	gc   sample
	call time.Duration // the median of the guests' calls meanwhile
}

// collectBeside times collections while each core runs guest calls, one after
// the other. A timeout of 0 is an unmetered guest.
func (s settings) collectBeside(ctx context.Context, timeout time.Duration) (c collected, err error) {
	h, end, err := openHost(ctx, s.guest, timeout)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, end()) }()
	input, err := calibrate(ctx, h, s.work)
	if err != nil {
		return c, err
	}
	var callers sync.WaitGroup
	done := make(chan struct{})
	calls, errs := make([]sample, runtime.GOMAXPROCS(0)), make([]error, runtime.GOMAXPROCS(0)+1)
	for i := range calls {
		callers.Go(func() { calls[i], errs[i] = spinAgain(ctx, h, input, done) })
	}
	c.gc, errs[len(calls)] = s.collect(ctx)
	close(done)
	callers.Wait()
	var all sample
	for _, one := range calls {
		all = append(all, one...)
	}
	c.call = all.p50()
	return c, errors.Join(errs...)
}

// calibrate returns the input with which spin takes about as long as work.
func calibrate(ctx context.Context, h *host.Host, work time.Duration) (input []byte, err error) {
	const steps = 1_000_000
	fastest := time.Hour
	for range 10 {
		start := time.Now()
		if _, err := h.Invoke(ctx, "spin", nil, fmt.Appendf(nil, "[%d]", steps)); err != nil {
			return nil, err
		}
		fastest = min(fastest, time.Since(start))
	}
	return fmt.Appendf(nil, "[%d]", int64(steps*ratio(work, fastest))), nil
}

func spinAgain(ctx context.Context, h *host.Host, input []byte, done <-chan struct{}) (took sample, err error) {
	for {
		select {
		case <-done:
			return took, nil
		default:
		}
		start := time.Now()
		if _, err := h.Invoke(ctx, "spin", nil, input); err != nil {
			return took, err
		}
		took = append(took, time.Since(start))
	}
}
