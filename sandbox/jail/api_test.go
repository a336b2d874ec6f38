package jail

import (
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tetratelabs/wazero/experimental/sys"
)

const readWriteCreate = sys.O_RDWR | sys.O_CREAT

// opened opens a file that the test closes by itself or leaves to the end.
func opened(t *testing.T, f *FS, path string, flag sys.Oflag) sys.File {
	t.Helper()
	file, e := f.OpenFile(path, flag, 0o600)
	if e != 0 {
		t.Fatalf("%s: %v", path, e)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func want(t *testing.T, what string, got, want sys.Errno) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestEscapes(t *testing.T) {
	f, dir := newFS(t, Options{})
	secret := outside(t, dir)
	must(t, os.Symlink(filepath.Dir(secret), filepath.Join(dir, "out")))
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	write(t, filepath.Join(dir, "mine"), "m")
	for _, path := range []string{"../outside/secret", "sub/../../outside/secret", "/../outside/secret", "sub/../../../../../../../../etc/passwd", "out/secret", "./out/secret", "sub/../out/secret"} {
		_, e := f.OpenFile(path, sys.O_RDONLY, 0)
		want(t, "open "+path, e, sys.EPERM)
		_, e = f.OpenFile(path, readWriteCreate|sys.O_TRUNC, 0o600)
		want(t, "create "+path, e, sys.EPERM)
		_, e = f.Stat(path)
		want(t, "stat "+path, e, sys.EPERM)
		_, e = f.Lstat(path)
		want(t, "lstat "+path, e, sys.EPERM)
		_, e = f.Readlink(path)
		want(t, "readlink "+path, e, sys.EPERM)
		want(t, "mkdir "+path, f.Mkdir(path, 0o700), sys.EPERM)
		want(t, "chmod "+path, f.Chmod(path, 0o777), sys.EPERM)
		want(t, "utimens "+path, f.Utimens(path, 1, 1), sys.EPERM)
		want(t, "unlink "+path, f.Unlink(path), sys.EPERM)
		want(t, "rmdir "+path, f.Rmdir(path), sys.EPERM)
		want(t, "rename from "+path, f.Rename(path, "x"), sys.EPERM)
		want(t, "rename to "+path, f.Rename("mine", path), sys.EPERM)
		want(t, "link from "+path, f.Link(path, "x"), sys.EPERM)
		want(t, "link to "+path, f.Link("mine", path), sys.EPERM)
		want(t, "symlink at "+path, f.Symlink("mine", path), sys.EPERM)
	}
	for _, path := range []string{"", "/", ".", "//", "./", "sub/.."} {
		if st, e := f.Stat(path); e != 0 || !st.Mode.IsDir() {
			t.Errorf("the root as %q: %v", path, e)
		}
		want(t, "remove the root", f.Rmdir(path), sys.EINVAL)
		want(t, "rename the root", f.Rename(path, "x"), sys.EINVAL)
		want(t, "rename over the root", f.Rename("sub", path), sys.EINVAL)
	}
	if _, e := f.Stat("/mine"); e != 0 {
		t.Errorf("a slash at the beginning is not the folder: %v", e)
	}
	_, e := f.Stat("mine\x00")
	want(t, "a zero byte", e, sys.EINVAL)
	_, e = f.Stat(strings.Repeat("a/", maxPathBytes))
	want(t, "a long path", e, sys.ENAMETOOLONG)
	_, e = f.Stat(strings.Repeat("a", 300))
	want(t, "a long name", e, sys.ENAMETOOLONG)
	want(t, "a long link", f.Symlink(strings.Repeat("a/", maxPathBytes), "l"), sys.ENAMETOOLONG)
	want(t, "a link to nothing", f.Symlink("", "l"), sys.EINVAL)
	want(t, "a link below ..", f.Symlink("../mine", "sub/../sub/l"), sys.EPERM)
	if got, _ := os.ReadFile(secret); string(got) != "SECRET" {
		t.Errorf("the secret is %q", got)
	}
}

// TestSpecialFiles would not end if opening a FIFO waited for its other end.
func TestSpecialFiles(t *testing.T) {
	f, dir := newFS(t, Options{})
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	must(t, os.Symlink("fifo", filepath.Join(dir, "link")))
	l, err := net.Listen("unix", filepath.Join(dir, "sock"))
	must(t, err)
	defer l.Close()
	for _, path := range []string{"fifo", "link", "sock"} {
		for _, flag := range []sys.Oflag{sys.O_RDONLY, sys.O_WRONLY, sys.O_RDWR, readWriteCreate, sys.O_WRONLY | sys.O_TRUNC} {
			_, e := f.OpenFile(path, flag, 0o600)
			want(t, path, e, sys.EPERM)
		}
	}
	// As if the host had put it there after the look at its name.
	h, _ := parse(sys.O_RDONLY)
	_, e := f.openFound("fifo", h, nil)
	want(t, "a FIFO at last", e, sys.EPERM)
	write(t, filepath.Join(dir, "f"), "")
	write(t, filepath.Join(dir, "g"), "")
	must(t, os.Symlink("f", filepath.Join(dir, "swapped")))
	before, err := os.Lstat(filepath.Join(dir, "g"))
	must(t, err)
	h, _ = parse(sys.O_RDONLY | sys.O_NOFOLLOW)
	_, e = f.openFound("swapped", h, before)
	want(t, "a link at last", e, sys.ELOOP)
	want(t, "unlink", f.Unlink("fifo"), 0)
}

func TestOpenFlags(t *testing.T) {
	f, dir := newFS(t, Options{})
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
	write(t, filepath.Join(dir, "f"), "text")
	must(t, os.Symlink("f", filepath.Join(dir, "l")))
	must(t, os.Symlink("d", filepath.Join(dir, "dl")))
	for _, tt := range []struct {
		path string
		flag sys.Oflag
		want sys.Errno
	}{
		{"d", sys.O_RDWR, sys.EISDIR},
		{"d", sys.O_RDONLY | sys.O_DIRECTORY, 0},
		{"d", sys.O_WRONLY | sys.O_DIRECTORY, sys.EISDIR},
		{"d", sys.O_CREAT | sys.O_DIRECTORY, sys.EISDIR},
		{"dl", sys.O_RDONLY | sys.O_DIRECTORY, 0},
		{"dl", sys.O_RDONLY | sys.O_DIRECTORY | sys.O_NOFOLLOW, sys.ENOTDIR},
		{"f", sys.O_RDONLY | sys.O_DIRECTORY, sys.ENOTDIR},
		{"f", sys.O_RDONLY | sys.O_TRUNC, sys.EINVAL},
		{"f", sys.O_RDWR | sys.O_WRONLY, sys.EINVAL},
		{"f", readWriteCreate | sys.O_EXCL, sys.EEXIST},
		{"f", sys.O_RDONLY | sys.O_NOFOLLOW, 0},
		{"f", sys.O_RDWR | sys.O_SYNC, 0},
		{"l", sys.O_RDONLY | sys.O_NOFOLLOW, sys.ELOOP},
		{"l", readWriteCreate | sys.O_EXCL, sys.EEXIST},
		{"l", sys.O_RDWR, 0},
		{"f/", sys.O_RDONLY, sys.ENOTDIR},
		{"f/x", sys.O_RDONLY, sys.ENOTDIR},
	} {
		file, e := f.OpenFile(tt.path, tt.flag, 0o600)
		if e == 0 {
			file.Close()
		}
		want(t, tt.path, e, tt.want)
	}
	info, err := os.Stat(filepath.Join(dir, "f"))
	if err != nil || info.Size() != 4 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
}

func TestModes(t *testing.T) {
	f, dir := newFS(t, Options{})
	const all = fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky | 0o700
	file, e := f.OpenFile("f", readWriteCreate, all)
	want(t, "create", e, 0)
	file.Close()
	want(t, "mkdir", f.Mkdir("d", all), 0)
	for _, name := range []string{"f", "d"} {
		for range 2 {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode()&^fs.ModeDir != 0o700 {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
			want(t, "chmod", f.Chmod(name, all), 0)
		}
	}
}

func TestFileOperations(t *testing.T) {
	f, _ := newFS(t, Options{})
	file := opened(t, f, "f", readWriteCreate)
	buf := make([]byte, 16)
	n, e := file.Write([]byte("hello"))
	if n != 5 || e != 0 {
		t.Fatal(n, e)
	}
	for _, tt := range []struct {
		offset int64
		whence int
		pos    int64
		want   sys.Errno
	}{
		{1, io.SeekStart, 1, 0}, {2, io.SeekCurrent, 3, 0}, {-1, io.SeekEnd, 4, 0}, {100, io.SeekEnd, 105, 0}, {-1, io.SeekStart, 0, sys.EINVAL}, {math.MinInt64, io.SeekCurrent, 0, sys.EINVAL},
		{math.MaxInt64, io.SeekCurrent, 0, sys.EINVAL}, {0, 3, 0, sys.EINVAL}, {0, -1, 0, sys.EINVAL}, {math.MaxInt64, io.SeekStart, math.MaxInt64, 0},
	} {
		pos, e := file.Seek(tt.offset, tt.whence)
		if pos != tt.pos || e != tt.want {
			t.Errorf("seek %d, %d: %d, %v", tt.offset, tt.whence, pos, e)
		}
	}
	if n, e := file.Write([]byte("x")); n != 0 || e != sys.EINVAL { // at the last offset there is
		t.Error(n, e)
	}
	if n, e := file.Pread(buf, 1); n != 4 || e != 0 || string(buf[:n]) != "ello" {
		t.Error(n, e)
	}
	if n, e := file.Pread(buf, 5); n != 0 || e != 0 {
		t.Error(n, e)
	}
	for _, off := range []int64{-1, math.MinInt64, math.MaxInt64} {
		_, e := file.Pread(buf, off)
		want(t, "pread", e, sys.EINVAL)
		_, e = file.Pwrite(buf, off)
		want(t, "pwrite", e, sys.EINVAL)
	}
	want(t, "truncate", file.Truncate(-1), sys.EINVAL)
	want(t, "truncate", file.Truncate(2), 0)
	want(t, "append", file.SetAppend(true), 0)
	if n, e := file.Write([]byte("y")); n != 1 || e != 0 || !file.IsAppend() {
		t.Error(n, e)
	}
	want(t, "times", file.Utimens(sys.UTIME_OMIT, 5_000_000_007), 0)
	want(t, "times", f.Utimens("f", 3_000_000_001, sys.UTIME_OMIT), 0)
	st, e := file.Stat()
	ino, _ := file.Ino()
	dev, _ := file.Dev()
	if e != 0 || st.Size != 3 || st.Mtim != 5_000_000_007 || st.Atim != 3_000_000_001 || st.Ino != ino || st.Dev != dev {
		t.Errorf("%+v, %v", st, e)
	}
	_, e = file.Readdir(1)
	if e == 0 {
		t.Error("a file was listed")
	}

	readOnly := opened(t, f, "f", sys.O_RDONLY)
	_, e = readOnly.Write(buf)
	want(t, "write", e, sys.EBADF)
	_, e = readOnly.Pwrite(buf, 0)
	want(t, "pwrite", e, sys.EBADF)
	want(t, "truncate", readOnly.Truncate(0), sys.EBADF)
	writeOnly := opened(t, f, "f", sys.O_WRONLY)
	_, e = writeOnly.Read(buf)
	want(t, "read", e, sys.EBADF)
	_, e = writeOnly.Pread(buf, 0)
	want(t, "pread", e, sys.EBADF)

	folder := opened(t, f, ".", sys.O_RDONLY)
	_, e = folder.Read(buf)
	want(t, "read a folder", e, sys.EISDIR)
	_, e = folder.Write(buf)
	want(t, "write a folder", e, sys.EISDIR)
	want(t, "times of a folder", folder.Utimens(1, 2), 0)
	want(t, "sync a folder", folder.Sync(), 0)
	_, e = folder.Seek(1, io.SeekStart)
	want(t, "seek a folder", e, sys.EINVAL)

	for _, c := range []sys.File{file, folder} {
		want(t, "close", c.Close(), 0)
		want(t, "close again", c.Close(), 0)
		_, e = c.Stat()
		want(t, "closed", e, sys.EBADF)
		_, e = c.Seek(0, io.SeekStart)
		want(t, "closed", e, sys.EBADF)
		want(t, "closed", c.Sync(), sys.EBADF)
		want(t, "closed", c.Datasync(), sys.EBADF)
		want(t, "closed", c.Utimens(1, 1), sys.EBADF)
	}
	_, e = file.Read(buf)
	want(t, "closed", e, sys.EBADF)
	_, e = file.Write(buf)
	want(t, "closed", e, sys.EBADF)
	want(t, "closed", file.Truncate(0), sys.EBADF)
	want(t, "closed", file.SetAppend(false), sys.EBADF)
	_, e = folder.Readdir(1)
	want(t, "closed", e, sys.EBADF)
}

func TestReaddir(t *testing.T) {
	f, dir := newFS(t, Options{})
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(dir, name), "")
	}
	folder := opened(t, f, "/", sys.O_RDONLY)
	names := func(n int) (s string) {
		t.Helper()
		dirents, e := folder.Readdir(n)
		want(t, "readdir", e, 0)
		for _, d := range dirents {
			if info, err := os.Lstat(filepath.Join(dir, d.Name)); err != nil || info.Sys().(*syscall.Stat_t).Ino != d.Ino || d.Type != 0 {
				t.Errorf("%+v: %v", d, err)
			}
			s += d.Name
		}
		return s
	}
	if first, rest := names(2), names(2); len(first) != 2 || len(rest) != 1 || strings.Contains(first, rest) {
		t.Errorf("%q, %q", first, rest)
	}
	if rest := names(2); rest != "" {
		t.Errorf("behind the end: %q", rest)
	}
	write(t, filepath.Join(dir, "d"), "")
	if _, e := folder.Seek(0, io.SeekStart); e != 0 {
		t.Error(e)
	}
	if all := names(-1); len(all) != 4 || !strings.Contains(all, "d") {
		t.Errorf("after rewinding: %q", all)
	}
	if _, e := folder.Seek(0, io.SeekStart); e != 0 {
		t.Error(e)
	}
	if all := names(math.MaxInt32); len(all) != 4 {
		t.Errorf("with no bound: %q", all)
	}

	for _, tt := range []struct {
		n, most, len int
		want         sys.Errno
	}{{-1, 3, 0, sys.ERANGE}, {4, 3, 0, sys.ERANGE}, {3, 3, 3, 0}, {-1, 4, 4, 0}, {9, 4, 4, 0}} {
		if _, e := folder.Seek(0, io.SeekStart); e != 0 {
			t.Error(e)
		}
		dirents, e := folder.(interface {
			list(n, most int) ([]sys.Dirent, sys.Errno)
		}).list(tt.n, tt.most)
		if len(dirents) != tt.len || e != tt.want {
			t.Errorf("%d of at most %d: %d, %v", tt.n, tt.most, len(dirents), e)
		}
	}
}

func TestQuota(t *testing.T) {
	f, dir := newFS(t, Options{MaxBytes: 100, MaxEntries: 10})
	bytes := func(want int64) {
		t.Helper()
		if got := f.Usage().Bytes; got != want {
			t.Errorf("%d bytes are used, want %d", got, want)
		}
	}
	file := opened(t, f, "f", readWriteCreate)
	want(t, "a file as long as it may be", file.Truncate(100), 0)
	want(t, "one byte more", file.Truncate(101), ENOSPC)
	want(t, "an absurd size", file.Truncate(math.MaxInt64), ENOSPC)
	_, e := file.Pwrite(make([]byte, 10), 91)
	want(t, "a write over the end", e, ENOSPC)
	_, e = file.Pwrite(make([]byte, 1), 1<<40)
	want(t, "a hole", e, ENOSPC)
	_, e = file.Pwrite(make([]byte, 100), 0)
	want(t, "a write within", e, 0)
	bytes(100)

	// A file without a name is charged as long as it is open.
	second := opened(t, f, "f", sys.O_RDWR)
	want(t, "unlink", f.Unlink("f"), 0)
	other := opened(t, f, "g", readWriteCreate)
	_, e = other.Write([]byte("x"))
	want(t, "while the removed file is open", e, ENOSPC)
	want(t, "close", file.Close(), 0)
	bytes(100)
	want(t, "truncate", second.Truncate(40), 0)
	bytes(40)
	want(t, "close", second.Close(), 0)
	bytes(0)

	// One with two names is charged once, until both are gone.
	_, e = other.Write(make([]byte, 60))
	want(t, "write", e, 0)
	want(t, "link", f.Link("g", "h"), 0)
	want(t, "unlink", f.Unlink("g"), 0)
	bytes(60)
	again := open(t, dir, Options{MaxBytes: 100})
	if u := again.Usage(); u != (Usage{Bytes: 60, Entries: 1}) {
		t.Errorf("counted anew: %+v", u)
	}
	must(t, os.Link(filepath.Join(dir, "h"), filepath.Join(dir, "i")))
	if u := open(t, dir, Options{MaxBytes: 100}).Usage(); u != (Usage{Bytes: 60, Entries: 2}) {
		t.Errorf("counted anew, with two names: %+v", u)
	}
	must(t, os.Remove(filepath.Join(dir, "i")))

	// So is one that another is renamed over.
	third := opened(t, f, "j", readWriteCreate)
	_, e = third.Write(make([]byte, 30))
	want(t, "write", e, 0)
	want(t, "rename", f.Rename("j", "h"), 0)
	bytes(90)
	want(t, "close", other.Close(), 0)
	bytes(30)
	truncated := opened(t, f, "h", sys.O_RDWR|sys.O_TRUNC)
	bytes(0)

	// What the host takes away cannot make the account negative.
	_, e = truncated.Write(make([]byte, 10))
	want(t, "write", e, 0)
	must(t, os.WriteFile(filepath.Join(dir, "h"), make([]byte, 50), 0o600))
	want(t, "truncate", truncated.Truncate(0), 0)
	bytes(0)
	want(t, "unlink", f.Unlink("h"), 0)
	if u := f.Usage(); u.Entries != 0 || u.Bytes != 0 {
		t.Errorf("%+v", u)
	}
}

func TestRenameFolders(t *testing.T) {
	f, _ := newFS(t, Options{})
	want(t, "mkdir", f.Mkdir("d", 0o700), 0)
	want(t, "mkdir", f.Mkdir("d/e", 0o700), 0)
	before, _ := f.Stat("d/e")
	want(t, "below itself", f.Rename("d", "d/e"), sys.EINVAL)
	if after, e := f.Stat("d/e"); e != 0 || after.Ino != before.Ino {
		t.Errorf("the folder below is another one, %v", e)
	}
	want(t, "over one with a folder in it", f.Rename("d/e", "d"), sys.ENOTEMPTY)
	want(t, "up", f.Rename("d/e", "e"), 0)
	want(t, "over an empty one", f.Rename("e", "d"), 0)
	if after, e := f.Stat("d"); e != 0 || after.Ino != before.Ino {
		t.Errorf("the folder is another one, %v", e)
	}
}

func TestErrno(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want sys.Errno
	}{
		{nil, 0}, {io.EOF, 0}, {&fs.PathError{Err: syscall.ENOENT}, sys.ENOENT}, {&os.LinkError{Err: syscall.EEXIST}, sys.EEXIST},
		{&fs.PathError{Err: syscall.ENOSPC}, ENOSPC}, {syscall.EDQUOT, ENOSPC}, {syscall.EFBIG, ENOSPC}, {syscall.EMFILE, EMFILE}, {syscall.ENFILE, EMFILE},
		{syscall.EXDEV, sys.EIO}, {fs.ErrClosed, sys.EBADF}, {fs.ErrNotExist, sys.ENOENT}, {fs.ErrExist, sys.EEXIST}, {fs.ErrInvalid, sys.EINVAL},
	} {
		if got := errno(tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
}

func TestEntries(t *testing.T) {
	f, _ := newFS(t, Options{MaxEntries: 2})
	want(t, "mkdir", f.Mkdir("d", 0o700), 0)
	want(t, "mkdir again", f.Mkdir("d", 0o700), sys.EEXIST)
	want(t, "rmdir of what is not there", f.Rmdir("e"), sys.ENOENT)
	_, e := f.OpenFile("none/f", readWriteCreate, 0o600)
	want(t, "create nowhere", e, sys.ENOENT)
	want(t, "symlink", f.Symlink("d", "d/l"), 0)
	want(t, "rmdir of a full folder", f.Rmdir("d"), sys.ENOTEMPTY)
	want(t, "rename", f.Rename("d/l", "l"), 0)
	want(t, "mkdir", f.Mkdir("e", 0o700), ENOSPC)
	want(t, "symlink", f.Symlink("d", "m"), ENOSPC)
	_, e = f.OpenFile("f", readWriteCreate, 0o600)
	want(t, "create", e, ENOSPC)
	want(t, "unlink", f.Unlink("l"), 0)
	want(t, "rename", f.Rename("d", "e"), 0)
	opened(t, f, "f", readWriteCreate)
	want(t, "link", f.Link("f", "g"), ENOSPC)
	want(t, "rmdir", f.Rmdir("e"), 0)
	want(t, "link", f.Link("f", "g"), 0)
}

func TestClosedAndMissing(t *testing.T) {
	f, dir := newFS(t, Options{MaxOpen: 2})
	write(t, filepath.Join(dir, "f"), "text")
	file := opened(t, f, "f", sys.O_RDONLY)
	opened(t, f, "f", sys.O_RDONLY)
	_, e := f.OpenFile("f", sys.O_RDONLY, 0)
	want(t, "too many", e, EMFILE)
	_, e = f.OpenFile(".", sys.O_RDONLY, 0)
	want(t, "the root, too many", e, sys.ENOENT)
	want(t, "close", file.Close(), 0)
	file = opened(t, f, "f", sys.O_RDONLY)
	must(t, f.Close())
	must(t, f.Close())
	if n, e := file.Read(make([]byte, 9)); n != 4 || e != 0 {
		t.Errorf("a file that was open: %d, %v", n, e)
	}
	file.Close()
	_, e = f.OpenFile("f", sys.O_RDONLY, 0)
	want(t, "open", e, sys.EBADF)
	_, e = f.OpenFile(".", sys.O_RDONLY, 0)
	want(t, "open the root", e, sys.ENOENT)
	_, e = f.Stat("f")
	want(t, "stat", e, sys.EBADF)

	if _, err := New(filepath.Join(dir, "none"), Options{}); err == nil {
		t.Error("a folder that is not there")
	}
	if _, err := New(filepath.Join(dir, "f"), Options{}); err == nil {
		t.Error("a file for a folder")
	}
	if _, err := New(dir, Options{MaxBytes: -1}); err == nil {
		t.Error("a negative bound")
	}
}
