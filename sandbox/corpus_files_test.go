package sandbox_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/host"
	"berth/sandbox"
)

// secret is what no guest may get to see.
const secret = "the secret of the host"

// premises are a folder that a guest is granted, and what lies around it.
type premises struct{ granted, outside, secret string }

// newPremises makes them, with links that lead out of the folder, as a host may
// have them there.
func newPremises(t *testing.T) premises {
	t.Helper()
	top := t.TempDir()
	p := premises{filepath.Join(top, "granted"), filepath.Join(top, "outside"), filepath.Join(top, "outside", "secret")}
	for _, err := range []error{
		os.MkdirAll(filepath.Join(p.granted, "folder"), 0o700),
		os.MkdirAll(p.outside, 0o700),
		os.WriteFile(p.secret, []byte(secret), 0o600),
		os.WriteFile(filepath.Join(p.granted, "file"), []byte("mine"), 0o600),
		os.Symlink(p.secret, filepath.Join(p.granted, "absolute")),
		os.Symlink("../outside/secret", filepath.Join(p.granted, "relative")),
		os.Symlink("../outside", filepath.Join(p.granted, "around")),
		os.Symlink("/", filepath.Join(p.granted, "root")),
		os.Symlink("circle", filepath.Join(p.granted, "circle")),
		os.Symlink("file", filepath.Join(p.granted, "inside")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// grant lets a package have the folder.
func (p premises) grant(readOnly bool) func(*host.Package) {
	return func(pkg *host.Package) {
		pkg.Grants.Paths = []host.PathGrant{{Host: p.granted, Guest: "/", ReadOnly: readOnly}}
	}
}

// ways out of the folder.
func (p premises) ways() []string {
	climb := strings.Repeat("../", 40)
	ways := []string{
		"../outside/secret", "folder/../../outside/secret", "./.././outside/secret", "folder/../folder/../../outside/secret",
		p.secret, "/" + p.secret, "//" + p.secret, climb + p.secret[1:], "/" + climb + p.secret[1:],
		"absolute", "relative", "around/secret", "root" + p.secret, "folder/../around/secret", "around/../outside/secret",
		"circle", "circle/secret", "..", "../outside", "/proc/self/environ", "root/proc/self/environ", "/etc/passwd", "root/etc/passwd",
		"", "\x00", "relative\x00", "..\\outside\\secret", strings.Repeat("folder/../", 2000) + "../outside/secret", strings.Repeat("a", 100_000),
	}
	return ways
}

// TestCorpusFiles: whatever way a guest tries, it sees nothing of what it was not
// granted, and changes nothing.
func TestCorpusFiles(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		t.Run(fmt.Sprintf("read-only %t", readOnly), func(t *testing.T) {
			p := newPremises(t)
			before := contents(t, p.outside)
			m := loadInto(t, sandbox.New(), hostilePackage(t, "files", p.grant(readOnly)))
			for _, path := range []string{"file", "inside", "folder/../file"} {
				if out, err := call(t, m, "open", []byte(path)); err != nil || string(out) != "mine" {
					t.Errorf("%s, which is granted: %q, %v", path, out, err)
				}
			}
			for _, way := range p.ways() {
				for _, function := range []string{"open", "list"} {
					denied(t, m, function, way)
				}
				if _, err := call(t, m, "link", []byte(way)); err == nil { // a link that leads out may be made, but not followed
					denied(t, m, "open", "way")
					denied(t, m, "open", "way/secret")
					denied(t, m, "open", "way/outside/secret")
					if err := os.Remove(filepath.Join(p.granted, "way")); err != nil {
						t.Errorf("the link %.40q is not where it should be: %v", way, err)
					}
				}
			}
			for _, way := range []string{"../outside/new", "around/new", "root" + p.outside + "/new", filepath.Join(p.outside, "new"), "relative", "absolute"} {
				_, err := call(t, m, "create", []byte(way))
				_, err2 := call(t, m, "rename", []byte(way))
				if readOnly && (err == nil || err2 == nil) {
					t.Errorf("%s is written, in a folder that is to be read only", way)
				}
			}
			if after := contents(t, p.outside); !maps.Equal(before, after) {
				t.Errorf("outside there are %q, and there were %q", after, before)
			}
		})
	}
}

// denied checks that a guest gets nothing by a path.
func denied(t *testing.T, m host.Module, function, path string) {
	t.Helper()
	out, err := call(t, m, function, []byte(path))
	if strings.Contains(string(out), secret[:10]) || strings.Contains(string(out), "secret") || strings.Contains(string(out), "root:") {
		t.Errorf("%s(%.60q): %.80q", function, path, out)
	}
	inside := function == "list" && slices.Contains([]string{"", "..", "/", "\x00"}, path) // the folder itself
	if err == nil && !inside {
		t.Errorf("%s(%.60q) gives %.80q", function, path, out)
	}
	if err != nil && host.CodeOf(err) != host.CodeRejected {
		t.Errorf("%s(%.60q): %v", function, path, err)
	}
}

// contents are the files of a folder, and what is in them.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[entry.Name()] = string(data)
	}
	return all
}

// TestCorpusFilesHoarded: a guest that opens files and never closes them gets a
// bounded number, and its module gives them all back.
func TestCorpusFilesHoarded(t *testing.T) {
	p := newPremises(t)
	before := openFiles(t)
	t.Run("hoard", func(t *testing.T) {
		m := loadInto(t, sandbox.New(), hostilePackage(t, "files", p.grant(true), func(p *host.Package) { p.Limits.Timeout = 500 * attackTime }))
		for range attackInstances + 1 {
			out, err := call(t, m, "hoard", []byte("file"))
			if err != nil {
				if host.CodeOf(err) != host.CodeTimeout { // the guest does not give up
					t.Error(err)
				}
			} else if n := binary.LittleEndian.Uint32(out); n > 1000 {
				t.Errorf("it has %d files open", n)
			}
			if n := openFiles(t); n > before+1000 {
				t.Errorf("%d files are open, and %d were before", n, before)
			}
		}
	})
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, and %d were before", after, before)
	}
}

// openFiles counts the files that the process has open.
func openFiles(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(entries)
}

// TestCorpusFilesForever: operations on files that go on without end are
// interrupted, in a folder of many files, too.
func TestCorpusFilesForever(t *testing.T) {
	p := newPremises(t)
	for i := range 2000 {
		if err := os.WriteFile(filepath.Join(p.granted, "folder", fmt.Sprintf("file%d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e := sandbox.New()
	healthy := newWitness(t, e)
	for _, a := range []attack{endless("files", "churn", "file"), endless("files", "churn", "relative"), endless("files", "flood", "folder")} {
		t.Run(a.name(), func(t *testing.T) { a = a.with(p.grant(false)); a.run(t, e, healthy, nil) })
	}
}
