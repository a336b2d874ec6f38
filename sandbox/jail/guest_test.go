package jail

import (
	"bytes"
	"context"
	_ "embed"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

//go:embed testdata/guest.wasm
var guestWasm []byte

// guests runs testdata/guest.wasm, compiled once.
type guests struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

func newGuests(t *testing.T) *guests {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	t.Cleanup(func() { r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	m, err := r.CompileModule(ctx, guestWasm)
	if err != nil {
		t.Fatal(err)
	}
	return &guests{r, m}
}

// run runs the guest with f as its file system, and returns the lines it prints.
func (g *guests) run(t *testing.T, f sys.FS, args ...string) []string {
	t.Helper()
	var out, errs bytes.Buffer
	mount := wazero.NewFSConfig().(sysfs.FSConfig).WithSysFSMount(f, "/")
	config := wazero.NewModuleConfig().WithName("").WithFSConfig(mount).WithArgs(append([]string{"guest"}, args...)...).
		WithStdout(&out).WithStderr(&errs)
	m, err := g.runtime.InstantiateModule(t.Context(), g.module, config)
	if m != nil {
		defer m.Close(t.Context())
	}
	if err != nil {
		t.Errorf("guest %q: %v %s", args, err, &errs)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// The error numbers of WASI that the guest prints.
const (
	eexist   = "errno 20"
	eio      = "errno 29"
	einval   = "errno 28"
	eisdir   = "errno 31"
	eloop    = "errno 32"
	enoent   = "errno 44"
	enotdir  = "errno 54"
	enotempt = "errno 55"
	eperm    = "errno 63"
	erofs    = "errno 69"
)

// step is what a guest does and what it has to print.
type step struct{ do, want string }

// follow runs all steps in one instance. The words of a step are separated by
// spaces.
func follow(t *testing.T, g *guests, f sys.FS, steps []step) {
	t.Helper()
	var args []string
	for _, s := range steps {
		args = append(args, strings.Split(s.do, " ")...)
	}
	got := g.run(t, f, args...)
	if len(got) != len(steps) {
		t.Fatalf("%d lines for %d steps: %q", len(got), len(steps), got)
	}
	for i, s := range steps {
		if got[i] != s.want {
			t.Errorf("%s: %q, want %q", s.do, got[i], s.want)
		}
	}
}

// newFS is a file system on a new folder.
func newFS(t *testing.T, o Options) (*FS, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "jail")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return open(t, dir, o), dir
}

func open(t *testing.T, dir string, o Options) *FS {
	t.Helper()
	f, err := New(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := f.Usage().Open; n != 0 {
			t.Errorf("%d files are open at the end", n)
		}
		f.Close()
	})
	return f
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestGuestFiles(t *testing.T) {
	g := newGuests(t)
	f, dir := newFS(t, Options{MaxBytes: 1 << 20, MaxEntries: 100})
	follow(t, g, f, []step{
		{"L /", ""},
		{"w /a one", "ok"},
		{"x /a two", eexist},
		{"x /b two", "ok"},
		{"a /a two", "ok"},
		{"a /none x", enoent},
		{"c /a", "onetwo"},
		{"c /none", enoent},
		{"c /a/", enotdir},
		{"c /a/b", enotdir},
		{"t /a", "file 6"},
		{"t /", "folder"},
		{"d /dir", "ok"},
		{"d /dir", eexist},
		{"d /none/dir", enoent},
		{"d /a/dir", enotdir},
		{"w /dir x", eisdir},
		{"w /dir/c three", "ok"},
		{"r /dir c", "three"},
		{"r /dir none", enoent},
		{"L /dir", "c"},
		{"L /", "a b dir"},
		{"L /a", enotdir},
		{"D /dir", enotempt},
		{"D /a", enotdir},
		{"u /dir", eisdir},
		{"u /none", enoent},
		{"m /b /dir/b", "ok"},
		{"m /a /dir", eisdir},
		{"m /dir /a", enotdir},
		{"m /none /x", enoent},
		{"m /dir /dir/below", einval},
		{"m /a /a", "ok"},
		{"m /dir/c /dir/b", "ok"},
		{"c /dir/b", "three"},
		{"l /dir/b /hard", "ok"},
		{"l /dir /harddir", eperm},
		{"a /hard !", "ok"},
		{"c /dir/b", "three!"},
		{"m /hard /dir/b", "ok"},
		{"L /dir", "b"},
		{"d /empty", "ok"},
		{"m /dir /empty", "ok"},
		{"L /empty", "b"},
		{"d /full", "ok"},
		{"m /full /empty", enotempt},
		{"e /edited", "ok"},
		{"t /edited", "file 7"},
		{"u /hard", "ok"},
		{"u /empty/b", "ok"},
		{"D /empty", "ok"},
		{"L /", "a edited full"},
	})
	if got, err := os.ReadFile(filepath.Join(dir, "a")); string(got) != "onetwo" {
		t.Errorf("the host sees %q, %v", got, err)
	}
	if u := f.Usage(); u != (Usage{Bytes: 6 + 7, Entries: 3}) {
		t.Errorf("%+v", u)
	}
}

func TestGuestLinks(t *testing.T) {
	g := newGuests(t)
	f, _ := newFS(t, Options{})
	follow(t, g, f, []step{
		{"d /d", "ok"},
		{"w /d/f text", "ok"},
		{"s d/f /l", "ok"},
		{"R /l", "d/f"},
		{"c /l", "text"},
		{"t /l", "file 4"},
		{"T /l", "link"},
		{"s x /l", eexist},
		{"s ../d/f /d/up", "ok"},
		{"c /d/up", "text"},
		{"s d /dl", "ok"},
		{"c /dl/f", "text"},
		{"L /dl", "f up"},
		{"D /dl", enotdir},
		{"s new /dangling", "ok"},
		{"c /dangling", enoent},
		{"x /dangling x", eexist},
		{"w /dangling made", "ok"},
		{"c /new", "made"},
		{"s loop /loop", "ok"},
		{"c /loop", eloop},
		{"l /l /hardlink", eperm},
		{"u /l", "ok"},
		{"c /d/f", "text"},

		// Links that lead outside, or could.
		{"s /etc/passwd /abs", eperm},
		{"s .. /out", eperm},
		{"s ../etc /out", eperm},
		{"s ../../etc /d/out", eperm},
		{"s x/../../etc /d/out", eperm},
		{"s ./../../etc /d/out", eperm},
		{"s x/../f /d/out", eperm}, // x may become a link
		{"s ../x /dl/out", eperm},  // /dl is a link: where it is is not what it is called
		{"m /d/up /up", eperm},
		{"d /d/e", "ok"},
		{"m /d/up /d/e/up", "ok"},
		{"m /d/e/up /dl/up", eperm},
	})
}

// outside makes a folder with a secret beside the jail.
func outside(t *testing.T, jail string) (secret string) {
	t.Helper()
	must(t, os.Mkdir(filepath.Join(jail, "..", "outside"), 0o755))
	secret = filepath.Join(jail, "..", "outside", "secret")
	write(t, secret, "SECRET")
	return secret
}

func TestGuestCannotEscape(t *testing.T) {
	g := newGuests(t)
	f, dir := newFS(t, Options{})
	secret := outside(t, dir)
	must(t, os.Symlink(secret, filepath.Join(dir, "abs")))
	must(t, os.Symlink("../outside/secret", filepath.Join(dir, "rel")))
	must(t, os.Symlink(filepath.Dir(secret), filepath.Join(dir, "absdir")))
	must(t, os.Symlink("../outside", filepath.Join(dir, "reldir")))
	must(t, os.Symlink("reldir/secret", filepath.Join(dir, "twice")))
	must(t, os.Symlink("/", filepath.Join(dir, "top")))
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	write(t, filepath.Join(dir, "mine"), "m")

	control := g.run(t, sysfs.DirFS(dir), "c", "/abs", "c", "/reldir/secret")
	if !slices.Equal(control, []string{"SECRET", "SECRET"}) {
		t.Fatalf("wazero's own file system has no way out, so this test shows nothing: %q", control)
	}
	follow(t, g, f, []step{
		{"o ../outside/secret", eperm},
		{"o sub/../../outside/secret", eperm},
		{"o /etc/passwd", eperm},
		{"o .", "ok"},
		{"o mine", "ok"},
		{"c abs", eperm},
		{"c rel", eperm},
		{"c absdir/secret", eperm},
		{"c reldir/secret", eperm},
		{"c twice", eperm},
		{"c top/etc/passwd", eperm},
		{"t abs", eperm},
		{"t reldir/secret", eperm},
		{"T abs", "link"},
		{"T reldir/secret", eperm},
		{"L reldir", eperm},
		{"L top", eperm},
		{"R rel", "../outside/secret"},
		{"w rel x", eperm},
		{"x rel x", eexist},
		{"a rel x", eperm},
		{"w reldir/new x", eperm},
		{"x reldir/new x", eperm},
		{"d reldir/new", eperm},
		{"u reldir/secret", eperm},
		{"D reldir/sub", eperm},
		{"m mine reldir/mine", eperm},
		{"m reldir/secret stolen", eperm},
		{"m mine ../outside/mine", eperm},
		{"l reldir/secret stolen", eperm},
		{"l rel stolen", eperm},
		{"l mine reldir/mine", eperm},
		{"s mine reldir/l", eperm},
		{"m rel other", eperm},
		{"u rel", "ok"}, // the link itself is inside
	})
	entries, err := os.ReadDir(filepath.Dir(secret))
	if got, _ := os.ReadFile(secret); string(got) != "SECRET" || len(entries) != 1 || err != nil {
		t.Errorf("outside there is %v, %v, and the secret is %q", entries, err, got)
	}
}

// TestGuestCannotWinARace has the host turn a path to the inside and to the
// outside while a guest reads it again and again.
func TestGuestCannotWinARace(t *testing.T) {
	g := newGuests(t)
	f, dir := newFS(t, Options{})
	secret := outside(t, dir)
	must(t, os.Mkdir(filepath.Join(dir, "inside"), 0o755))
	write(t, filepath.Join(dir, "inside", "secret"), "mine")
	flip := func(target string) error {
		next := filepath.Join(dir, "next")
		if err := os.Symlink(target, next); err != nil {
			return err
		}
		return os.Rename(next, filepath.Join(dir, "d"))
	}
	must(t, flip("inside"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			for _, target := range []string{filepath.Dir(secret), "inside", "../outside", "inside"} {
				if err := flip(target); err != nil {
					t.Error(err)
					return
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	inside, failed := false, false
	for (!inside || !failed) && !t.Failed() { // until the guest came upon both
		saw := g.run(t, f, "h", "/d/secret", "500")[0]
		inside = inside || strings.HasPrefix(saw, "m")
		failed = failed || strings.HasSuffix(saw, "failed")
		if strings.Contains(saw, "S") {
			t.Errorf("the guest read the secret: %q", saw)
			break
		}
	}
	close(stop)
	wg.Wait()
}

func TestGuestReadOnly(t *testing.T) {
	g := newGuests(t)
	f, dir := newFS(t, Options{ReadOnly: true, MaxBytes: 1})
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
	write(t, filepath.Join(dir, "f"), "text")
	follow(t, g, f, []step{
		{"c f", "text"},
		{"L /", "d f"},
		{"t f", "file 4"},
		{"w f x", erofs},
		{"w new x", erofs},
		{"x new x", erofs},
		{"a f x", erofs},
		{"e f", erofs},
		{"m f g", erofs},
		{"l f g", erofs},
		{"s f g", erofs},
		{"u f", erofs},
		{"d e", erofs},
		{"D d", erofs},
		{"L /", "d f"},
	})
}

func TestGuestQuota(t *testing.T) {
	g := newGuests(t)
	f, dir := newFS(t, Options{MaxBytes: 10, MaxEntries: 3})
	follow(t, g, f, []step{
		{"w a 12345678", "ok"},
		{"a a 90", "ok"},
		{"a a !", eio},
		{"w a 1234567890", "ok"}, // truncated first
		{"w b x", eio},
		{"u a", "ok"},
		{"e c", "ok"},     // up to 10, and 7 at the end
		{"w b 123", "ok"}, // is there already, from when it could not be written
		{"d e", "ok"},
		{"d f", eio},
		{"w f x", eio},
		{"s c f", eio},
		{"l c f", eio},
		{"m b c", "ok"},
		{"w f 1234567", "ok"},
		{"t f", "file 7"},
		{"a f x", eio},
		{"L /", "c e f"},
	})
	if u := f.Usage(); u != (Usage{Bytes: 10, Entries: 3}) {
		t.Errorf("%+v", u)
	}
	again := open(t, dir, Options{MaxBytes: 1, MaxEntries: 1})
	if u := again.Usage(); u != (Usage{Bytes: 10, Entries: 3}) {
		t.Errorf("counted anew: %+v", u)
	}
	follow(t, g, again, []step{{"a c x", eio}, {"c c", "123"}, {"w c 1", eio}, {"u f", "ok"}, {"u c", "ok"}, {"D e", "ok"}, {"w c 1", "ok"}})
}

func TestGuestHoardsFiles(t *testing.T) {
	g := newGuests(t)
	f, dir := newFS(t, Options{MaxOpen: 8})
	write(t, filepath.Join(dir, "f"), "text")
	if got := g.run(t, f, "H", "f", "c", "f"); !slices.Equal(got, []string{"7", eio}) { // one is the root
		t.Errorf("%q", got)
	}
	if got := g.run(t, f, "c", "f"); got[0] != "text" {
		t.Errorf("after an instance is gone, its files stay open: %q", got)
	}

	// With nothing left, an instance finds no root, and the host goes on.
	var held []sys.File
	for range 8 {
		file, e := f.OpenFile("f", sys.O_RDONLY, 0)
		if e != 0 {
			t.Fatal(e)
		}
		held = append(held, file)
	}
	if got := g.run(t, f, "c", "f"); !strings.HasPrefix(got[0], "errno") {
		t.Errorf("%q", got)
	}
	for _, file := range held {
		file.Close()
	}
}

func TestGuestListsMany(t *testing.T) {
	g := newGuests(t)
	f, dir := newFS(t, Options{})
	for i := range 1000 {
		write(t, filepath.Join(dir, "file-"+strconv.Itoa(i)), "")
	}
	if got := g.run(t, f, "N", "/"); got[0] != "1000" {
		t.Errorf("%q", got)
	}
}

// TestGuestsShare has instances change one file system at the same time.
func TestGuestsShare(t *testing.T) {
	g := newGuests(t)
	f, _ := newFS(t, Options{MaxBytes: 1 << 20, MaxEntries: 1000})
	follow(t, g, f, []step{{"w log :", "ok"}})
	const instances, rounds = 6, 20
	var wg sync.WaitGroup
	for i := range instances {
		wg.Go(func() {
			mine := strconv.Itoa(i)
			var args []string
			for range rounds {
				args = append(args, "a", "log", "x", "w", "f"+mine, "text", "m", "f"+mine, "g"+mine, "l", "g"+mine, "h"+mine, "u", "g"+mine, "u", "h"+mine, "e", "e"+mine, "u", "e"+mine, "m", "none", "shared", "w", "shared", mine, "u", "shared")
			}
			for _, line := range g.run(t, f, args...) {
				if line != "ok" && line != enoent {
					t.Errorf("instance %d: %s", i, line)
				}
			}
		})
	}
	wg.Wait()
	follow(t, g, f, []step{{"t log", "file " + strconv.Itoa(1+instances*rounds)}})
	g.run(t, f, "u", "shared")
	if u := f.Usage(); u != (Usage{Bytes: 1 + instances*rounds, Entries: 1}) {
		t.Errorf("%+v", u)
	}
}
