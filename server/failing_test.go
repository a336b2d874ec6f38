package server_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

// failure is a way in which an update fails.
type failure struct {
	name  string
	file  string            // its URI; empty: that of files
	files map[string]string // of the package
	raw   []byte            // the zip, if it is none of files
	more  map[string]any    // what else the request says
	late  bool              // a time limit is over: it is answered with 504, not 400
	says  string
}

// guest is one of the sandbox's test guests.
func guest(t testing.TB, name string) string {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("..", "sandbox", "testdata", "guests", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return string(wasm)
}

// failures are the ways in which an update of a plugin can fail, step by step.
func (s subject) failures(t *testing.T, server string) []failure {
	// with is the package of version 2 with a file that is another.
	with := func(name, text string) map[string]string {
		f := s.files(2, "")
		f[name] = text
		return f
	}
	manifest := func(more string) string { return strings.TrimSuffix(s.files(2, "")[s.name+".json"], "}") + more + "}" }
	good := pack(s.files(2, ""))
	build, json := s.name+".wasm", s.name+".json"
	return []failure{
		{name: "uri", file: "ftp://127.0.0.1/x.zip", says: "invalid uri ftp://"},
		{name: "no file", file: "file:///nowhere/x.zip", says: "no such file"},
		{name: "no server", file: "http://127.0.0.1:1/x.zip", says: "connection refused"},
		{name: "server says no", file: server + "/absent.zip", says: "404"},
		{name: "cut off", file: server + "/cut.zip", says: "fail to download file"},
		{name: "digest", files: s.files(2, ""), more: map[string]any{"sha256": strings.Repeat("0", 64)}, says: "fail to install plugin: the zip's sha256 is "},
		{name: "no digest", files: s.files(2, ""), more: map[string]any{"sha256": "x"}, says: "sha256"},
		{name: "no zip", raw: []byte("no zip"), says: "zip: not a valid zip file"},
		{name: "half a zip", raw: good[:len(good)/2], says: "zip: not a valid zip file"},
		{name: "damaged", raw: damaged(good), says: "fail to install plugin: "},
		{name: "climbs out", files: with("../evil", "x"), says: "climbs out of the package"},
		{name: "twice", files: with(strings.ToUpper(build), "x"), says: "differs only in case"},
		{name: "manifest", files: with(json, "{"), says: "manifest " + json},
		{name: "limits", files: with(json, manifest(`,"limits":{"memory":"a lot"}`)), says: "manifest " + json + `: "a lot" is not a size`},
		{name: "name", files: with(json, manifest(`,"name":"another"`)), says: "expect name '" + s.name + "' but got 'another'"},
		{name: "no build", files: map[string]string{json: s.files(2, "")[json]}, says: build},
		{name: "script fails", files: with("install.sh", "echo no luck; exit 3"), says: "exit status 3: install.sh failed; its output ended with: no luck"},
		{name: "no script", files: s.files(2, ""), more: map[string]any{"shellParas": []string{"x"}}, says: "have shell parameters : [x] but no install.sh file"},
		{name: "script spoils it", files: with("install.sh", "echo x > "+build), says: "fail to install plugin: "},
		{name: "no module", files: with(build, "no module"), says: "fail to install plugin: "},
		{name: "traps at the start", files: with(build, guest(t, "start_trap")), says: "fail to install plugin: "},
		{name: "unknown import", files: with(build, guest(t, "imports")), says: "fail to install plugin: "},
		{name: "unknown function", files: s.files(2, ""), more: map[string]any{"functions": []string{"nothing"}}, says: "function nothing: "},
		{name: "clash", files: s.files(2, ""), more: map[string]any{"functions": []string{s.own(), "s1", "taken"}}, says: "function name taken already exists"},
		{name: "clash with a script", files: with("install.sh", "touch made"), more: map[string]any{"functions": []string{"taken"}}, says: "function name taken already exists"},
	}
}

// lateFailures are those that take as long as they may.
func (s subject) lateFailures(t *testing.T, _ string) []failure {
	script, endless := s.files(2, ""), s.files(2, "")
	script["install.sh"] = "sleep 1000"
	endless[s.name+".wasm"] = guest(t, "start_loop")
	return []failure{
		{name: "script hangs", files: script, late: true, says: "fail to install plugin: install.sh was ended: it took longer than"},
		{name: "never starts", files: endless, late: true, says: "fail to install plugin: "},
	}
}

// damaged changes what is packed of the first file.
func damaged(zip []byte) []byte {
	const header = 30 // with its name behind it
	bad := bytes.Clone(zip)
	bad[header+int(bad[26])+2] ^= 0x55
	return bad
}

// callable are the plugins of each kind whose functions can be called.
func callable() (all []subject) {
	for _, s := range subjects() {
		if s.form == formWasm && s.hasFunctions() && (s.name == "one") {
			all = append(all, s)
		}
	}
	return all
}

// TestFailingUpdate: an update that fails, at whatever step, leaves the old
// version serving: no call fails or is answered by the new one, nothing that is
// told of the plugin changes, and nothing is left behind.
func TestFailingUpdate(t *testing.T) {
	failingUpdates(t, newWhole(t, nil), subject.failures)
}

// TestFailingUpdateLate: and so does one that takes too long.
func TestFailingUpdateLate(t *testing.T) {
	w := newWhole(t, func(c *host.Config) { c.Scripts.Timeout, c.LoadTimeout = 50*time.Millisecond, time.Second })
	failingUpdates(t, w, subject.lateFailures)
}

func failingUpdates(t *testing.T, w *whole, failures func(subject, *testing.T, string) []failure) {
	w.serve()
	cut := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/cut.zip" {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Length", "1000")
		_, _ = rw.Write([]byte("PK"))
	}))
	t.Cleanup(cut.Close)
	if a := w.ask("POST", "/plugins/functions", "", w.request("taken", pack(map[string]string{"taken.wasm": string(enginetest.Constant(1, "taken"))}), nil)); a.status != 201 {
		t.Fatal(a.body)
	}
	for _, s := range callable() {
		t.Run(s.String(), func(t *testing.T) {
			if a := w.ask("POST", "/plugins/"+s.kind.String(), "", w.request(s.name, pack(s.files(1, "")), nil)); a.status != 201 {
				t.Fatal(a.body)
			}
			seen := w.told(s)
			stop := w.keepCalling(t, s)
			for _, f := range failures(s, t, cut.URL) {
				if f.raw == nil {
					f.raw = pack(f.files)
				}
				if f.file != "" {
					f.more = map[string]any{"file": f.file}
				}
				status := http.StatusBadRequest
				if f.late {
					status = http.StatusGatewayTimeout
				}
				a := w.ask("PUT", s.path(), "", w.request(s.name, f.raw, f.more))
				if a.status != status || !strings.HasPrefix(a.message(), s.updateFailed()) || !strings.Contains(a.message(), f.says) {
					t.Errorf("%s: %d %s, want %d that says %q", f.name, a.status, a.body, status, f.says)
				}
				if now := w.told(s); now != seen {
					t.Errorf("%s: told is\n%s\nwas\n%s", f.name, now, seen)
				}
				w.clean()
			}
			stop()
			if a := w.ask("PUT", s.path(), "", w.request(s.name, pack(s.files(2, "")), nil)); a.status != 200 {
				t.Errorf("a good update at last: %d %s", a.status, a.body)
			}
			if a := w.ask("POST", "/invoke/"+s.own(), "", []byte("[]")); a.body != fmt.Sprint(s.result(2)) {
				t.Errorf("the new version answers %d %s", a.status, a.body)
			}
			if a := w.ask("DELETE", s.path(), "", nil); a.status != 200 {
				t.Errorf("drop: %d %s", a.status, a.body)
			}
		})
	}
}

// request is the body of a request to install a zip, which is saved first.
func (w *whole) request(name string, zip []byte, more map[string]any) []byte {
	w.Helper()
	path := filepath.Join(w.dir, hexDigest(zip)+".zip")
	if err := os.WriteFile(path, zip, 0o600); err != nil {
		w.Fatal(err)
	}
	body := map[string]any{"name": name, "file": "file://" + path}
	maps.Copy(body, more)
	return encode(body)
}

// told is what a host tells of a plugin and its functions, but for its figures.
func (w *whole) told(s subject) string {
	w.Helper()
	var b strings.Builder
	for _, path := range []string{"/plugins/" + s.kind.String() + "?detail=1", "/plugins/" + s.kind.String(), s.path(), "/plugins/udfs?detail=1", "/data/export"} {
		a := w.ask("GET", path, "", nil)
		fmt.Fprintf(&b, "%s: %d %s\n", path, a.status, a.body)
	}
	return b.String()
}

// keepCalling calls the plugin's own function without a pause until stop is
// called. Each call has to be answered by version 1.
func (w *whole) keepCalling(t *testing.T, s subject) (stop func()) {
	var wg sync.WaitGroup
	var ended atomic.Bool
	calls := 0
	wg.Go(func() {
		for !ended.Load() {
			calls++
			if a := w.ask("POST", "/invoke/"+s.own(), "", []byte("[]")); a.status != 200 || a.body != fmt.Sprint(s.result(1)) {
				t.Errorf("a call meanwhile: %d %s", a.status, a.body)
				return
			}
		}
	})
	return func() {
		ended.Store(true)
		wg.Wait()
		if calls == 0 {
			t.Error("nothing was called meanwhile")
		}
	}
}

// fullVariable makes a test binary, run again, test with a full disk.
const fullVariable = "BERTH_SERVER_FULL"

// TestFailingUpdateFullDisk is TestFailingUpdate with a disk that is full, by the
// kernel's own word, in a process of its own.
func TestFailingUpdateFullDisk(t *testing.T) {
	const fullAt = 256 << 10 // no file grows beyond
	if os.Getenv(fullVariable) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFailingUpdateFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), fullVariable+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestFailingUpdateFullDisk") {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	w := newWhole(t, nil)
	w.serve()
	noise := make([]byte, fullAt)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		noise[i] = byte(x)
	}
	requests := map[string][]byte{}
	for _, s := range callable() {
		f := s.files(2, "")
		requests[s.String()+" good"] = w.request(s.name, pack(s.files(1, "")), nil)
		f["data"] = string(noise) // does not fit when it is fetched
		requests[s.String()+" fetch"] = w.request(s.name, pack(f), nil)
		f["data"] = strings.Repeat(string(noise[:4096]), 100) // nor when it is unpacked
		requests[s.String()+" unpack"] = w.request(s.name, pack(f), nil)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: fullAt, Max: fullAt}); err != nil {
		t.Fatal(err)
	}
	for _, s := range callable() {
		if a := w.ask("POST", "/plugins/"+s.kind.String(), "", requests[s.String()+" good"]); a.status != 201 {
			t.Fatal(a.body)
		}
		seen := w.told(s)
		stop := w.keepCalling(t, s)
		for _, what := range []string{"fetch", "unpack"} {
			a := w.ask("PUT", s.path(), "", requests[s.String()+" "+what])
			if !a.refused(503, s.updateFailed()) || !strings.Contains(a.message(), "the disk that holds the data folder is full") || a.header.Get("Retry-After") == "" {
				t.Errorf("%v, %s: %d %s", s, what, a.status, a.body)
			}
			if now := w.told(s); now != seen {
				t.Errorf("%v, %s: told is\n%s\nwas\n%s", s, what, now, seen)
			}
			w.clean()
		}
		stop()
	}
}
