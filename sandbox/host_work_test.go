package sandbox_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

// noTime is over before a host function has done much.
const noTime = 10 * time.Microsecond

// unread is a plugin's log that nobody reads.
type unread struct{}

func (unread) Line(slog.Level, string) {}

// TestHostWorkIsInterrupted: what host functions do for a guest takes time, too,
// and ends with the deadline. All of it is within one quantum of the guest's own
// fuel, so nobody else looks at the clock.
func TestHostWorkIsInterrupted(t *testing.T) {
	const pieces = 32 // of 2 MiB each
	for _, c := range []struct {
		function string
		n        int
		moves    int // when n is 1
		log      host.PluginLog
	}{
		{"log", 1, 2 << 20, unread{}}, // a million lines
		{"log", 1000, 2 << 20, nil},
		{"write", pieces, 2 << 20, nil},
		{"read", pieces, 2 << 20, nil},
		{"pread", pieces, 2 << 20, nil},
		{"sync", 400, 1, nil},
		{"random", 500, 2 << 20, nil},
	} {
		t.Run(c.function+"/"+strconv.Itoa(c.n), func(t *testing.T) {
			worker := func(limit time.Duration) host.Module {
				dir := t.TempDir()
				file := filepath.Join(dir, "f")
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Truncate(file, pieces*2<<20); err != nil {
					t.Fatal(err)
				}
				return loadGuest(t, "work", func(p *host.Package) {
					p.Limits.Timeout, p.Limits.Instances = limit, 1
					p.Grants.Paths = []host.PathGrant{{Host: dir, Guest: "/data"}}
					p.Log = c.log
				})
			}
			if out, err := call(t, worker(generous), c.function, []byte("[1]")); err != nil || string(out) != strconv.Itoa(c.moves) {
				t.Errorf("with time enough it moved %s, %v; want %d", out, err, c.moves)
			}
			m := worker(noTime)
			for range 2 {
				_, err := call(t, m, c.function, []byte("["+strconv.Itoa(c.n)+"]"))
				wantFailure(t, err, host.CodeTimeout, noTime.String(), "interrupted")
			}
		})
	}
}

// TestWapcWorkIsInterrupted: the functions of waPC copy as much as they are
// asked for, again and again.
func TestWapcWorkIsInterrupted(t *testing.T) {
	worker := func(limit time.Duration) host.Module {
		return loadGuest(t, "work_wapc", func(p *host.Package) {
			p.Limits.Timeout, p.Limits.Instances = limit, 1
			p.Manifest.Functions = host.Symbols{"to", "fro"}
		})
	}
	payload := bytes.Repeat([]byte("x"), 2<<20)
	for operation, answer := range map[string][]byte{"to": make([]byte, len(payload)), "fro": payload[:16]} {
		if out, err := call(t, worker(generous), operation, payload); err != nil || !bytes.Equal(out, answer) {
			t.Errorf("%s, with time enough: %d bytes, %v", operation, len(out), err)
		}
		_, err := call(t, worker(noTime), operation, payload)
		wantFailure(t, err, host.CodeTimeout, noTime.String(), "interrupted")
	}
}

// TestDescriptorsAreBounded: a guest that gives a file any number does not make
// the host's table of descriptors grow to it.
func TestDescriptorsAreBounded(t *testing.T) {
	m := loadGuest(t, "descriptors", func(p *host.Package) {
		p.Limits.Instances = 1
		p.Grants.Paths = []host.PathGrant{{Host: t.TempDir(), Guest: "/data", Own: true}}
	})
	before := enginetest.HeapInUse()
	out, err := call(t, m, "renumber", []byte("[33554432]")) // a table of 256 MiB; the largest would be of 16 GiB
	if err != nil || !bytes.HasPrefix(out, []byte("[0,")) {
		t.Errorf("it opened a file and renumbered it: errors %s, %v", out, err)
	}
	if grown := enginetest.HeapInUse() - before; grown > 16<<20 {
		t.Errorf("the host holds %d bytes more", grown)
	}
}
