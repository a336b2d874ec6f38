package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const functionsFolder = "kuiper-plugins/2.4.0/debian/functions"

// putZip puts a package of some files into a tree.
func putZip(t *testing.T, path string, files map[string]string) {
	t.Helper()
	data, err := os.ReadFile(zipped(t, files))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, string(data))
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPackIndex makes a plugin host of a folder, serves it as any web server would, and has a host list what is there and
// install it.
func TestPackIndex(t *testing.T) {
	tree := t.TempDir()
	calc := folder(t, "calc", "calc.wasm", guest(t, "add"), "calc.json", `{"version":"v1.2.3","functions":["add"]}`)
	if err := os.MkdirAll(filepath.Join(tree, functionsFolder), 0o755); err != nil {
		t.Fatal(err)
	}
	putZip(t, filepath.Join(tree, functionsFolder, "echo_"+runtime.GOARCH+".zip"), map[string]string{"echo.wasm": guest(t, "echo")})
	putZip(t, filepath.Join(tree, functionsFolder, "echo_mips.zip"), map[string]string{"echo.wasm": guest(t, "echo")})
	code, stdout, stderr := berth(t, nil, "pack", calc, "-o", filepath.Join(tree, functionsFolder, "calc.zip"), "--index", tree)
	wrote := "wrote " + filepath.Join(tree, functionsFolder, "index.json") + " (3 packages)\n"
	if code != 0 || !strings.Contains(stdout, "packed ") || !strings.Contains(stdout, wrote) {
		t.Fatalf("exit %d, %s%s", code, stdout, stderr)
	}

	web := httptest.NewServer(http.FileServer(http.Dir(tree)))
	t.Cleanup(web.Close)
	s, _ := serveWith(t, t.TempDir(), "--plugin-hosts", web.URL, "--plugin-system=debian")
	status, body := s.do("GET", "/plugins/functions/prebuild", "")
	var offered map[string]string
	if err := json.Unmarshal([]byte(body), &offered); err != nil || status != http.StatusOK || len(offered) != 2 {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	for name, want := range map[string]string{"calc": "calc.zip", "echo": "echo_" + runtime.GOARCH + ".zip"} {
		if offered[name] != web.URL+"/"+functionsFolder+"/"+want {
			t.Errorf("%s: %s", name, offered[name])
		}
	}
	if status, body := s.do("POST", "/plugins/functions", `{"name":"calc","file":"`+offered["calc"]+`"}`); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	s.wants("add", "[40,2]", "42")
	code, _, stderr = berth(t, nil, "plugin", "create", "echo", offered["echo"], "--host", s.base)
	if code != 0 {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	s.wants("echo", "hello", "hello")
	if status, body := s.do("GET", "/plugins/sources/prebuild", ""); status != http.StatusOK || body != "{}" {
		t.Errorf("a kind that the tree does not have: %d %s", status, body)
	}
}

// TestPackIndexText: the index is sorted, tells what the packages say of themselves, and is the same each time.
func TestPackIndexText(t *testing.T) {
	tree := t.TempDir()
	in := func(elements ...string) string {
		return filepath.Join(append([]string{tree, "kuiper-plugins"}, elements...)...)
	}
	calc := map[string]string{"calc.wasm": wasm, "calc.json": `{"version":"v1.2.3"}`}
	putZip(t, in("2.4.0", "debian", "functions", "my_calc_arm.zip"), map[string]string{"My_calc@v0.1.so": "so"})
	putZip(t, in("2.4.0", "debian", "functions", "calc.zip"), map[string]string{"calc/calc.wasm": wasm}) // in a folder of its own
	putZip(t, in("2.4.0", "debian", "functions", "calc_arm64.zip"), calc)
	putZip(t, in("2.4.0", "debian", "sources", "random_amd64.zip"), map[string]string{"Random.so": "so", "random.yaml": "a: b"})
	writeFile(t, in("2.4.0", "debian", "functions", "calc.zip.sig"), "signature")
	writeFile(t, in("2.4.0", "debian", "functions", ".berth-1.zip"), "being written")
	writeFile(t, in("2.4.0", "debian", "functions", "index.json"), "the old one")
	writeFile(t, in("2.4.0", "debian", "portables", "x.zip"), "not of a kind that is listed")
	writeFile(t, in("2.4.0", "README"), "no folder")
	writeFile(t, in("1.0.0", "debian", "README"), "of no kind")
	if err := os.Symlink("debian", in("2.4.0", "alpine")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(in("v3", "debian", "sinks"), 0o755); err != nil {
		t.Fatal(err)
	}

	code, stdout, stderr := berth(t, nil, "pack", "--index", tree)
	var want string
	for _, line := range []string{
		"2.4.0/alpine/functions/index.json (3 packages)", "2.4.0/alpine/sinks/index.json (0 packages)", "2.4.0/alpine/sources/index.json (1 package)",
		"2.4.0/debian/functions/index.json (3 packages)", "2.4.0/debian/sinks/index.json (0 packages)", "2.4.0/debian/sources/index.json (1 package)",
		"v3/debian/functions/index.json (0 packages)", "v3/debian/sinks/index.json (0 packages)", "v3/debian/sources/index.json (0 packages)",
	} {
		want += "wrote " + in() + "/" + line + "\n"
	}
	if code != 0 || stdout != want || stderr != "" {
		t.Fatalf("exit %d, %s%s, want %s", code, stdout, stderr, want)
	}
	const place = "2.4.0/debian/functions"
	text := readText(t, in(place, "index.json"))
	want = `{
  "plugins": [
    {
      "name": "calc",
      "file": "calc.zip",
      "sha256": "` + hashOf(readText(t, in(place, "calc.zip"))) + `"
    },
    {
      "name": "calc",
      "version": "1.2.3",
      "arch": "arm64",
      "file": "calc_arm64.zip",
      "sha256": "` + hashOf(readText(t, in(place, "calc_arm64.zip"))) + `"
    },
    {
      "name": "my_calc",
      "version": "0.1",
      "arch": "arm",
      "file": "my_calc_arm.zip",
      "sha256": "` + hashOf(readText(t, in(place, "my_calc_arm.zip"))) + `"
    }
  ]
}
`
	if text != want {
		t.Errorf("%s\nwant %s", text, want)
	}
	if text := readText(t, in("v3", "debian", "sinks", "index.json")); text != "{\n  \"plugins\": []\n}\n" {
		t.Errorf("of an empty folder: %s", text)
	}
	if info, err := os.Stat(in(place, "index.json")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	_, stdout, _ = berth(t, nil, "pack", "--index", tree, "--json")
	var result struct{ Indexes []indexed }
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || len(result.Indexes) != 9 || len(result.Indexes[3].Plugins) != 3 {
		t.Errorf("%v, %s", err, stdout)
	}
	if again := readText(t, in(place, "index.json")); again != text {
		t.Errorf("the same packages made another index: %s", again)
	}
	if left, _ := filepath.Glob(in("*", "*", "*", ".berth-*.json")); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}

// TestPackIndexRefused: every faulty package is named, and no index is written.
func TestPackIndexRefused(t *testing.T) {
	tree := t.TempDir()
	in := func(elements ...string) string {
		return filepath.Join(append([]string{tree, functionsFolder}, elements...)...)
	}
	writeFile(t, in("index.json"), "the old one")
	putZip(t, in("good.zip"), map[string]string{"good.wasm": wasm})
	putZip(t, in("other_arm64.zip"), map[string]string{"different.wasm": wasm})
	putZip(t, in("misspelt.zip"), map[string]string{"misspelt.wasm": wasm, "misspelt.json": `{"limits":{"memroy":"1MiB"}}`})
	putZip(t, in("a name.zip"), map[string]string{"a.wasm": wasm})
	putZip(t, in("up.zip"), map[string]string{"up.wasm": wasm, "../up": "x"})
	putZip(t, in("../sources/bare_arm64.zip"), map[string]string{"Bare.so": "so"})
	putZip(t, in("../sinks/good.zip"), map[string]string{"good.wasm": wasm})
	writeFile(t, in("text.zip"), "this is no zip")
	if err := syscall.Mkfifo(in("pipe.zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := berth(t, nil, "pack", "--index", tree)
	if code != int(exitRefused) || stdout != "" {
		t.Errorf("exit %d, %s", code, stdout)
	}
	for _, want := range []string{
		in("other_arm64.zip") + `: no build of "other" is in`, in("misspelt.zip") + ": manifest misspelt.json", "memroy",
		in("a name.zip") + ": id 'a name' contains invalid characters", "name the file <name>_<arch>.zip",
		in("up.zip") + ": no host would take this package", in("text.zip") + ": no host would take this package: zip: not a valid zip file",
		in("pipe.zip") + ": it is no regular file", in("../sources/bare_arm64.zip") + ": there is no bare.yaml in it",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}
	if n := strings.Count(stderr, ".zip: "); n != 7 {
		t.Errorf("%d packages are blamed:\n%s", n, stderr)
	}
	if strings.Contains(stderr, "good") {
		t.Errorf("a good package is blamed:\n%s", stderr)
	}
	if text := readText(t, in("index.json")); text != "the old one" {
		t.Errorf("the index is now %s", text)
	}
	if _, err := os.Stat(in("../sinks/index.json")); err == nil {
		t.Error("another index was written")
	}
}

func TestPackIndexUsage(t *testing.T) {
	empty, calc := t.TempDir(), folder(t, "calc", "calc.wasm", wasm)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--index", empty}, "has no folder kuiper-plugins/<version>/<system>/<kind>"},
		{[]string{"--index", filepath.Join(empty, "gone")}, "no such file"},
		{[]string{"--index", empty, "-o", "x.zip"}, "none is given"},
		{[]string{"--index", empty, "--all"}, "none is given"},
		{[]string{"--index", empty, "a", "b"}, "2 arguments"},
		{[]string{"--index="}, "0 arguments"},
		{nil, "0 arguments"},
	} {
		code, _, stderr := berth(t, nil, slices.Concat([]string{"pack"}, tt.args)...)
		if code != int(exitUsage) || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit %d, %s", tt.args, code, stderr)
		}
	}
	// What was packed is said, though the tree is none.
	code, stdout, stderr := berth(t, nil, "pack", calc, "-o", filepath.Join(empty, "calc.zip"), "--index", empty)
	if code != int(exitUsage) || !strings.Contains(stdout, "packed ") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}
