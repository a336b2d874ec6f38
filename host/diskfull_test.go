package host_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"berth/host"
	"berth/sandbox"
)

// fullAt is the size at which the kernel lets no file grow, in a child: the
// error is EFBIG where a full disk says ENOSPC, from the same system calls.
const fullAt = 512 << 10

// noise is n bytes that hardly compress.
func noise(n int) string {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(b)
	return string(b)
}

// TestDiskFull has the kernel itself refuse to write more, in a process of its
// own: while a package is fetched, and while it is unpacked.
func TestDiskFull(t *testing.T) {
	zips := t.TempDir()
	echo := guest(t, "echo")
	var stretched strings.Builder // packs about 14 times smaller
	for source := noise(3 * fullAt / 16); source != ""; source = source[256:] {
		stretched.WriteString(strings.Repeat(source[:256], 16))
	}
	for name, f := range map[string]files{
		"small":  {"echo.wasm": echo},
		"fetch":  {"echo.wasm": echo, "data": noise(2 * fullAt)},
		"unpack": {"a.txt": "first", "echo.wasm": echo, "sub/data": stretched.String()},
	} {
		data := zipOf(t, f)
		if fits := len(data) < fullAt/2; fits != (name != "fetch") {
			t.Fatalf("%s has %d bytes", name, len(data))
		}
		if err := os.WriteFile(filepath.Join(zips, name+".zip"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], t.TempDir(), zips)
	cmd.Env = append(os.Environ(), jobVariable+"=diskfull")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the child failed: %v", err)
	}
	t.Logf("%s", bytes.TrimSpace(out))
}

func runDiskFullChild(args []string) int {
	dir, zips := args[0], "file://"+args[1]+"/"
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: fullAt, Max: fullAt}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
		return 1
	}
	r := &rig{dir: dir, log: &safeBuffer{}, config: host.Config{Engines: []host.Engine{sandbox.New()}}}
	if err := r.tryStart(); err != nil {
		fmt.Println("start:", err)
		return 1
	}
	faults := 0
	fault := func(format string, args ...any) { faults++; fmt.Printf(format+"\n", args...) }
	ctx := context.Background()
	check := func(installed bool) {
		strange, err := r.leftovers()
		records, loadErr := r.store.Load()
		if len(strange) > 0 || err != nil || loadErr != nil || len(records) == 1 != installed || len(r.List(host.Functions)) != len(records) {
			fault("left: %q, %v, %v, %d records, listed %v", strange, err, loadErr, len(records), r.List(host.Functions))
		}
		if !installed {
			return
		}
		if out, err := r.Invoke(ctx, "upper", nil, []byte("x")); err != nil || string(out) != "X" {
			fault("a call: %q, %v", out, err)
		}
	}
	refused := func(err error) {
		text := fmt.Sprint(err)
		const full = "the disk that holds the data folder is full"
		if host.CodeOf(err) != host.CodeUnavailable || strings.Count(text, full) != 1 || !strings.Contains(text, "file too large") {
			fault("code %v, want %v, and the disk named once: %s", host.CodeOf(err), host.CodeUnavailable, text)
		}
	}
	for _, name := range []string{"fetch", "unpack"} {
		_, err := r.Install(ctx, host.Request{Name: "echo", File: zips + name + ".zip"})
		refused(err)
		check(false)
	}
	if _, err := r.Install(ctx, host.Request{Name: "echo", File: zips + "small.zip"}); err != nil {
		fault("a small plugin afterwards: %v", err)
	}
	check(true)
	for _, name := range []string{"fetch", "unpack"} {
		_, err := r.Update(ctx, host.Request{Name: "echo", File: zips + name + ".zip"})
		refused(err)
		check(true)
	}
	if err := r.shut(); err != nil {
		fault("shut: %v", err)
	}
	return min(faults, 1)
}
