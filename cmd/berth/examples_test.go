package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/host"
	"berth/host/lookup"
	"berth/host/store"
	"berth/sandbox"
)

// example is a plugin of the examples folder and calls whose answers its README
// promises.
type example struct {
	plugin string
	dir    string
	build  func(t *testing.T, src, dst, plugin string) // makes <dst>/<plugin>.wasm
	calls  []exampleCall
}

type exampleCall struct {
	function string
	body     string
	want     string
	rejected bool // the function says no, with this text
}

func examples() []example {
	return []example{
		{"toolbox", "go", buildGo, []exampleCall{
			{"geohash", `[48.2082,16.3738,7]`, `"u2edk85"`, false},
			{"geohash", `[57.64911,10.40744,11]`, `"u4pruydqqvj"`, false},
			{"geohash", `[91,0]`, "lat must be from -90 to 90, got 91", true},
			{"pick", `[{"a":{"b":[1,2,{"c":"found"}]}},"a.b[2].c"]`, `"found"`, false},
			{"pick", `[{"a":1},"x.y"]`, `null`, false},
			{"convert", `[100,"C","F"]`, `212`, false},
			{"convert", `[26.2,"mi","km"]`, `42.1648128`, false},
		}},
		{"tiny", "c", checkedIn, []exampleCall{
			{"echo", `hello`, `hello`, false},
			{"crc32", `123456789`, `cbf43926`, false},
			{"crc32", ``, `00000000`, false},
			{"median_low", `[21.5,19,20.25]`, `20.25`, false},
			{"median_low", `["warm"]`, "want an array of numbers, at least one", true},
		}},
		{"vowels", "extism-go", buildGo, []exampleCall{
			{"nop", ``, ``, false},
			{"greet", `{"name":"Ada"}`, `{"greeting":"Hello, Ada!"}`, false},
			{"greet", `{}`, "whom shall I greet? The name is empty", true},
			{"fail", `no luck`, "no luck", true},
		}},
		{"letters", "extism-c", checkedIn, []exampleCall{
			{"noop", ``, ``, false},
			{"mirror", `hello, mirror`, `hello, mirror`, false},
			{"mirror", ``, ``, false},
			{"vowels", `Hello, World!`, `{"vowels":3}`, false},
			{"unit", ``, `C`, false},
		}},
		{"prose", "extism-rust", buildRust, []exampleCall{
			{"title_case", `the lord of the rings`, `The Lord of the Rings`, false},
			{"reading_time", `{"text":"to be or not to be, that is the question","words_per_minute":100}`, `{"words":10,"longest":"question","seconds":6}`, false},
			{"reading_time", `{"text":"x","words_per_minute":0}`, "words_per_minute must be more than zero", true},
		}},
		{"nicknames", "extism-assemblyscript", checkedIn, []exampleCall{
			{"acronym", `heating ventilation and air conditioning`, `HVAAC`, false},
		}},
		{"gauges", "assemblyscript", checkedIn, []exampleCall{
			{"fahrenheit", `[21.5]`, `70.7`, false},
			{"clamp", `[12,0,10]`, `10`, false},
			{"fibonacci", `[90]`, `2880067194370816120`, false},
			{"letters", `["grüße 👋 xyz"]`, `9`, false},
			{"find", `["temperature","rat"]`, `5`, false},
			{"find", `["temperature","zz"]`, `-1`, false},
			{"scaled", `["21.5°C",2]`, `43`, false},
			{"scaled", `["warm",2]`, `null`, false},
		}},
		{"desk", "wapc-c", checkedIn, []exampleCall{
			{"upper", `hello, wapc`, `HELLO, WAPC`, false},
			{"ask_host", `anything`, "this host offers no operation example/desk/ask", true},
		}},
		{"wordcount", "command-c", checkedIn, []exampleCall{
			{"wordcount", "one two\nthree\n", "{\"lines\":2,\"words\":3,\"bytes\":14}\n", false},
			{"wordcount", "a\x00b", "byte 2 is 0: this is no text", true},
		}},
		{"tally", "command-go", buildGoCommand, []exampleCall{
			{"tally", "b\na\nb\n", "2 b\n1 a\n", false},
		}},
		{"textkit", "rust", buildRust, []exampleCall{
			{"slugify", "Crème brûlée & Äpfel: 3 €/kg", "creme-brulee-apfel-3-kg", false},
			{"levenshtein", `["kitten","sitting"]`, `3`, false},
			{"levenshtein", `["a",1]`, "want a JSON array of two strings", true},
			{"similarity", `["kitten","sitting"]`, `0.5714`, false},
		}},
	}
}

func buildGo(t *testing.T, src, dst, plugin string) {
	goBuild(t, src, filepath.Join(dst, plugin+".wasm"), "-buildmode=c-shared")
}

func buildGoCommand(t *testing.T, src, dst, plugin string) {
	goBuild(t, src, filepath.Join(dst, plugin+".wasm"))
}

func goBuild(t *testing.T, src, file string, flags ...string) {
	t.Helper()
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", file, ".")...)
	cmd.Dir = src
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func checkedIn(t *testing.T, src, dst, plugin string) {
	build := filepath.Join(dst, plugin+".wasm")
	copyFile(t, filepath.Join(src, plugin+".wasm"), build)
	most := map[string]int64{"tiny": 2 << 10}[plugin]
	if most == 0 {
		most = 100 << 10
	}
	if info, err := os.Stat(build); err != nil || info.Size() > most {
		t.Errorf("%s.wasm is %d bytes, over %d (%v)", plugin, info.Size(), most, err)
	}
}

// buildRust skips where the toolchain for the target, or a crate, is not to be
// had: a machine without it is no fault of Berth's.
func buildRust(t *testing.T, src, dst, plugin string) {
	const target = "wasm32-unknown-unknown"
	installed, err := exec.Command("rustc", "--print", "target-libdir", "--target", target).Output()
	if err != nil {
		t.Skip("the Rust example is not tested: there is no rustc")
	}
	if _, err := os.Stat(strings.TrimSpace(string(installed))); err != nil {
		t.Skip("the Rust example is not tested: the target " + target + " is not installed (rustup target add " + target + ")")
	}
	built, err := filepath.Abs(filepath.Join("..", "..", "bin", "cargo")) // kept: crates take a minute to compile
	if err != nil {
		t.Fatal(err)
	}
	cargo := func(args ...string) ([]byte, error) {
		cmd := exec.Command("cargo", args...)
		cmd.Dir = src
		cmd.Env = append(os.Environ(), "CARGO_TARGET_DIR="+built)
		return cmd.CombinedOutput()
	}
	if out, err := cargo("fetch", "--locked", "--offline", "--target", target); err != nil {
		t.Skipf("the Rust example is not tested: its crates are not here (make rust fetches them): %s", out)
	}
	if out, err := cargo("build", "--release", "--locked", "--offline", "--target", target); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	copyFile(t, filepath.Join(built, target, "release", plugin+".wasm"), filepath.Join(dst, plugin+".wasm"))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// command runs the command in this process.
func command(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(t.Context(), args, nil, strings.NewReader(stdin), &out, &errOut)
	return code, out.String(), errOut.String()
}

// TestExamples calls every function of every example through the REST API, the
// command line, and the host as a library.
func TestExamples(t *testing.T) {
	s, _ := serveWith(t, t.TempDir())
	library := openLibrary(t)
	for _, e := range examples() {
		t.Run(e.plugin, func(t *testing.T) {
			src, dir := filepath.Join("..", "..", "examples", "functions", e.dir), t.TempDir()
			e.build(t, src, dir, e.plugin)
			copyFile(t, filepath.Join(src, e.plugin+".json"), filepath.Join(dir, e.plugin+".json"))
			zip := filepath.Join(t.TempDir(), e.plugin+".zip")
			if code, _, errOut := command(t, "", "pack", dir, "-o", zip); code != 0 {
				t.Fatalf("pack: exit code %d: %s", code, errOut)
			}
			if code, _, errOut := command(t, "", "plugin", "create", e.plugin, zip, "--host", s.base); code != 0 {
				t.Fatalf("create: exit code %d: %s", code, errOut)
			}
			if _, err := library.Install(t.Context(), host.Request{Kind: host.Functions, Name: e.plugin, File: "file://" + zip}); err != nil {
				t.Fatal(err)
			}
			for _, c := range e.calls {
				c.rest(t, s.base)
				c.command(t, s.base)
				c.library(t, library)
			}
		})
	}
}

func (c exampleCall) rest(t *testing.T, base string) {
	t.Helper()
	resp, err := http.Post(base+"/invoke/"+c.function, "application/json", strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	status := http.StatusOK
	if c.rejected {
		status = http.StatusUnprocessableEntity
	}
	if err != nil || resp.StatusCode != status || !strings.Contains(string(got), c.want) || !c.rejected && string(got) != c.want {
		t.Errorf("POST /invoke/%s %s: %d %s (%v), want %d %s", c.function, c.body, resp.StatusCode, got, err, status, c.want)
	}
}

func (c exampleCall) command(t *testing.T, base string) {
	t.Helper()
	code, out, errOut := command(t, c.body, "invoke", c.function, "-", "--host", base)
	switch {
	case c.rejected && (code != int(exitRejected) || !strings.Contains(errOut, c.want)):
		t.Errorf("berth invoke %s %s: exit code %d: %s, want %s", c.function, c.body, code, errOut, c.want)
	case !c.rejected && (code != 0 || strings.TrimRight(out, "\n") != strings.TrimRight(c.want, "\n")):
		t.Errorf("berth invoke %s %s: exit code %d: %s%s, want %s", c.function, c.body, code, out, errOut, c.want)
	}
}

func (c exampleCall) library(t *testing.T, h *host.Host) {
	t.Helper()
	got, err := h.Invoke(t.Context(), c.function, nil, []byte(c.body))
	switch {
	case c.rejected && (host.CodeOf(err) != host.CodeRejected || !strings.Contains(host.Cause(err), c.want)):
		t.Errorf("Invoke(%s, %s): %v, want %s", c.function, c.body, err, c.want)
	case !c.rejected && (err != nil || string(got) != c.want):
		t.Errorf("Invoke(%s, %s): %s, %v, want %s", c.function, c.body, got, err, c.want)
	}
}

// openLibrary opens a host the way a program does that embeds one.
func openLibrary(t *testing.T) *host.Host {
	t.Helper()
	dir := t.TempDir()
	records, err := store.Open(filepath.Join(dir, "berth.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := lookup.New(256<<20, lookup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{Dir: dir, Store: records, Cache: cache, Engines: []host.Engine{sandbox.New()}, Policy: host.DefaultPolicy()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
		cache.Close()
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}
