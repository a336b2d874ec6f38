package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"berth/host"
)

// sample makes a store file, and returns what it holds and held before its last
// change.
func sample(t testing.TB, plugins int) (data []byte, now, before []host.Record) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "berth.db")
	s := mustOpen(t, path)
	s.db.NoSync = true
	for i := range plugins {
		mustPut(t, s, record(host.Kind(i%4), fmt.Sprint("p", i), uint64(i)))
	}
	before = mustLoad(t, s)
	mustPut(t, s, record(host.Functions, "p0", 77))
	now = mustLoad(t, s)
	if err := errors.Join(s.db.Sync(), s.Close()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, now, before
}

// checkDamaged opens a file with the data: either it has one of the states, or
// it was set aside as it is, and a fresh one works.
func checkDamaged(t testing.TB, data []byte, states ...[]host.Record) (setAside bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "berth.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if errors.Is(err, errNewer) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := mustLoad(t, s)
	list := asides(t, path)
	switch {
	case len(list) == 0:
		known := len(got) == 0 && s.Fresh() && len(data) == 0
		for _, state := range states {
			known = known || same(got, state)
		}
		if !known {
			t.Fatalf("neither set aside nor what was stored: %d records", len(got))
		}
	case len(list) > 1 || !s.Fresh() || len(got) != 0:
		t.Fatalf("set aside: %v, fresh: %t, records: %d", list, s.Fresh(), len(got))
	default:
		if kept, err := os.ReadFile(list[0]); err != nil || !bytes.Equal(kept, data) {
			t.Fatalf("the file was changed before it was set aside: %v", err)
		}
	}
	mustPut(t, s, record(host.Sinks, "new", 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, path)
	if records := mustLoad(t, again); len(records) != len(got)+1 || len(asides(t, path)) != len(list) {
		t.Fatalf("opened again, it has %d records, want %d", len(records), len(got)+1)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	return len(list) > 0
}

func TestEmptyFileIsFresh(t *testing.T) {
	if checkDamaged(t, nil) {
		t.Error("an empty file was set aside")
	}
}

func TestGarbageIsSetAside(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{1, 63, 4095, 4096, 8192, 16384, 40000} {
		noise := make([]byte, size)
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		for _, data := range [][]byte{noise, make([]byte, size), []byte(strings.Repeat("<", size))} {
			if !checkDamaged(t, data) {
				t.Errorf("%d bytes of %q were not set aside", size, data[0])
			}
		}
	}
}

func TestTruncatedIsSetAside(t *testing.T) {
	for _, plugins := range []int{3, 200} {
		data, now, before := sample(t, plugins)
		random := rand.New(rand.NewPCG(5, 6))
		sizes := []int{1, 16, 80, 4096, 4176, 8191, 8192, 12288, 16384}
		for range 40 {
			sizes = append(sizes, random.IntN(len(data)))
		}
		set := 0
		for _, size := range sizes {
			// What lies above the pages in use may go without harm.
			if checkDamaged(t, data[:min(size, len(data))], now, before) {
				set++
			}
		}
		if set < 9 {
			t.Errorf("only %d of %d were set aside", set, len(sizes))
		}
	}
}

func TestBothHeadersBad(t *testing.T) {
	data, now, before := sample(t, 5)
	page := os.Getpagesize()
	for _, at := range []int{16, 20, 40, 72} { // magic, version, root, checksum
		for first := range 2 {
			one := bytes.Clone(data)
			one[first*page+at] ^= 0x40
			if checkDamaged(t, one, now, before) {
				t.Errorf("set aside for its header %d, byte %d", first, at)
			}
		}
		both := bytes.Clone(data)
		both[at] ^= 0x40
		both[page+at] ^= 0x40
		if !checkDamaged(t, both) {
			t.Errorf("not set aside with both headers bad at byte %d", at)
		}
	}
}

func TestFlippedBytes(t *testing.T) {
	for _, plugins := range []int{3, 60} {
		data, now, before := sample(t, plugins)
		random := rand.New(rand.NewPCG(7, uint64(plugins)))
		set := 0
		const rounds = 150
		for range rounds {
			bad := bytes.Clone(data)
			for range 1 + random.IntN(3) {
				bad[random.IntN(len(bad))] ^= byte(1 + random.IntN(255))
			}
			if checkDamaged(t, bad, now, before) {
				set++
			}
		}
		t.Logf("%d plugins: %d of %d were set aside", plugins, set, rounds)
	}
}

// TestRecordsThatLie changes what is stored in ways that leave a well-formed
// bbolt file.
func TestRecordsThatLie(t *testing.T) {
	kind := []byte(host.Functions.String())
	for name, change := range map[string]func(tx *bbolt.Tx) error{
		"no JSON":      func(tx *bbolt.Tx) error { return tx.Bucket(kind).Put([]byte("p0"), []byte("{")) },
		"another name": func(tx *bbolt.Tx) error { b := tx.Bucket(kind); return b.Put([]byte("q"), b.Get([]byte("p0"))) },
		"one is gone":  func(tx *bbolt.Tx) error { return tx.Bucket(kind).Delete([]byte("p0")) },
		"bucket gone":  func(tx *bbolt.Tx) error { return tx.DeleteBucket(kind) },
		"seal gone":    func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(metaBucket)) },
		"seal damaged": func(tx *bbolt.Tx) error { return tx.Bucket([]byte(metaBucket)).Put([]byte(sealKey), []byte("x {}")) },
		"inner bucket": func(tx *bbolt.Tx) error { _, err := tx.Bucket(kind).CreateBucket([]byte("b")); return err },
		"other program": func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte("x"))
			return errors.Join(err, b.Put([]byte("k"), []byte("v")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "berth.db")
			s := mustOpen(t, path)
			mustPut(t, s, record(host.Functions, "p0", 1), record(host.Functions, "p1", 1))
			if err := errors.Join(s.db.Update(change), s.Close()); err != nil {
				t.Fatal(err)
			}
			s = mustOpen(t, path)
			if !s.Fresh() || len(asides(t, path)) != 1 {
				t.Error("it was not set aside")
			}
		})
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s := mustOpen(t, path)
	mustPut(t, s, record(host.Functions, "p0", 1))
	err := s.db.Update(func(tx *bbolt.Tx) error {
		future := tx.Bucket([]byte(host.Functions.String()))
		return errors.Join(future.Put([]byte("p0"), []byte("not JSON any more")), seal{Format: format + 1}.write(tx))
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(path)
	_, err = Open(path, Options{})
	if !errors.Is(err, errNewer) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(now, data) || len(asides(t, path)) != 0 {
		t.Error("the file was touched")
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	for i := range 4 { // within one second, as a rule
		if err := os.WriteFile(path, fmt.Appendf(nil, "garbage %d", i), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := mustOpen(t, path).Close(); err != nil {
			t.Fatal(err)
		}
	}
	contents := map[string]bool{}
	for _, aside := range asides(t, path) {
		data, _ := os.ReadFile(aside)
		contents[string(data)] = true
	}
	if len(contents) != 4 {
		t.Errorf("set aside: %v", contents)
	}
}

// TestOtherFaultsAreNoDamage: nothing is set aside for what is not the file's
// fault.
func TestOtherFaultsAreNoDamage(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none", "berth.db"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(dir, Options{}); err == nil {
		t.Error("a folder was opened")
	}
	if os.Geteuid() != 0 {
		path := filepath.Join(dir, "berth.db")
		if err := os.WriteFile(path, []byte("garbage"), 0o400); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, Options{}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("got %v", err)
		}
	}
	broken := &brokenDisk{at: 100}
	for n := range 6 {
		broken.at = n
		data, _, _ := sample(t, 200)
		broken.data = bytes.NewReader(data)
		_, _, err := inspect(broken, int64(len(data)), func(string, []byte, []byte) error { return nil })
		if !errors.Is(err, errDisk) || errors.Is(err, errDamaged) {
			t.Errorf("read %d fails: %v", n, err)
		}
	}
	if list, _ := filepath.Glob(filepath.Join(dir, "*.damaged-*")); len(list) != 0 {
		t.Errorf("set aside: %v", list)
	}
}

var errDisk = errors.New("input/output error")

// brokenDisk fails its at-th read and all after.
type brokenDisk struct {
	data *bytes.Reader
	at   int
}

func (d *brokenDisk) ReadAt(p []byte, offset int64) (int, error) {
	if d.at--; d.at < 0 {
		return 0, errDisk
	}
	return d.data.ReadAt(p, offset)
}

// FuzzOpen overwrites a piece of a good file, at any place, and cuts it.
func FuzzOpen(f *testing.F) {
	small, now, before := sample(f, 3)
	large, nowLarge, beforeLarge := sample(f, 60)
	f.Add(false, uint32(16), []byte{1}, uint32(0))
	f.Add(true, uint32(4096*3), bytes.Repeat([]byte{0xff}, 16), uint32(0))
	f.Add(true, uint32(4096*4+10), []byte{0xff, 0xff}, uint32(5000))
	f.Fuzz(func(t *testing.T, big bool, at uint32, patch []byte, cut uint32) {
		data, states := bytes.Clone(small), [][]host.Record{now, before}
		if big {
			data, states = bytes.Clone(large), [][]host.Record{nowLarge, beforeLarge}
		}
		copy(data[int(at)%len(data):], patch)
		data = data[:len(data)-int(cut)%len(data)]
		checkDamaged(t, data, states...)
	})
}

// TestPanicInOpenKeepsNoLock lets bbolt see a file that inspect refuses.
func TestPanicInOpenKeepsNoLock(t *testing.T) {
	data, _, _ := sample(t, 200)
	path := filepath.Join(t.TempDir(), "berth.db")
	if err := os.WriteFile(path, data[:4*os.Getpagesize()], 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openLocked(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{path: path, file: f}
	var p *panicked
	if err := calm(func() error { return s.openBolt(time.Second) }); !errors.As(err, &p) {
		t.Errorf("bbolt opened a truncated file: %v", err)
	}
	if err := release(f); err != nil {
		t.Error(err)
	}
	if s := mustOpen(t, path); !s.Fresh() || len(asides(t, path)) != 1 {
		t.Error("not set aside")
	}
}
