package store

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/host"
)

// jobVariable makes the test binary do a job on a store file instead of tests.
const jobVariable = "BERTH_STORE_TEST_JOB"

func TestMain(m *testing.M) {
	if name := os.Getenv(jobVariable); name != "" {
		if err := runJob(name, os.Args[len(os.Args)-1]); err != nil {
			fmt.Println("fault", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runJob says on its output how far it is.
func runJob(name, path string) error {
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	switch name {
	case "hold":
		fmt.Println("held")
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		return s.Close()
	case "put": // until killed
		for n := uint64(1); ; n++ {
			r := record(host.Kind(n%4), fmt.Sprint("p", n%50), n)
			if n%7 == 0 {
				err = s.Delete(r.Kind, r.Name)
			} else {
				err = s.Put(r)
			}
			if err != nil {
				return err
			}
			fmt.Println(n)
		}
	case "full":
		return fillDisk(s)
	}
	return errors.New("unknown job")
}

// fillDisk puts until the file must not grow any more, and once more when it
// may again.
func fillDisk(s *Store) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = 128 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	stored := 0
	for ; stored < 1000; stored++ {
		r := record(host.Functions, fmt.Sprint("p", stored), 1)
		r.Source = strings.Repeat("x", 1000)
		if err := s.Put(r); err != nil {
			if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), s.path) {
				return fmt.Errorf("a put on a full disk says: %w", err)
			}
			break
		}
	}
	if records, err := s.Load(); err != nil || len(records) != stored || stored == 1000 {
		return fmt.Errorf("%d of %d records are there: %w", len(records), stored, err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	for i := range 500 {
		if err := s.Put(record(host.Sinks, fmt.Sprint("p", i), 1)); err != nil {
			return fmt.Errorf("after the disk has room again: %w", err)
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	again, err := Open(s.path, Options{})
	if err != nil {
		return err
	}
	if records, err := again.Load(); err != nil || len(records) != stored+500 {
		return fmt.Errorf("%d of %d records are there: %w", len(records), stored+500, err)
	}
	fmt.Println("done")
	return again.Close()
}

// job is the test binary doing a job.
type job struct {
	command *exec.Cmd
	output  *bufio.Scanner
}

func startJob(t *testing.T, name, path string) *job {
	t.Helper()
	c := exec.Command(os.Args[0], path)
	c.Env = append(os.Environ(), jobVariable+"="+name)
	c.Stderr = os.Stderr
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return &job{c, bufio.NewScanner(output)}
}

// line reads the next line of output; empty when there is none any more.
func (c *job) line() string {
	if !c.output.Scan() {
		return ""
	}
	return c.output.Text()
}

func record(kind host.Kind, name string, revision uint64) host.Record {
	return host.Record{
		Kind: kind, Name: name, Version: "v1." + strconv.FormatUint(revision, 10), Digest: strings.Repeat("0a", 32),
		Source: "https://example.com/" + name + ".zip", Functions: []string{name, name + "_2"}, Engine: "wasm",
		Refused: []host.Refusal{{Engine: "native", Reason: "no build"}}, Installed: time.Unix(int64(revision), 0).UTC(), Revision: revision,
	}
}

// sorted makes the order of records known.
func sorted(records []host.Record) []host.Record {
	slices.SortFunc(records, func(a, b host.Record) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return records
}

func same(a, b []host.Record) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(sorted(a), sorted(b))
}

func mustOpen(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{Log: slog.New(slog.NewTextHandler(testLog{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Logf("%s", line)
	return len(line), nil
}

func mustPut(t testing.TB, s *Store, records ...host.Record) {
	t.Helper()
	for _, r := range records {
		if err := s.Put(r); err != nil {
			t.Fatal(err)
		}
	}
}

func mustLoad(t testing.TB, s *Store) []host.Record {
	t.Helper()
	records, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return sorted(records)
}

// asides lists what was set aside.
func asides(t testing.TB, path string) []string {
	t.Helper()
	list, err := filepath.Glob(path + ".damaged-*")
	if err != nil {
		t.Fatal(err)
	}
	return list
}
