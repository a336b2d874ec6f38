package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// jobVariable makes the test binary, run again, do one job in a process of its own instead of testing.
const jobVariable = "BERTH_ARCHIVE_JOB"

// fileLimit is the size at which the kernel refuses to let a file grow in that process.
const fileLimit = 128 << 10

// runJob lowers the limit and does the job on the zip at path; it exits with 0 if the kernel's error came through.
func runJob(job, path string) int {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: fileLimit, Max: fileLimit}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
		return 1
	}
	err := errors.New("no such job")
	switch job {
	case "unpack":
		err = unpackFile(path, filepath.Dir(path))
	case "fetch":
		err = fetchTo("file://"+path, filepath.Join(filepath.Dir(path), "copy"))
	}
	fmt.Println(err)
	var errno syscall.Errno
	var typed *Error
	if !errors.As(err, &errno) || errno != syscall.EFBIG || !errors.As(err, &typed) || errors.Is(err, ErrDownload) {
		return 1
	}
	return 0
}

func unpackFile(path, folder string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	_, err = Unpack(context.Background(), f, info.Size(), root, Limits{})
	return err
}

func fetchTo(uri, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = Fetch(context.Background(), uri, f, Limits{})
	return err
}

// TestNoSpace lets the kernel itself refuse to write more, in a process of its own.
func TestNoSpace(t *testing.T) {
	big := makeZip(t, item{name: "small", body: "x"}, item{name: "sub/big.so", body: noise(2 * fileLimit)})
	for _, job := range []string{"unpack", "fetch"} {
		t.Run(job, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.zip")
			if err := os.WriteFile(path, big, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], path)
			cmd.Env = append(os.Environ(), jobVariable+"="+job)
			out, err := cmd.CombinedOutput()
			t.Logf("%s", bytes.TrimSpace(out))
			if err != nil {
				t.Errorf("the job failed: %v", err)
			}
		})
	}
}

// failingReader fails from an offset on, like a broken disk.
type failingReader struct {
	*bytes.Reader
	from int64
}

func (r failingReader) ReadAt(b []byte, offset int64) (int, error) {
	if offset+int64(len(b)) > r.from && offset < r.from+64<<10 {
		return 0, syscall.EIO
	}
	return r.Reader.ReadAt(b, offset)
}

// TestUnreadable has the zip itself fail to be read: that is no fault of the package's.
func TestUnreadable(t *testing.T) {
	big := makeZip(t, item{name: "big", body: noise(400 << 10)})
	for _, from := range []int64{0, 100 << 10, 200 << 10, int64(len(big)) - 10} {
		root, _ := newRoot(t)
		_, err := Unpack(t.Context(), failingReader{bytes.NewReader(big), from}, int64(len(big)), root, Limits{})
		if !errors.Is(err, syscall.EIO) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotZip) {
			t.Errorf("from %d: got %v, want EIO and nothing else", from, err)
		}
	}
}

// TestPresent has something in the way of what is unpacked.
func TestPresent(t *testing.T) {
	for _, name := range []string{"a", "sub"} {
		root, path := newRoot(t)
		if err := os.Symlink("/nowhere", filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
		b := makeZip(t, item{name: "a"}, item{name: "sub/b"})
		_, err := Unpack(t.Context(), bytes.NewReader(b), int64(len(b)), root, Limits{})
		if !errors.Is(err, os.ErrExist) {
			t.Errorf("%s: got %v, want os.ErrExist", name, err)
		}
	}
}
