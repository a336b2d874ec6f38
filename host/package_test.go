package host

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// unpacked makes a package's folder of files and their contents.
func unpacked(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for file, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openFiles(t *testing.T, name string, files map[string]string) (*Package, error) {
	t.Helper()
	return openPackage(Functions, name, "digest", unpacked(t, files), "/cache", DefaultLimits())
}

func TestNativeBuildNames(t *testing.T) {
	for file, want := range map[string]struct {
		version string
		native  bool
	}{
		"echo.so": {"", true}, "Echo.so": {"", true}, "Echo@v1.2.0.so": {"v1.2.0", true}, "echo@1.so": {"1", true}, "echo@.so": {"", true},
		"echo@a@b.so": {"a@b", true}, "linux-arm64/Echo@v2.so": {"v2", true},
		"ECHO.so": {}, "echo2.so": {}, "myecho.so": {}, "echo.so.1": {}, "echo": {}, "so": {}, "echo.wasm": {}, "@v1.so": {}, "a/b/echo.so": {},
	} {
		p, err := openFiles(t, "echo", map[string]string{file: ""})
		if err != nil {
			t.Fatal(err)
		}
		builds := p.Native()
		if native := len(builds) == 1; native != want.native || native && builds[0] != file {
			t.Errorf("%s: native builds %v", file, builds)
		}
		if p.Version != want.version {
			t.Errorf("%s: version %q, want %q", file, p.Version, want.version)
		}
	}
}

// TestNativeBuildFolders: other targets' builds lie in <os>-<arch>/, and what
// lies in another folder is no build.
func TestNativeBuildFolders(t *testing.T) {
	p, err := openFiles(t, "echo", map[string]string{"linux-arm/echo.so": "", "etc/echo.so": "", "sources/Echo.so": "", "Echo.so": ""})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Native(), []string{"Echo.so", "linux-arm/echo.so"}; !reflect.DeepEqual(got, want) {
		t.Errorf("native builds %v, want %v", got, want)
	}
}

func TestExportedName(t *testing.T) {
	for name, want := range map[string]string{"echo": "Echo", "Echo": "Echo", "_x": "_x", "-x": "-x", "9": "9", "e": "E"} {
		if got := Exported(name); got != want {
			t.Errorf("%s becomes %s, want %s", name, got, want)
		}
	}
}

func TestOpenPackage(t *testing.T) {
	p, err := openFiles(t, "echo", map[string]string{
		"echo.wasm": "x", "Echo@v9.so": "", "etc/echo/conf.yaml": "yy", "a.txt": "", "echo.json": `{"version":"v1","limits":{"instances":1},"encoding":{"f":"json"}}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"Echo@v9.so", "a.txt", "echo.json", "echo.wasm", "etc/echo/conf.yaml"}; !reflect.DeepEqual(p.Files, want) {
		t.Errorf("files %v, want %v", p.Files, want)
	}
	for file, want := range map[string]bool{"echo.wasm": true, "etc/echo/conf.yaml": true, "etc": false, "etc/echo": false, "": false, "none": false} {
		if p.Has(file) != want {
			t.Errorf("Has(%q) = %v", file, !want)
		}
	}
	if p.Version != "v1" || p.Limits.Instances != 1 || p.Wasm() != "echo.wasm" {
		t.Errorf("version %q (the manifest's goes first), instances %d, wasm %s", p.Version, p.Limits.Instances, p.Wasm())
	}
	if p.Path("etc/echo/conf.yaml") != filepath.Join(p.Dir, "etc", "echo", "conf.yaml") {
		t.Errorf("path %s", p.Path("etc/echo/conf.yaml"))
	}
	if p.Encoding("f", EncodingRaw) != EncodingJSON || p.Encoding("g", EncodingRaw) != EncodingRaw {
		t.Error("the manifest's encoding, else the implied one")
	}
	if err := p.checkContents(); err != nil {
		t.Error(err)
	}
}

func TestMissingBuild(t *testing.T) {
	p, err := openFiles(t, "echo", map[string]string{"Other.wasm": "", "README.md": ""})
	if err != nil {
		t.Fatal(err)
	}
	const want = `invalid zip file: no build of "echo" in it: expected echo.wasm or Echo.so, found: Other.wasm README.md: there is Other.wasm, whose name does not fit: name it echo.wasm, or install the plugin under the name Other`
	if err := p.checkContents(); err == nil || err.Error() != want || CodeOf(err) != CodeInvalid {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	empty, err := openFiles(t, "echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.checkContents(); err == nil || !strings.HasSuffix(err.Error(), "found: nothing") {
		t.Errorf("an empty package: %v", err)
	}
	files := map[string]string{}
	for i := range 500 {
		files[strings.Repeat("f", i/26+1)+string(rune('a'+i%26))] = ""
	}
	crowd, err := openFiles(t, "echo", files)
	if err != nil {
		t.Fatal(err)
	}
	if err := crowd.checkContents(); err == nil || len(err.Error()) > 400 {
		t.Errorf("the message about 500 files has %d bytes", len(err.Error()))
	}
	executable, err := openFiles(t, "echo", map[string]string{"echo.json": `{"executable":"run"}`})
	if err != nil {
		t.Fatal(err)
	}
	if err := executable.checkContents(); err == nil {
		t.Error("an executable is taken for functions in process")
	}
}

func TestOpenPackageRefuses(t *testing.T) {
	for _, test := range []struct{ name, manifest, want string }{
		{"manifest", `{`, "manifest echo.json: unexpected end of JSON input"},
		{"name", `{"name":"ECHO"}`, "invalid plugin, expect name 'echo' but got 'ECHO'"},
		{"limits", `{"limits":{"memory":"1TiB"}}`, `"limits.memory" asks for 1TiB, over this host's 64MiB`},
		{"size", strings.Repeat(" ", maxManifest+1), "manifest echo.json: the manifest has 1048577 bytes"},
	} {
		_, err := openFiles(t, "echo", map[string]string{"echo.json": test.manifest, "echo.wasm": ""})
		if CodeOf(err) != CodeInvalid || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
	if _, err := openPackage(Functions, "echo", "d", filepath.Join(t.TempDir(), "gone"), "", DefaultLimits()); CodeOf(err) != CodeInternal || err == nil {
		t.Errorf("a folder that is gone: %v", err)
	}
}
