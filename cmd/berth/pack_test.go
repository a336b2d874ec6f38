package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/host/archive"
)

const wasm = "\x00asm\x01\x00\x00\x00"

// folder makes a folder of the files given as path, content, path, content.
func folder(t *testing.T, name string, files ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(files); i += 2 {
		writeFile(t, filepath.Join(dir, files[i]), files[i+1])
	}
	return dir
}

func TestPackRoundTrip(t *testing.T) {
	dir := folder(t, "any", "tool.json", `{"version":"v1","executable":"bin/tool"}`, "tool.wasm", wasm, "bin/tool", "#!", "etc/a/b", "b",
		"sources/s.yaml", "s", "linux-arm64/Tool@v1.so", "so", "linux-arm64/Other.so", "no", "tool.so", "so", "tool.yaml", "y", "tool.go", "go",
		"README.md", "r", ".git/x", "x", "node_modules/a/a.wasm", wasm, "tool.zip", "old", "install.sh", "sh", "empty.txt", "")
	if err := os.Chmod(filepath.Join(dir, "bin/tool"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Symlink("x", "node_modules/link"); err != nil {
		t.Fatal(err)
	}
	made, err := packing{dir: "."}.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"bin/tool", "etc/a/b", "install.sh", "linux-arm64/Tool@v1.so", "sources/s.yaml", "tool.json", "tool.so", "tool.wasm", "tool.yaml"}
	if made.Name != "tool" || made.File != "tool.zip" || !slices.Equal(made.Packed, want) || len(made.Warnings) != 1 {
		t.Errorf("%+v", made)
	}
	out := []string{"node_modules/link", "README.md", "empty.txt", "linux-arm64/Other.so", "node_modules/a/a.wasm", "tool.go", ".git/"}
	if !slices.Equal(made.LeftOut, out) {
		t.Errorf("left out: %q", made.LeftOut)
	}

	data, err := os.ReadFile("tool.zip")
	if err != nil || int64(len(data)) != made.Size {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	contents, err := archive.Unpack(t.Context(), bytes.NewReader(data), made.Size, root, archive.Limits{})
	if err != nil || contents.Enclosing != "" || len(contents.Entries) != len(want) {
		t.Fatalf("%+v, %v", contents, err)
	}
	for i, entry := range contents.Entries {
		if entry.Path != want[i] || entry.Executable != (entry.Path == "bin/tool") {
			t.Errorf("%+v, want %s", entry, want[i])
		}
	}
}

func TestPackIsDeterministic(t *testing.T) {
	files := []string{"tool.json", `{"version":"v1"}`, "tool.wasm", wasm + strings.Repeat("x", 5000), "etc/b", "b", "etc/a", "a"}
	var zips [][]byte
	for i := range 2 {
		dir := folder(t, "tool", files...)
		at := time.Now().Add(time.Duration(i-7) * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "tool.wasm"), at, at); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, "etc/a"), []os.FileMode{0o600, 0o666}[i]); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "x.zip")
		if _, err := (packing{dir: dir, out: out}).run(t.Context()); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		zips = append(zips, data)
		slices.Reverse(files)
		for j := 0; j < len(files); j += 2 {
			files[j], files[j+1] = files[j+1], files[j]
		}
	}
	if !bytes.Equal(zips[0], zips[1]) {
		t.Error("the same files made two different zips")
	}
}

func TestPackNames(t *testing.T) {
	for _, tt := range []struct {
		name   string
		asked  string
		folder string
		files  []string
		want   string // the name, or part of the refusal
	}{
		{"by build", "", "x", []string{"a.wasm", wasm, "package.json", "{}"}, "a"},
		{"by build and manifest", "", "x", []string{"a.wasm", wasm, "b.wasm", wasm, "b.json", "{}"}, "b"},
		{"by folder", "", "a", []string{"a.wasm", wasm, "b.wasm", wasm}, "a"},
		{"by manifest", "", "x", []string{"a.json", `{"executable":"run"}`, "run", "#!"}, "a"},
		{"by native build", "", "x", []string{"echo@v1.so", "so"}, "echo"},
		{"as asked", "b", "x", []string{"a.wasm", wasm, "b.wasm", wasm}, "b"},
		{"two builds", "", "x", []string{"a.wasm", wasm, "b.wasm", wasm}, "say which with --name"},
		{"no name", "", "x", []string{"a b.wasm", wasm}, "invalid characters"},
		{"nothing", "", "x", nil, `no build of "x" is in the folder: expected x.wasm, X.so or an executable named in x.json, found: nothing`},
		{"no build of that name", "c", "x", []string{"a.wasm", wasm}, `no build of "c"`},
		{"manifest is no JSON", "", "x", []string{"a.wasm", wasm, "a.json", "{"}, "manifest a.json"},
		{"manifest of another", "", "x", []string{"a.wasm", wasm, "a.json", `{"name":"b"}`}, `its name is "b"`},
		{"manifest misspelt", "", "x", []string{"a.wasm", wasm, "a.json", `{"limits":{"memroy":"1MiB"}}`}, "memroy"},
		{"manifest over limits", "", "x", []string{"a.wasm", wasm, "a.json", `{"limits":{"memory":"1GiB"}}`}, "1GiB"},
		{"no executable", "", "x", []string{"a.json", `{"executable":"run"}`}, `names the executable "run"`},
		{"bad entry name", "", "x", []string{"a.wasm", wasm, `etc/a\b`, "x"}, "backslash"},
		{"device name", "", "x", []string{"a.wasm", wasm, `etc/nul`, "x"}, "device"},
		{"bomb", "", "x", []string{"a.wasm", wasm, "etc/zero", strings.Repeat("\x00", 2<<20)}, "200-fold"},
	} {
		dir := folder(t, tt.folder, tt.files...)
		out := filepath.Join(t.TempDir(), "out.zip")
		made, err := packing{dir: dir, name: tt.asked, out: out}.run(t.Context())
		_, missing := os.Stat(out)
		switch {
		case err == nil && (made.Name != tt.want || missing != nil):
			t.Errorf("%s: %+v, %v", tt.name, made, missing)
		case err != nil && !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		case err != nil && (exitOf(err) != exitRefused && exitOf(err) != exitUsage || missing == nil):
			t.Errorf("%s: exit %d, a zip was written: %v", tt.name, exitOf(err), missing == nil)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), ".berth-*")); len(left) > 0 {
			t.Errorf("%s: %v is left behind", tt.name, left)
		}
	}
}

func TestPackRefusesOddFiles(t *testing.T) {
	for what, make := range map[string]func(path string) error{
		"symbolic link": func(path string) error { return os.Symlink("/etc/passwd", path) },
		"named pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		dir := folder(t, "a", "a.wasm", wasm, "etc/x", "x")
		if err := make(filepath.Join(dir, "etc/odd")); err != nil {
			t.Fatal(err)
		}
		_, err := packing{dir: dir, out: filepath.Join(t.TempDir(), "a.zip")}.run(t.Context())
		if exitOf(err) != exitRefused || !strings.Contains(err.Error(), "etc/odd is a "+what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPackKeepsTheOldZip(t *testing.T) {
	dir := folder(t, "a", "a.wasm", wasm, "a.json", "{")
	out := writeFile(t, filepath.Join(t.TempDir(), "a.zip"), "old")
	if _, err := (packing{dir: dir, out: out}).run(t.Context()); err == nil {
		t.Fatal("a bad manifest was packed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	writeFile(t, filepath.Join(dir, "a.json"), "{}")
	if _, err := (packing{dir: dir, out: out}).run(ctx); err == nil {
		t.Fatal("packing went on when it was interrupted")
	}
	if data, err := os.ReadFile(out); err != nil || string(data) != "old" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestPackCommand(t *testing.T) {
	dir := folder(t, "a", "a.wasm", wasm, "notes.txt", "x", "a.zip", "old")
	t.Chdir(dir)
	code, stdout, stderr := berth(t, nil, "pack", ".", "--json", "--all")
	var made packed
	if err := json.Unmarshal([]byte(stdout), &made); code != 0 || err != nil || !slices.Equal(made.Packed, []string{"a.wasm", "notes.txt"}) {
		t.Errorf("exit %d, %v, %s%s", code, err, stdout, stderr)
	}
	code, stdout, stderr = berth(t, nil, "pack", dir, "-o", "b.zip")
	if code != 0 || !strings.Contains(stdout, "packed b.zip") || stderr != "left out: a.zip notes.txt\n" {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
	if code, _, _ := berth(t, nil, "pack", "gone"); code != int(exitUsage) {
		t.Errorf("a folder that is not there: exit %d", code)
	}
}

// TestPackModules packs an Extism manifest with what it names, whatever that is called, and takes the plugin's name from it.
func TestPackModules(t *testing.T) {
	dir := folder(t, "any", "tool.json", `{"wasm":[{"path":"./build/lib.wasm","name":"lib"},{"path":"main.wasm"},{"data":"AGFzbQ==","name":"x"}]}`,
		"build/lib.wasm", wasm, "main.wasm", wasm, "other.wasm", wasm)
	made, err := packing{dir: dir, out: filepath.Join(t.TempDir(), "tool.zip")}.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"build/lib.wasm", "main.wasm", "tool.json"}; made.Name != "tool" || !slices.Equal(made.Packed, want) || !slices.Equal(made.LeftOut, []string{"other.wasm"}) {
		t.Errorf("%+v", made)
	}
	dir = folder(t, "any", "tool.json", `{"wasm":[{"path":"gone.wasm"}]}`, "tool.wasm", wasm)
	if _, err := (packing{dir: dir, out: filepath.Join(t.TempDir(), "tool.zip")}).run(t.Context()); exitOf(err) != exitRefused || !strings.Contains(err.Error(), `the module "gone.wasm", which is not in the folder`) {
		t.Errorf("%v", err)
	}
}
