package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"berth/host"
)

func TestRecordsSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s := mustOpen(t, path)
	if !s.Fresh() || len(mustLoad(t, s)) != 0 {
		t.Error("a new store is not fresh and empty")
	}
	var want []host.Record
	for _, kind := range host.Kinds() {
		want = append(want, record(kind, "a", 1), record(kind, "b", 2))
	}
	mustPut(t, s, want...)
	want[1] = record(want[1].Kind, "b", 9)
	mustPut(t, s, want[1], record(host.Sinks, "gone", 1))
	for range 2 { // the second time there is none
		if err := s.Delete(host.Sinks, "gone"); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if got := mustLoad(t, s); !same(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		s = mustOpen(t, path)
		if s.Fresh() {
			t.Error("a store with records is fresh")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if list := asides(t, path); len(list) != 0 {
		t.Errorf("set aside: %v", list)
	}
}

func TestFreshUntilSettled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s := mustOpen(t, path)
	if err := s.Settle(); err != nil || !s.Fresh() {
		t.Errorf("settle: %v, fresh: %t", err, s.Fresh())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s := mustOpen(t, path); s.Fresh() || len(mustLoad(t, s)) != 0 {
		t.Error("fresh, or with records, after it was settled")
	}
}

func TestFreshUntilTheFirstChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	for range 2 {
		s := mustOpen(t, path)
		if !s.Fresh() {
			t.Error("not fresh, and nothing was ever put")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, path)
	mustPut(t, s, record(host.Sinks, "a", 1))
	if err := errors.Join(s.Delete(host.Sinks, "a"), s.Close()); err != nil {
		t.Fatal(err)
	}
	if mustOpen(t, path).Fresh() {
		t.Error("fresh, and its only record was deleted")
	}
}

func TestClosedStoreFails(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "berth.db"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Load()
	for _, err := range []error{err, s.Put(record(host.Sinks, "a", 1)), s.Delete(host.Sinks, "a")} {
		if err == nil || !strings.Contains(err.Error(), s.path) {
			t.Errorf("got %v", err)
		}
	}
}

func TestConcurrentChanges(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "berth.db"))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for n := range uint64(40) {
				name := fmt.Sprintf("p%d_%d", worker, n%10)
				err := s.Put(record(host.Functions, name, n))
				if n%3 == 0 {
					err = errors.Join(err, s.Delete(host.Functions, name))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 100 {
				if _, err := s.Load(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	mustLoad(t, s)
}

// TestInspectAgreesWithBolt makes files of many shapes and has bbolt's own
// checker look at them too: a good file must never be called damaged.
func TestInspectAgreesWithBolt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	random := rand.New(rand.NewPCG(1, 2))
	s := mustOpen(t, path)
	want := map[string]host.Record{}
	for round := range 60 {
		s.db.NoSync = true
		for range 1 + random.IntN(60) {
			r := record(host.Kind(random.IntN(4)), fmt.Sprint("plugin", random.IntN(400)), random.Uint64N(1<<30))
			r.Source = strings.Repeat("y", random.IntN(1<<(4+random.IntN(10))))
			key := r.Kind.String() + "/" + r.Name
			var err error
			if shrink := round%20 > 12; shrink || random.IntN(3) == 0 {
				err = s.Delete(r.Kind, r.Name)
				delete(want, key)
			} else {
				err = s.Put(r)
				want[key] = r
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.db.View(func(tx *bbolt.Tx) error {
			for err := range tx.Check() {
				t.Errorf("bbolt: %v", err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.db.Sync(), s.Close()); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, path)
		got := mustLoad(t, s)
		if len(got) != len(want) || len(asides(t, path)) != 0 {
			t.Fatalf("round %d: %d records, want %d", round, len(got), len(want))
		}
		for _, r := range got {
			if !same([]host.Record{r}, []host.Record{want[r.Kind.String()+"/"+r.Name]}) {
				t.Fatalf("round %d: %+v", round, r)
			}
		}
	}
}

func TestHeldByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	c := startJob(t, "hold", path)
	if line := c.line(); line != "held" {
		t.Fatal(line)
	}
	start := time.Now()
	_, err := Open(path, Options{Timeout: 100 * time.Millisecond})
	if took := time.Since(start); err == nil || took < 100*time.Millisecond || took > 5*time.Second {
		t.Fatalf("%v after %v", err, took)
	}
	for _, part := range []string{path, "process " + strconv.Itoa(c.command.Process.Pid) + " (", "another data folder"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	if err := c.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path) // waits for the lock of the one that was killed
	if _, err := Open(path, Options{Timeout: time.Millisecond}); err == nil {
		t.Error("opened twice in one process")
	}
}

// TestKilled kills a process that puts: whatever it reported must be there.
func TestKilled(t *testing.T) {
	for round := range 8 {
		path := filepath.Join(t.TempDir(), "berth.db")
		c := startJob(t, "put", path)
		last := uint64(0)
		for range 100 + 37*round {
			n, err := strconv.ParseUint(c.line(), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			last = n
		}
		if err := c.command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for line := c.line(); line != ""; line = c.line() { // reported before the kill
			n, err := strconv.ParseUint(line, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			last = n
		}
		_ = c.command.Wait()
		got := mustLoad(t, mustOpen(t, path))
		// One change more may be on disk than was reported.
		if !same(got, after(last)) && !same(got, after(last+1)) {
			t.Errorf("round %d: after change %d the store holds %d records, want %d", round, last, len(got), len(after(last)))
		}
		if len(asides(t, path)) != 0 {
			t.Error("a kill damaged the file")
		}
	}
}

// after is what the job "put" has stored after its n-th change.
func after(n uint64) (records []host.Record) {
	state := map[string]host.Record{}
	for i := uint64(1); i <= n; i++ {
		r := record(host.Kind(i%4), fmt.Sprint("p", i%50), i)
		if key := r.Kind.String() + r.Name; i%7 == 0 {
			delete(state, key)
		} else {
			state[key] = r
		}
	}
	for _, r := range state {
		records = append(records, r)
	}
	return records
}

func TestFullDisk(t *testing.T) {
	c := startJob(t, "full", filepath.Join(t.TempDir(), "berth.db"))
	if line := c.line(); line != "done" {
		t.Fatal(line)
	}
}

func TestErrnoIsPutBack(t *testing.T) {
	// These are bbolt's words: db.go, grow and allocate.
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		printed := fmt.Errorf("file resize error: %s", &fs.PathError{Op: "truncate", Path: "x", Err: errno})
		if err := withErrno(printed); !errors.Is(err, errno) || err.Error() != printed.Error() {
			t.Errorf("%v", err)
		}
	}
}

func TestPanicBreaksTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s := mustOpen(t, path)
	err := s.guard("test", func() error {
		return s.db.Update(func(*bbolt.Tx) error { panic("page 7: bad") })
	})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "page 7: bad") {
		t.Errorf("got %v", err)
	}
	if err := s.Put(record(host.Sinks, "a", 1)); err == nil || !strings.Contains(err.Error(), "started again") {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	mustOpen(t, path)
}

func TestMemoryFaultIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s := mustOpen(t, path)
	for i := range 300 {
		s.db.NoSync = true
		mustPut(t, s, record(host.Functions, fmt.Sprint("p", i), 1))
	}
	if err := os.Truncate(path, 1<<12); err != nil { // behind its back
		t.Fatal(err)
	}
	_, err := s.Load()
	var p *panicked
	if !errors.As(err, &p) || !p.fault {
		t.Errorf("got %v", err)
	}
}
