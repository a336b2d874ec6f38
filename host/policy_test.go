package host

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func mustGrant(t *testing.T, p Policy, asked Capabilities, own string, making bool) (Grants, []Denial) {
	t.Helper()
	granted, denied, err := p.grant(asked, own, making)
	if err != nil {
		t.Fatal(err)
	}
	return granted, denied
}

func TestPolicyGrantsNothingByItself(t *testing.T) {
	asked := Capabilities{Hosts: []string{"a"}, Paths: map[string]string{"d": "/d", "/tmp": "/tmp"}, Env: map[string]string{"B": "", "A": ""},
		Config: map[string]string{"c": ""}, Clock: true, Random: true}
	granted, denied := mustGrant(t, Policy{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, asked, filepath.Join(t.TempDir(), "own"), true)
	if !reflect.DeepEqual(granted, Grants{}) {
		t.Errorf("granted: %+v", granted)
	}
	var found []string
	for _, d := range denied {
		found = append(found, d.Capability+" "+d.Asked)
		if d.Reason == "" {
			t.Errorf("%+v: no reason", d)
		}
	}
	if want := []string{"hosts a", "paths /tmp", "paths d", "env A, B", "config c", "clock clock", "random random"}; !slices.Equal(found, want) {
		t.Errorf("denied %q, want %q", found, want)
	}
}

func TestDefaultPolicy(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own")
	asked := Capabilities{Hosts: []string{"*"}, Paths: map[string]string{"./d/": "/d", ".": "/all:ro", t.TempDir(): "/tmp"}, Env: map[string]string{"A": "1"},
		Config: map[string]string{"c": "2"}, Clock: true, Random: true}
	granted, denied := mustGrant(t, DefaultPolicy(), asked, own, true)
	if len(denied) != 2 || denied[0].Capability != "hosts" || denied[1].Capability != "paths" {
		t.Errorf("denied: %+v", denied)
	}
	if granted.Hosts != nil || granted.Addresses != nil || granted.Env["A"] != "1" || granted.Config["c"] != "2" || !granted.Clock || !granted.Random {
		t.Errorf("granted: %+v", granted)
	}
	if len(granted.Paths) != 2 || granted.Paths[0].Guest != "/all" || !granted.Paths[0].ReadOnly || granted.Paths[1].Guest != "/d" || granted.Paths[1].ReadOnly {
		t.Fatalf("paths: %+v", granted.Paths)
	}
	if info, err := os.Stat(filepath.Join(own, "d")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	root, err := granted.Paths[1].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.WriteFile("f", nil, 0o600); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(own, "d", "f")); err != nil {
		t.Error(err)
	}
}

// TestOwnFolderUnmade: looking does not make folders.
func TestOwnFolderUnmade(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own")
	granted, denied := mustGrant(t, DefaultPolicy(), Capabilities{Paths: map[string]string{"d": "/d"}}, own, false)
	if len(denied) > 0 || len(granted.Paths) != 1 || granted.Paths[0].Host != filepath.Join(own, "d") {
		t.Errorf("%+v, %+v", granted, denied)
	}
	if _, err := os.Lstat(own); err == nil {
		t.Error("it is made")
	}
}

// TestOwnFolderLinks: a plugin may put links into its own folder; none of them
// makes a grant of what they lead to.
func TestOwnFolderLinks(t *testing.T) {
	own, outside := filepath.Join(t.TempDir(), "own"), t.TempDir()
	for _, err := range []error{
		os.Mkdir(own, 0o700), os.Mkdir(filepath.Join(own, "real"), 0o700),
		os.Symlink("real", filepath.Join(own, "inside")),
		os.Symlink(outside, filepath.Join(own, "out")),
		os.Symlink("gone", filepath.Join(own, "dangling")),
		os.Symlink("loop", filepath.Join(own, "loop")),
		os.WriteFile(filepath.Join(own, "file"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, making := range []bool{true, false} {
		for folder, allowed := range map[string]bool{"inside": true, "real": true, "out": false, "out/x": false, "loop": false, "loop/x": false} {
			granted, denied := mustGrant(t, DefaultPolicy(), Capabilities{Paths: map[string]string{folder: "/d"}}, own, making)
			if (len(granted.Paths) == 1) != allowed || (len(denied) == 0) != allowed {
				t.Errorf("%s: %+v, %+v", folder, granted.Paths, denied)
			}
		}
	}
	for _, folder := range []string{"file", "file/x", "dangling"} {
		if granted, denied := mustGrant(t, DefaultPolicy(), Capabilities{Paths: map[string]string{folder: "/d"}}, own, true); len(granted.Paths) > 0 || len(denied) != 1 {
			t.Errorf("%s: %+v, %+v", folder, granted.Paths, denied)
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}

func TestPathsOfOperator(t *testing.T) {
	top := t.TempDir()
	for _, dir := range []string{"a/b", "a2", "ro/x", "outside"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Symlink(filepath.Join(top, "a"), filepath.Join(top, "link")),
		os.Symlink(filepath.Join(top, "outside"), filepath.Join(top, "a", "out")),
		os.WriteFile(filepath.Join(top, "a", "file"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	policy := Policy{Paths: []string{filepath.Join(top, "a") + ":ro", filepath.Join(top, "link"), filepath.Join(top, "ro") + ":ro", filepath.Join(top, "gone")}}
	if err := policy.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		folder, guest string
		host          string // below top; empty: denied
		readOnly      bool
		reason        string
	}{
		{"a", "/d", "a", false, ""}, // by way of link, which is not read-only
		{"a/b", "/d:ro", "a/b", true, ""},
		{"link/b", "/d", "a/b", false, ""},
		{"ro", "/d", "ro", true, "for reading only"},
		{"ro/x", "/d:ro", "ro/x", true, ""},
		{"a2", "/d", "", false, "does not lie below"},
		{"a/out", "/d", "", false, "does not lie below"},
		{".", "/d", "", false, "does not lie below"},
		{"a/file", "/d", "", false, "not a folder"},
		{"gone", "/d", "", false, "no such file"},
	} {
		folder := filepath.Join(top, test.folder)
		granted, denied := mustGrant(t, policy, Capabilities{Paths: map[string]string{folder: test.guest}}, "", true)
		if test.reason != "" && (len(denied) != 1 || !strings.Contains(denied[0].Reason, test.reason)) || test.reason == "" && len(denied) > 0 {
			t.Errorf("%s: denied %+v, want %q", test.folder, denied, test.reason)
		}
		if test.host == "" {
			if len(granted.Paths) > 0 {
				t.Errorf("%s: granted %+v", test.folder, granted.Paths)
			}
			continue
		}
		if len(granted.Paths) != 1 || granted.Paths[0].Host != filepath.Join(top, test.host) || granted.Paths[0].ReadOnly != test.readOnly {
			t.Errorf("%s: granted %+v", test.folder, granted.Paths)
			continue
		}
		root, err := granted.Paths[0].Open()
		if err != nil {
			t.Errorf("%s: %v", test.folder, err)
			continue
		}
		root.Close()
	}
}

// TestGrantOutlivesLinks: what replaces a granted folder by a link, after it was
// granted, does not make the grant lead out.
func TestGrantOutlivesLinks(t *testing.T) {
	own, outside := filepath.Join(t.TempDir(), "own"), t.TempDir()
	granted, _ := mustGrant(t, DefaultPolicy(), Capabilities{Paths: map[string]string{"d": "/d"}}, own, true)
	d := filepath.Join(own, "d")
	if err := os.Remove(d); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, d); err != nil {
		t.Fatal(err)
	}
	if root, err := granted.Paths[0].Open(); err == nil {
		root.Close()
		t.Error("it leads out")
	}
}

func TestPolicyFaults(t *testing.T) {
	err := Policy{Hosts: []string{"a/b"}, Addresses: []netip.Prefix{{}}, Paths: []string{"x", "/a/../b", "/a\x00", "/fine:ro"}}.Validate()
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{"hosts: ", "addresses: an invalid range", `"x" is no absolute path`, `"/a/../b" has ".."`, "zero byte"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "fine") {
		t.Error(err)
	}
}

// TestGrantedHostsBounded: a policy of many patterns does not make a plugin's
// grant larger than an engine takes.
func TestGrantedHostsBounded(t *testing.T) {
	var p Policy
	for i := range 300 {
		p.Hosts = append(p.Hosts, fmt.Sprintf("*.%d.example.com", i))
	}
	granted, denied := mustGrant(t, p, Capabilities{Hosts: []string{"*", "a.7.example.com", "127.0.0.1"}}, "", false)
	if !slices.Equal(granted.Hosts, []string{"a.7.example.com"}) || len(denied) != 2 || !strings.Contains(denied[0].Reason, "more patterns") || !strings.Contains(denied[1].Reason, "inside") {
		t.Errorf("%q, %+v", granted.Hosts, denied)
	}
}
