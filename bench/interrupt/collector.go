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
	h, end, err := openHost(ctx, s.guest, 5*time.Second)
	if err != nil {
		return err
	}
	metered, err := s.collectBeside(ctx, func() (spinner, error) { return inHost(h), nil })
	if err = errors.Join(err, end()); err != nil {
		return fmt.Errorf("metered: %w", err)
	}
	bare, err := openBare(ctx, s.guest)
	if err != nil {
		return err
	}
	unmetered, err := s.collectBeside(ctx, func() (spinner, error) { return bare.spinner(ctx) })
	if err = errors.Join(err, bare.close()); err != nil {
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

// spinner calls the guest's function spin with a number of steps. One goroutine
// calls it.
type spinner func(ctx context.Context, steps int64) error

// inHost spins in the host, metered.
func inHost(h *host.Host) spinner {
	return func(ctx context.Context, steps int64) error {
		_, err := h.Invoke(ctx, "spin", nil, fmt.Appendf(nil, "[%d]", steps))
		return err
	}
}

// collectBeside times collections while each core runs guest calls, one after
// the other.
func (s settings) collectBeside(ctx context.Context, open func() (spinner, error)) (c collected, err error) {
	spinners := make([]spinner, runtime.GOMAXPROCS(0))
	for i := range spinners {
		if spinners[i], err = open(); err != nil {
			return c, err
		}
	}
	steps, err := calibrate(ctx, spinners[0], s.work)
	if err != nil {
		return c, err
	}
	var callers sync.WaitGroup
	done := make(chan struct{})
	calls, errs := make([]sample, len(spinners)), make([]error, len(spinners)+1)
	for i, spin := range spinners {
		callers.Go(func() { calls[i], errs[i] = spinAgain(ctx, spin, steps, done) })
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

// calibrate returns the steps that take about as long as work.
func calibrate(ctx context.Context, spin spinner, work time.Duration) (int64, error) {
	const steps = 1_000_000
	fastest := time.Hour
	for range 10 {
		start := time.Now()
		if err := spin(ctx, steps); err != nil {
			return 0, err
		}
		fastest = min(fastest, time.Since(start))
	}
	return int64(steps * ratio(work, fastest)), nil
}

func spinAgain(ctx context.Context, spin spinner, steps int64, done <-chan struct{}) (took sample, err error) {
	for {
		select {
		case <-done:
			return took, nil
		default:
		}
		start := time.Now()
		if err := spin(ctx, steps); err != nil {
			return took, err
		}
		took = append(took, time.Since(start))
	}
}
