package sandbox_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/host"
	"berth/sandbox"
)

// probe loads the guest of that name, a WASI program, with what it is granted.
func probe(t *testing.T, change func(*host.Package)) func(requests ...string) []string {
	t.Helper()
	m := loadGuest(t, "probe", change)
	return func(requests ...string) []string {
		t.Helper()
		out, err := call(t, m, "probe", []byte(strings.Join(requests, "\n")+"\n"))
		if err != nil {
			t.Fatalf("%q: %v", requests, err)
		}
		answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if len(answers) != len(requests) {
			t.Fatalf("%q to %q", answers, requests)
		}
		return answers
	}
}

// refusals are what a guest is told that may not do something: which of them
// depends on the way that it tried.
var refusals = regexp.MustCompile(`^(Bad file descriptor|Operation not permitted|Permission denied|Capabilities insufficient|Read-only file system|No such file or directory|Function not implemented|Not supported|Symbolic link loop|Invalid argument|Cross-device link)$`)

// TestNothingGranted: a guest without capabilities has no arguments, variables
// or files, a clock of its own, and numbers that are not random.
func TestNothingGranted(t *testing.T) {
	t.Setenv("BERTH_TEST_SECRET", "of the host")
	ask := probe(t, nil)
	first := ask("args", "env BERTH_TEST_SECRET", "env PATH", "random", "clock", "sleep 86400000", "clock")
	if got := strings.Join(first[:3], ", "); got != "ok [probe], unset, unset" {
		t.Errorf("arguments and environment: %s", got)
	}
	if again := ask("args", "env BERTH_TEST_SECRET", "env PATH", "random", "clock", "sleep 86400000", "clock"); strings.Join(again, "\n") != strings.Join(first, "\n") {
		t.Errorf("the second call sees %q, the first saw %q", again, first)
	}
	if wall, _ := clockOf(t, first[4]); time.Since(wall).Abs() < 24*time.Hour {
		t.Errorf("it knows the time: %s", wall)
	}
	_, before := clockOf(t, first[4])
	if _, after := clockOf(t, first[6]); after <= before {
		t.Errorf("its clock stands still: %d, %d", before, after)
	}
	for i, answer := range ask("read /etc/passwd", "read etc/passwd", "list /", "list .", "write /x y", "write x y", "mkdir /x", "read ../../../../etc/passwd", "symlink / x", "read /proc/self/environ") {
		if !refusals.MatchString(answer) {
			t.Errorf("without files, request %d gets %q", i, answer)
		}
	}
}

// clockOf reads the answer to "clock": nanoseconds since 1970, and of a clock
// that only goes on.
func clockOf(t *testing.T, answer string) (wall time.Time, monotonic int64) {
	t.Helper()
	fields := strings.Fields(answer)
	if len(fields) != 3 || fields[0] != "ok" {
		t.Fatalf("%q", answer)
	}
	ns, err := strconv.ParseInt(fields[1], 10, 64)
	if err == nil {
		monotonic, err = strconv.ParseInt(fields[2], 10, 64)
	}
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(0, ns), monotonic
}

// TestArgumentsAndEnvironment: a command gets those of its manifest, and those
// only.
func TestArgumentsAndEnvironment(t *testing.T) {
	t.Setenv("BERTH_TEST_SECRET", "of the host")
	ask := probe(t, func(p *host.Package) {
		p.Manifest.Wasm.Args = []string{"-n", "", "two words", "ü"}
		p.Grants.Env = map[string]string{"TZ": "UTC", "EMPTY": "", "TEXT": "a=b c"}
	})
	got := strings.Join(ask("args", "env TZ", "env EMPTY", "env TEXT", "env BERTH_TEST_SECRET"), "|")
	if want := "ok [probe] [-n] [] [two words] [ü]|ok UTC|ok |ok a=b c|unset"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestEnvironmentNeedsAGrant: what a manifest asks for is not what it has.
func TestEnvironmentNeedsAGrant(t *testing.T) {
	ask := probe(t, func(p *host.Package) {
		p.Manifest.Capabilities = host.Capabilities{Env: map[string]string{"TZ": "UTC"}, Random: true, Clock: true, Paths: map[string]string{"/": "/"}}
	})
	answers := ask("env TZ", "random", "clock", "list /")
	again := ask("random")[0]
	if wall, _ := clockOf(t, answers[2]); answers[0] != "unset" || answers[1] != again || time.Since(wall).Abs() < 24*time.Hour || !refusals.MatchString(answers[3]) {
		t.Errorf("it has them without a grant: %q, %q", answers, again)
	}
}

// TestRandom: with the capability no two calls see the same numbers; without it
// all do, in every instance.
func TestRandom(t *testing.T) {
	for _, granted := range []bool{true, false} {
		seen := map[string]bool{}
		for range 2 { // modules, each with instances of its own
			ask := probe(t, func(p *host.Package) { p.Grants.Random = granted })
			for range 3 {
				seen[ask("random")[0]] = true
			}
		}
		if want := map[bool]int{true: 6, false: 1}[granted]; len(seen) != want {
			t.Errorf("granted %v: %d different answers, want %d", granted, len(seen), want)
		}
	}
}

// TestClock: with the capability it is the host's, and sleeping takes the time
// that it says.
func TestClock(t *testing.T) {
	ask := probe(t, func(p *host.Package) { p.Grants.Clock = true })
	begun := time.Now()
	answers := ask("clock", "sleep 20", "clock")
	wall, before := clockOf(t, answers[0])
	if wall.Before(begun.Add(-time.Second)) || wall.After(time.Now().Add(time.Second)) {
		t.Errorf("it is %s for the guest, and was %s before", wall, begun)
	}
	if _, after := clockOf(t, answers[2]); after-before < int64(20*time.Millisecond) {
		t.Errorf("it slept %s", time.Duration(after-before))
	}
}

// TestFolders: a guest reads and writes in the folders that it was granted, as
// far as it was granted, and nowhere else.
func TestFolders(t *testing.T) {
	top := t.TempDir()
	own, shared, outside := filepath.Join(top, "own"), filepath.Join(top, "shared"), filepath.Join(top, "outside")
	for _, dir := range []string{own, shared, outside, filepath.Join(shared, "sub")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string]string{filepath.Join(outside, "secret"): "key", filepath.Join(shared, "rates"): "1.5", filepath.Join(shared, "sub/deep"): "2.5"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Symlink(outside, filepath.Join(own, "away")),
		os.Symlink("../outside/secret", filepath.Join(own, "up")),
		os.Symlink(filepath.Join(outside, "secret"), filepath.Join(shared, "secret")),
		os.Symlink("rates", filepath.Join(shared, "alias")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ask := probe(t, func(p *host.Package) {
		p.Grants.Paths = []host.PathGrant{{Host: own, Guest: "/data", Own: true}, {Host: shared, Guest: "/shared", ReadOnly: true}}
	})
	for _, c := range []struct{ request, want string }{ // want "": refused
		{"write /data/a one", "ok"},
		{"append /data/a and two", "ok"},
		{"read /data/a", "ok oneand two"},
		{"mkdir /data/d", "ok"},
		{"write /data/d/b three", "ok"},
		{"rename /data/d/b /data/b", "ok"},
		{"list /data/d", "ok"},
		{"remove /data/d", "ok"},
		{"read /data/./b", "ok three"},
		{"read /shared/rates", "ok 1.5"},
		{"read /shared/alias", "ok 1.5"},
		{"read /shared/sub/deep", "ok 2.5"},
		{"list /shared", "ok alias rates secret sub"},

		{"write /shared/rates 9", ""},
		{"append /shared/rates 9", ""},
		{"write /shared/new 9", ""},
		{"mkdir /shared/new", ""},
		{"remove /shared/rates", ""},
		{"remove /shared/sub", ""},
		{"rename /shared/rates /shared/old", ""},
		{"rename /data/b /shared/b", ""},
		{"rename /shared/rates /data/rates", ""},
		{"link /shared/rates /data/rates", ""},
		{"symlink rates /shared/more", ""},

		{"read /data/../data/b", ""}, // a way that leaves the folder is none, wherever it leads
		{"read /data/../outside/secret", ""},
		{"read /data/../../outside/secret", ""},
		{"read /data/d/../../outside/secret", ""},
		{"read /data/away/secret", ""},
		{"list /data/away", ""},
		{"write /data/away/new x", ""},
		{"mkdir /data/away/new", ""},
		{"remove /data/away/secret", ""},
		{"read /data/up", ""},
		{"write /data/up x", ""},
		{"read /shared/secret", ""},
		{"rename /data/b /data/../outside/b", ""},
		{"rename /data/b /data/away/b", ""},
		{"link /data/up /data/copy", ""},
		{"read /outside/secret", ""},
		{"read " + filepath.Join(outside, "secret"), ""},
		{"read /etc/passwd", ""},
		{"write /x y", ""},
	} {
		got := ask(c.request)[0]
		if c.want != "" && got != c.want || c.want == "" && !refusals.MatchString(got) {
			t.Errorf("%s: %q, want %q", c.request, got, c.want)
		}
	}
	// It may make links, if they lead nowhere it may not go.
	for _, target := range []string{"../outside/secret", "../../../../../../etc/passwd", filepath.Join(outside, "secret"), "/etc/passwd"} {
		if made := ask("symlink " + target + " /data/l")[0]; made == "ok" {
			if got := ask("read /data/l")[0]; !refusals.MatchString(got) {
				t.Errorf("by a link to %s it reads %q", target, got)
			}
			ask("remove /data/l")
		} else if !refusals.MatchString(made) {
			t.Errorf("a link to %s: %q", target, made)
		}
	}
	for file, want := range map[string]string{filepath.Join(outside, "secret"): "key", filepath.Join(shared, "rates"): "1.5", filepath.Join(own, "b"): "three"} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", file, got, err)
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside there are %v, %v", entries, err)
	}
}

// TestFolderOfFiles: what a guest may open below a folder are files and folders:
// no pipe that would keep it waiting, no device.
func TestFolderOfFiles(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
		os.Symlink("/dev/zero", filepath.Join(dir, "zero")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ask := probe(t, func(p *host.Package) {
		p.Limits.Timeout = generous
		p.Grants.Paths = []host.PathGrant{{Host: dir, Guest: "/", Own: true}}
	})
	for _, request := range []string{"read /pipe", "write /pipe x", "read /zero", "write /zero x"} {
		if got := ask(request)[0]; strings.HasPrefix(got, "ok") {
			t.Errorf("%s: %q", request, got)
		}
	}
	if got := ask("write /fine x", "read /fine", "list /"); got[1] != "ok x" || got[2] != "ok fine pipe zero" {
		t.Errorf("%q", got)
	}
}

// TestOpenFilesAreBounded: a guest that opens and never closes gets so many files
// of a folder and no more, and they are closed when its instance goes.
func TestOpenFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := probe(t, func(p *host.Package) {
		p.Grants.Paths = []host.PathGrant{{Host: dir, Guest: "/d", ReadOnly: true}}
	})
	if got := ask("open /d/f 200", "open /d/f 100")[1]; strings.HasPrefix(got, "ok") {
		t.Errorf("300 files: %q", got)
	}
	waitFor(t, func() bool { return ask("open /d/f 200")[0] == "ok 200" })
}

// TestFolderIsGone: a folder that was granted and is not there any more is a
// reason not to load the plugin, not to run it without.
func TestFolderIsGone(t *testing.T) {
	p := guestPackage(t, "probe")
	p.Grants.Paths = []host.PathGrant{{Host: filepath.Join(t.TempDir(), "gone"), Guest: "/data"}}
	_, err := sandbox.New().Load(t.Context(), p)
	wantFailure(t, err, host.CodeUnavailable, "gone", "/data", "cannot be opened")
}
