package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"text/tabwriter"
	"time"

	"berth/host"
)

// runaway is a function that does not end within its deadline.
type runaway struct {
	name     string
	function string
	input    string
}

func runaways() []runaway {
	return []runaway{
		{"endless loop", "endless", "[]"},
		{"recursion", "fibonacci", "[42]"}, // ends after seconds, lest a host that cannot stop it hang
	}
}

// measureDeadlines calls guests that run away, one after the other, while a
// short function is called at a steady pace.
func (s settings) measureDeadlines(ctx context.Context, out *tabwriter.Writer) (err error) {
	h, end, err := openHost(ctx, s.guest, s.deadline)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := warm(ctx, h); err != nil {
		return err
	}
	alone, err := s.pace(ctx, h)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "deadline %v, %d at a time\t\t\t\t\t\tshort function, ms\t\t\t\n", s.deadline, s.runaways)
	fmt.Fprintf(out, "\tcalls\tnot stopped\tp50 ms\tp99 ms\tmax ms\tp50\tp99\tp99 from due\tp99 ratio\t\n")
	fmt.Fprintf(out, "nothing beside\t\t\t\t\t\t%.3f\t%.3f\t%.3f\t\t\n", millis(alone.took.p50()), millis(alone.took.p99()), millis(alone.late.p99()))
	for _, r := range runaways() {
		stopped, beside, err := s.beside(ctx, h, r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Fprintf(out, "%s\t%d\t%d\t%.2f\t%.2f\t%.2f\t%.3f\t%.3f\t%.3f\t%.2f\t\n", r.name,
			len(stopped.after), stopped.finished, millis(stopped.after.p50()), millis(stopped.after.p99()), millis(stopped.after.max()),
			millis(beside.took.p50()), millis(beside.took.p99()), millis(beside.late.p99()), ratio(beside.took.p99(), alone.took.p99()))
	}
	fmt.Fprintf(out, "wanted\t\t0\t\t%.2f\t\t\t\t\t2.00\t\n\n", millis(s.deadline+5*time.Millisecond))
	return out.Flush()
}

// warm activates the plugin.
func warm(ctx context.Context, h *host.Host) error {
	for range 100 {
		if _, err := h.Invoke(ctx, "short", nil, []byte("[1]")); err != nil {
			return err
		}
	}
	return nil
}

// paced is what the calls of the short function took.
type paced struct {
	took sample // from the call to its return
	late sample // from when the call was due to its return
}

// pace calls the short function every period until the phase ends.
func (s settings) pace(ctx context.Context, h *host.Host) (p paced, err error) {
	in, out := []byte("[1]"), make([]byte, 0, 16)
	end := time.Now().Add(s.duration)
	for due := time.Now(); due.Before(end); due = due.Add(s.period) {
		if err := sleepUntil(ctx, due); err != nil {
			return p, err
		}
		start := time.Now()
		if out, err = h.Invoke(ctx, "short", out[:0], in); err != nil {
			return p, err
		}
		done := time.Now()
		p.took, p.late = append(p.took, done.Sub(start)), append(p.late, done.Sub(due))
	}
	return p, nil
}

func sleepUntil(ctx context.Context, due time.Time) error {
	if wait := time.Until(due); wait > 0 {
		time.Sleep(wait)
	}
	return ctx.Err()
}

// stopped is how the calls of a runaway ended.
type stopped struct {
	after    sample // from the call to its return
	finished int    // calls that were not stopped but came to their end
}

// beside paces the short function while runaways are called, for one phase.
func (s settings) beside(ctx context.Context, h *host.Host, r runaway) (all stopped, p paced, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var callers sync.WaitGroup
	done := make(chan struct{})
	results, errs := make([]stopped, s.runaways), make([]error, s.runaways+1)
	for i := range s.runaways {
		callers.Go(func() {
			if results[i], errs[i] = callAgain(ctx, h, r, done); errs[i] != nil {
				cancel() // there is nothing to measure any more
			}
		})
	}
	p, errs[s.runaways] = s.pace(ctx, h)
	close(done)
	callers.Wait()
	for _, one := range results {
		all.after, all.finished = append(all.after, one.after...), all.finished+one.finished
	}
	return all, p, errors.Join(errs...)
}

// callAgain calls a runaway again and again until done is closed.
func callAgain(ctx context.Context, h *host.Host, r runaway, done <-chan struct{}) (all stopped, err error) {
	for {
		select {
		case <-done:
			return all, nil
		default:
		}
		start := time.Now()
		_, err := h.Invoke(ctx, r.function, nil, []byte(r.input))
		all.after = append(all.after, time.Since(start))
		switch {
		case err == nil:
			all.finished++
		case host.CodeOf(err) != host.CodeTimeout:
			return all, err
		}
	}
}
