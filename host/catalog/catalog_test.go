package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/host"
	"berth/host/archive"
)

// pluginHost is a plugin host on the loopback that counts what it is asked.
type pluginHost struct {
	*httptest.Server
	asked atomic.Int32
}

func newHost(t *testing.T, handler http.HandlerFunc) *pluginHost {
	t.Helper()
	h := &pluginHost{}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		handler(w, r)
	}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.Start()
	t.Cleanup(h.Close)
	return h
}

// says is a handler that answers anything with a text.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return "http://" + ln.Addr().String()
}

// tested is a catalog with a log and a clock that a test reads and sets.
type tested struct {
	*Catalog
	t     *testing.T
	log   *logBuffer
	clock atomic.Int64 // nanoseconds
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newTested(t *testing.T, config Config) *tested {
	t.Helper()
	c := &tested{t: t, log: &logBuffer{}}
	config.Log = slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if config.Version == "" {
		config.Version, config.System, config.Arch = "2.4.0", "debian", "amd64"
	}
	if config.Limits.Timeout == 0 {
		config.Limits.Timeout = testLimit // a busy machine fails no test
	}
	var err error
	if c.Catalog, err = New(config); err != nil {
		t.Fatal(err)
	}
	c.now = func() time.Time { return time.Unix(0, c.clock.Load()) }
	t.Cleanup(c.Close)
	return c
}

func (c *tested) pass(d time.Duration) { c.clock.Add(int64(d)) }

// prebuilt is what a catalog has, which must be without an error.
func (c *tested) prebuilt(kind host.Kind) map[string]string {
	c.t.Helper()
	offered, err := c.Prebuilt(c.t.Context(), kind)
	if err != nil || offered == nil {
		c.t.Errorf("%v: %v, %v", kind, offered, err)
	}
	return offered
}

// wants compares what a catalog has with name, URL, name, URL, ...
func (c *tested) wants(kind host.Kind, want ...string) {
	c.t.Helper()
	wanted := map[string]string{}
	for i := 0; i < len(want); i += 2 {
		wanted[want[i]] = want[i+1]
	}
	if got := c.prebuilt(kind); !maps.Equal(got, wanted) {
		c.t.Errorf("%v:\n got %v\nwant %v\n%s", kind, got, wanted, c.log)
	}
}

func (c *tested) logged(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		if !strings.Contains(c.log.String(), text) {
			c.t.Errorf("no %q in the log:\n%s", text, c.log)
		}
	}
}

// TestFirstHostWins asks two hosts for their trees, by their paths.
func TestFirstHostWins(t *testing.T) {
	tree := func(indexes map[string]string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			index, ok := indexes[r.URL.Path]
			if !ok || r.Method != http.MethodGet {
				t.Errorf("%s %s was asked for", r.Method, r.URL.Path)
			}
			_, _ = io.WriteString(w, index)
		}
	}
	first := newHost(t, tree(map[string]string{
		"/deep/er/kuiper-plugins/1.2.3/alpine/functions/index.json": `["echo"]`,
		"/deep/er/kuiper-plugins/1.2.3/alpine/sources/index.json":   `{"plugins":[]}`,
		"/deep/er/kuiper-plugins/1.2.3/alpine/sinks/index.json":     `[{"name":"file","file":"/x/file.zip"}]`,
	}))
	second := newHost(t, tree(map[string]string{
		"/kuiper-plugins/1.2.3/alpine/functions/index.json": `["echo","more"]`,
		"/kuiper-plugins/1.2.3/alpine/sources/index.json":   `["random"]`,
		"/kuiper-plugins/1.2.3/alpine/sinks/index.json":     `[]`,
	}))
	c := newTested(t, Config{Hosts: []string{first.URL + "/deep/er/", second.URL}, Version: "1.2.3", System: "alpine", Arch: "arm64"})
	c.wants(host.Functions,
		"echo", first.URL+"/deep/er/kuiper-plugins/1.2.3/alpine/functions/echo_arm64.zip",
		"more", second.URL+"/kuiper-plugins/1.2.3/alpine/functions/more_arm64.zip")
	c.wants(host.Sources, "random", second.URL+"/kuiper-plugins/1.2.3/alpine/sources/random_arm64.zip")
	c.wants(host.Sinks, "file", first.URL+"/x/file.zip")
	for _, kind := range []host.Kind{host.Portables, host.Wasm, 99} {
		if got, err := c.Prebuilt(t.Context(), kind); host.CodeOf(err) != host.CodeNotFound || got != nil {
			t.Errorf("%v: %v, %v", kind, got, err)
		}
	}
}

// TestBuiltIn: a host without an index has what eKuiper says it has, where eKuiper says it is.
func TestBuiltIn(t *testing.T) {
	h := newHost(t, http.NotFound)
	c := newTested(t, Config{Hosts: []string{h.URL}})
	for kind, names := range map[host.Kind][]string{
		host.Sources:   {"kafka", "random", "sql", "video", "zmq"},
		host.Sinks:     {"image", "influx", "influx2", "kafka", "sql", "zmq"},
		host.Functions: {"accumulateWordCount", "countPlusOne", "echo", "geohash", "image", "labelImage", "tfLite"},
	} {
		got := c.prebuilt(kind)
		if !slices.Equal(slices.Sorted(maps.Keys(got)), names) {
			t.Errorf("%v: %v, want %v", kind, got, names)
		}
		for name, address := range got {
			if want := fmt.Sprintf("%s/kuiper-plugins/2.4.0/debian/%v/%s_amd64.zip", h.URL, kind, name); address != want {
				t.Errorf("%s, want %s", address, want)
			}
		}
	}
}

// TestAnswers: what a host may answer, what comes of it, and for how long.
func TestAnswers(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) }
	}
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	raw := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, answer)
				conn.Close()
			}
		}
	}
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, strings.Repeat(" ", 4096)); err != nil {
				return
			}
		}
	}
	long := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(MaxIndex+1))
		_, _ = io.WriteString(w, strings.Repeat(" ", MaxIndex+1))
	}
	elsewhere := newHost(t, says(`["echo"]`))
	tests := map[string]struct {
		handler http.HandlerFunc
		offers  int // -1: eKuiper's list
		keep    time.Duration
		log     string
	}{
		"index":             {says(`["a","b"]`), 2, defaultKeep, ""},
		"nothing":           {says(`[]`), 0, defaultKeep, ""},
		"redirect":          {redirect(elsewhere.URL + "/x"), 1, defaultKeep, ""},
		"404":               {http.NotFound, -1, defaultKeep, "level=DEBUG"},
		"redirect to 404":   {redirect(newHost(t, http.NotFound).URL), -1, defaultKeep, "level=DEBUG"},
		"403":               {status(403), -1, defaultRetry, "403 Forbidden"},
		"500":               {status(500), -1, defaultRetry, "500 Internal"},
		"a page":            {says("<html>"), -1, defaultRetry, "no index: invalid character"},
		"another object":    {says(`{"error":1}`), -1, defaultRetry, `has no \"plugins\"`},
		"empty":             {says(""), -1, defaultRetry, "no index: EOF"},
		"too long":          {long, -1, defaultRetry, "1048577 bytes, the limit is 1048576"},
		"endless":           {endless, -1, defaultRetry, "more than 1048576 bytes"},
		"some bad":          {says(`["a","b b","c",{"name":"d","file":"x"}]`), 2, defaultKeep, "count=2"},
		"all bad":           {says(`["../../a"]`), 0, defaultKeep, "count=1"},
		"gateway":           {status(502), 0, defaultRetry, "is left out"},
		"unavailable":       {status(503), 0, defaultRetry, "is left out"},
		"gateway's timeout": {status(504), 0, defaultRetry, "is left out"},
		"cut off":           {raw("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[\"a\"]"), 0, defaultRetry, "after 5 bytes"},
		"not http":          {raw("SSH-2.0-OpenSSH_9\r\n"), 0, defaultRetry, "malformed"},
		"loop":              {redirect("/again"), 0, defaultRetry, "more than 5 times"},
		"redirect to file":  {redirect("file:///etc/passwd"), 0, defaultRetry, "only http and https are followed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, tt.handler)
			c := newTested(t, Config{Hosts: []string{h.URL}})
			want := tt.offers
			if want < 0 {
				want = len(builtIn(host.Sinks))
			}
			if got := c.prebuilt(host.Sinks); len(got) != want {
				t.Errorf("%v", got)
			}
			c.logged(tt.log)
			if tt.log == "" && c.log.String() != "" {
				t.Errorf("logged: %s", c.log)
			}
			before := h.asked.Load()
			c.pass(tt.keep - 1)
			c.prebuilt(host.Sinks)
			if asked := h.asked.Load(); asked != before {
				t.Errorf("asked again within %v", tt.keep)
			}
			c.pass(1)
			c.prebuilt(host.Sinks)
			if asked := h.asked.Load(); asked != 2*before {
				t.Errorf("asked for %d times after %v, want %d", asked, tt.keep, 2*before)
			}
		})
	}
}

// TestUnreachable: a host that is not there is left out, the log says so, and it is tried again.
func TestUnreachable(t *testing.T) {
	gone := nobody(t)
	h := newHost(t, says(`["echo"]`))
	c := newTested(t, Config{Hosts: []string{gone, h.URL}})
	c.wants(host.Functions, "echo", h.URL+"/kuiper-plugins/2.4.0/debian/functions/echo_amd64.zip")
	c.logged("level=WARN", "a plugin host is left out", gone+"/kuiper-plugins/2.4.0/debian/functions/index.json", "refused", "retry=30s")
	c.wants(host.Functions, "echo", h.URL+"/kuiper-plugins/2.4.0/debian/functions/echo_amd64.zip")
	if n := strings.Count(c.log.String(), "left out"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, c.log)
	}
	c.pass(defaultRetry)
	c.prebuilt(host.Functions)
	if n := strings.Count(c.log.String(), "left out"); n != 2 {
		t.Errorf("after a while logged %d times:\n%s", n, c.log)
	}
	alone := newTested(t, Config{Hosts: []string{gone}})
	alone.wants(host.Sources)
}

// TestForbidden: a host that the operator does not download from is not asked.
func TestForbidden(t *testing.T) {
	h := newHost(t, says(`["echo"]`))
	c := newTested(t, Config{Hosts: []string{h.URL}, Limits: archive.Limits{Sources: archive.Sources{Schemes: []string{"https"}}}})
	c.wants(host.Functions)
	c.logged("a plugin host is left out", "download-schemes does not have")
	if n := h.asked.Load(); n > 0 {
		t.Errorf("asked %d times", n)
	}
}

// TestSlow: hosts that do not answer, or not to the end, are left out when the time is up.
func TestSlow(t *testing.T) {
	silent := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	begun := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `["late"`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	h := newHost(t, says(`["echo"]`))
	c := newTested(t, Config{Hosts: []string{newHost(t, silent).URL, newHost(t, begun).URL, h.URL}, Limits: archive.Limits{Timeout: 500 * time.Millisecond}})
	began := time.Now()
	c.wants(host.Functions, "echo", h.URL+"/kuiper-plugins/2.4.0/debian/functions/echo_amd64.zip")
	if took := time.Since(began); took < 500*time.Millisecond || took > testLimit {
		t.Errorf("it took %v", took)
	}
	if n := strings.Count(c.log.String(), "longer than the limit of 500ms"); n != 2 {
		t.Errorf("logged %d times:\n%s", n, c.log)
	}
}

// TestParallel has hosts that each answer once the others have been asked.
func TestParallel(t *testing.T) {
	const hosts = 3
	var asked atomic.Int32
	all := make(chan struct{})
	var prefixes []string
	for i := range hosts {
		prefixes = append(prefixes, newHost(t, func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) == hosts {
				close(all)
			}
			select {
			case <-all:
				fmt.Fprintf(w, `["plugin%d"]`, i)
			case <-r.Context().Done():
			}
		}).URL)
	}
	c := newTested(t, Config{Hosts: prefixes})
	if got := slices.Sorted(maps.Keys(c.prebuilt(host.Sinks))); !slices.Equal(got, []string{"plugin0", "plugin1", "plugin2"}) {
		t.Errorf("%v\n%s", got, c.log)
	}
}

// TestShared: whoever asks at the same time shares one download; kinds have theirs.
func TestShared(t *testing.T) {
	release := make(chan struct{})
	h := newHost(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, `["echo"]`)
	})
	c := newTested(t, Config{Hosts: []string{h.URL}})
	var clients sync.WaitGroup
	for i := range 32 {
		kind := Kinds()[i%2]
		clients.Go(func() {
			if got := c.prebuilt(kind); len(got) != 1 {
				t.Errorf("%v", got)
			}
		})
	}
	close(release)
	clients.Wait()
	if n := h.asked.Load(); n != 2 {
		t.Errorf("asked %d times for two kinds", n)
	}
	clear(c.prebuilt(host.Functions)) // it is the caller's
	if got := c.prebuilt(host.Functions); len(got) != 1 {
		t.Errorf("%v is left of it", got)
	}
}

// TestGivesUp: who does not wait any longer takes nothing from those who do.
func TestGivesUp(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	h := newHost(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, `["echo"]`)
	})
	c := newTested(t, Config{Hosts: []string{h.URL}})
	impatient, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := c.Prebuilt(impatient, host.Functions)
		failed <- err
	}()
	<-arrived
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(release)
	if got := c.prebuilt(host.Functions); len(got) != 1 || h.asked.Load() != 1 {
		t.Errorf("%v, asked %d times", got, h.asked.Load())
	}
}

// TestClose ends what is under way and waits for it.
func TestClose(t *testing.T) {
	arrived := make(chan struct{})
	h := newHost(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	c := newTested(t, Config{Hosts: []string{h.URL}})
	failed := make(chan error, 1)
	go func() {
		_, err := c.Prebuilt(t.Context(), host.Functions)
		failed <- err
	}()
	<-arrived
	c.Close()
	if err := <-failed; host.CodeOf(err) != host.CodeUnavailable {
		t.Errorf("what was under way: %v", err)
	}
	if _, err := c.Prebuilt(t.Context(), host.Functions); host.CodeOf(err) != host.CodeUnavailable {
		t.Errorf("closed: %v", err)
	}
	c.Close()
	if strings.Contains(c.log.String(), "left out") {
		t.Errorf("closing was logged as the host's fault:\n%s", c.log)
	}
}
