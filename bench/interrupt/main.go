// Command interrupt measures what a guest that runs too long does to others:
//
//   - how soon after its deadline an endless loop, and a recursion without depth,
//     are stopped, and what a short function's calls take meanwhile;
//   - how long runtime.GC takes while every core runs guests, metered and not: a
//     guest that is not metered can be stopped nowhere, and the collector waits.
//
// It uses the host as a library, all parts real, and prints what it measured
// beside what is wanted. Run it from the top of the repository:
//
//	go run ./bench/interrupt
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/interrupt:", err)
		os.Exit(1)
	}
}

type settings struct {
	guest    string        // the path of runaway.wasm
	duration time.Duration // of each phase
	deadline time.Duration // of runaway guests
	period   time.Duration // of the calls of the short function
	runaways int           // at one time
	work     time.Duration // of a guest call while the collector is timed
	only     string        // "deadline", "gc", or both when empty
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("interrupt", flag.ContinueOnError)
	flags.StringVar(&s.guest, "guest", "bench/interrupt/runaway.wasm", "the guest, built from runaway.wat")
	flags.DurationVar(&s.duration, "duration", 10*time.Second, "of each phase, at least")
	flags.DurationVar(&s.deadline, "deadline", 20*time.Millisecond, "of the guests that run away")
	flags.DurationVar(&s.period, "period", time.Millisecond, "between calls of the short function")
	flags.IntVar(&s.runaways, "runaways", 1, "guests that run away at one time")
	flags.DurationVar(&s.work, "work", 10*time.Millisecond, "of a guest call while the collector is timed")
	flags.StringVar(&s.only, "only", "", "measure \"deadline\" or \"gc\" only")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.duration <= 0 || s.deadline <= 0 || s.period <= 0 || s.runaways < 1 || s.work <= 0 {
		return fmt.Errorf("durations and -runaways must be more than zero")
	}
	if s.only != "" && s.only != "deadline" && s.only != "gc" {
		return fmt.Errorf("-only is %q, not \"deadline\" or \"gc\"", s.only)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if s.only != "gc" {
		if err := s.measureDeadlines(ctx, table); err != nil {
			return err
		}
	}
	if s.only != "deadline" {
		if err := s.measureCollector(ctx, table); err != nil {
			return err
		}
	}
	return ctx.Err()
}
