package lookup

import (
	"slices"
	"sync"
	"testing"
)

func TestUseCountsOnce(t *testing.T) {
	var u uses
	a, b := &use{plugin: 1}, &use{plugin: 2}
	for range 3 {
		for range 100 {
			u.note(a)
		}
		u.note(b)
		u.note(a)
		if got := slices.Collect(u.take()); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("used: %v, want 1 and 2", got)
		}
		if got := slices.Collect(u.take()); len(got) != 0 {
			t.Errorf("used since: %v", got)
		}
	}
}

func TestUsesOfManyAreBounded(t *testing.T) {
	var u uses
	all := make([]use, 10*maxCounted)
	for round := range 3 {
		for i := range all {
			u.note(&all[i])
		}
		if got := slices.Collect(u.take()); len(got) != maxCounted {
			t.Errorf("round %d: %d are told, want %d", round, len(got), maxCounted)
		}
	}
}

// TestUsesAtOnce: a use is told, or noted for the next time, however it meets with
// the telling.
func TestUsesAtOnce(t *testing.T) {
	var u uses
	one := &use{plugin: 1}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10_000 {
				u.note(one)
			}
		})
	}
	for range 1000 {
		if got := slices.Collect(u.take()); len(got) > 1 {
			t.Fatalf("one use is told %d times", len(got))
		}
	}
	wg.Wait()
	for range u.take() {
	}
	u.note(one)
	if got := slices.Collect(u.take()); len(got) != 1 {
		t.Errorf("told %d times", len(got))
	}
}
