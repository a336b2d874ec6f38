package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// served is a host that runs in this process, as a client of its HTTP API sees
// it.
type served struct {
	t    *testing.T
	base string
}

// serveWith runs `berth serve` with flags until the test ends, or until stop is
// called. Calls may take and wait a minute, so that a busy machine fails no test;
// manifests narrow it.
func serveWith(t *testing.T, data string, flags ...string) (s served, stop func()) {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	logged, log := io.Pipe()
	done := make(chan int, 1)
	go func() {
		defer log.Close()
		args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--timeout", "1m", "--queue-time", "1m"}, flags...)
		done <- run(ctx, args, nil, strings.NewReader(""), io.Discard, log)
	}()
	lines := bufio.NewScanner(logged)
	if !lines.Scan() {
		t.Fatalf("the host ended with %d", <-done)
	}
	_, addr, ok := strings.Cut(lines.Text(), "addr=")
	if !ok {
		t.Fatalf("the first line of the log is %q", lines.Text())
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, logged)
	}()
	stop = sync.OnceFunc(func() {
		end()
		if code := <-done; code != 0 {
			t.Errorf("berth serve ended with %d", code)
		}
		<-drained
	})
	t.Cleanup(stop)
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	return served{t, addr}, stop
}

// do sends a request and returns status and body of the answer. Any goroutine of
// the test may call it.
func (s served) do(method, path, body string) (status int, answer string) {
	s.t.Helper()
	status, _, answer = s.ask(method, path, body)
	return status, answer
}

// ask is do, with the header of the answer.
func (s served) ask(method, path, body string) (status int, header http.Header, answer string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return 0, nil, ""
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Error(err)
		return 0, nil, ""
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Error(err)
	}
	return resp.StatusCode, resp.Header, string(got)
}

// wants calls a function, which has to answer.
func (s served) wants(function, in, want string) {
	s.t.Helper()
	if status, got := s.do("POST", "/invoke/"+function, in); status != http.StatusOK || got != want {
		s.t.Errorf("%s(%s): %d %q, want %q", function, in, status, got, want)
	}
}

// fails calls a function, which has to fail with a status and a message.
func (s served) fails(function, in string, status int, says ...string) {
	s.t.Helper()
	got, message := s.do("POST", "/invoke/"+function, in)
	if got != status {
		s.t.Errorf("%s(%s): %d %q, want %d", function, in, got, message, status)
	}
	for _, text := range says {
		if !strings.Contains(message, text) {
			s.t.Errorf("%s(%s): %q does not say %q", function, in, message, text)
		}
	}
}

// install installs, or updates, a plugin of some files.
func (s served) install(name string, files map[string]string) {
	s.t.Helper()
	if status, message := s.send("POST", "", name, files); status != http.StatusCreated {
		s.t.Fatalf("install %s: %d %s", name, status, message)
	}
}

func (s served) update(name string, files map[string]string) {
	s.t.Helper()
	if status, message := s.send("PUT", "/"+name, name, files); status != http.StatusOK {
		s.t.Fatalf("update %s: %d %s", name, status, message)
	}
}

func (s served) drop(name string) {
	s.t.Helper()
	if status, message := s.do("DELETE", "/plugins/functions/"+name, ""); status != http.StatusOK {
		s.t.Fatalf("drop %s: %d %s", name, status, message)
	}
}

func (s served) send(method, path, name string, files map[string]string) (status int, message string) {
	s.t.Helper()
	return s.do(method, "/plugins/functions"+path, fmt.Sprintf(`{"name":%q,"file":"file://%s"}`, name, zipped(s.t, files)))
}

// zipped puts files into a zip and returns its path.
func zipped(t *testing.T, files map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "package.zip")
	if err := os.WriteFile(path, zipOf(t, files), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// zipOf makes a zip of files.
func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entry, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(entry, files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// guest is one of the sandbox's test guests.
func guest(t *testing.T, name string) string {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("..", "..", "sandbox", "testdata", "guests", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return string(wasm)
}

// capabilities is what the status says of them.
type capabilities struct {
	Asked, Granted map[string]any
	Denied         []struct{ Capability, Asked, Reason string }
}

func (s served) capabilities(name string) (c capabilities) {
	s.t.Helper()
	_, body := s.do("GET", "/plugins/functions/"+name+"/status", "")
	var status struct{ Capabilities capabilities }
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		s.t.Fatalf("%v: %s", err, body)
	}
	return status.Capabilities
}

func (c capabilities) text() string {
	text, _ := json.Marshal(c)
	return string(text)
}

func (c capabilities) denied() string {
	var all []string
	for _, d := range c.Denied {
		all = append(all, d.Capability+" "+d.Asked+": "+d.Reason)
	}
	return strings.Join(all, "\n")
}

func hashOf(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// slowServer is a server on loopback whose /slow and /slow-body answer when they
// are told to, or their client is gone.
type slowServer struct {
	*httptest.Server
	port    string
	arrived chan struct{} // a value for each request to /slow
	release chan struct{} // lets all of them be answered when it is closed
	gone    chan struct{} // a value for each whose client did not wait
}

func newSlowServer(t *testing.T) *slowServer {
	s := &slowServer{arrived: make(chan struct{}, 16), release: make(chan struct{}), gone: make(chan struct{}, 16)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hello":
			fmt.Fprintf(w, "hello %s", r.Header.Get("X-Agent"))
		case "/away":
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("x", 2000))
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/slow", "/slow-body":
			if r.URL.Path == "/slow-body" { // its beginning is sent at once
				_, _ = io.WriteString(w, "at ")
				w.(http.Flusher).Flush()
			}
			s.arrived <- struct{}{}
			select {
			case <-s.release:
				fmt.Fprint(w, "at last")
			case <-r.Context().Done():
				s.gone <- struct{}{}
			}
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.port = u.Port()
	return s
}

// inFlight begins a call that waits for the server, so that the next one gets
// another instance. What it returns ends the call.
func (s served) inFlight(server *slowServer) (end func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.wants("get", server.URL+"/slow", "200 at last")
	}()
	<-server.arrived
	return func() { <-done }
}
