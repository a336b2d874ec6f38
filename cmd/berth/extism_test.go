package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestExtismManifest: a plugin of three modules, one in the manifest, one in the
// package and one on a server that is needed at install only.
func TestExtismManifest(t *testing.T) {
	base, mid, main := guest(t, "link_base"), guest(t, "link_mid"), guest(t, "link_main")
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Path != "/main.wasm" || r.Header.Get("Authorization") != "Bearer t" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, main)
	}))
	defer server.Close()
	manifest := func(modules ...string) string {
		return `{"wasm":[` + strings.Join(modules, ",") + `],"memory":{"max_pages":16},"timeout_ms":500}`
	}
	data := fmt.Sprintf(`{"name":"base","data":%q,"hash":%q}`, base64.StdEncoding.EncodeToString([]byte(base)), hashOf(base))
	path := fmt.Sprintf(`{"name":"mid","path":"./lib/mid.wasm","hash":%q}`, hashOf(mid))
	fetched := func(path, hash string) string {
		return fmt.Sprintf(`{"url":"%s%s","headers":{"Authorization":"Bearer t"}%s}`, server.URL, path, hash)
	}
	folder := t.TempDir()
	s, stop := serveWith(t, folder)

	for name, c := range map[string]struct {
		modules []string
		says    []string
	}{
		"another hash of a file":          {[]string{data, `{"name":"mid","path":"lib/mid.wasm","hash":"` + hashOf("x") + `"}`, fetched("/main.wasm", "")}, []string{"lib/mid.wasm", hashOf("x"), hashOf(mid)}},
		"another hash of data":            {[]string{strings.Replace(data, hashOf(base), hashOf("x"), 1), path, fetched("/main.wasm", "")}, []string{"data", hashOf("x"), hashOf(base)}},
		"another hash of what is fetched": {[]string{data, path, fetched("/main.wasm", `,"hash":"`+hashOf("x")+`"`)}, []string{"/main.wasm", hashOf("x"), hashOf(main)}},
		"a hash that is none":             {[]string{`{"path":"lib/mid.wasm","hash":"abc"}`}, []string{"abc", "SHA-256"}},
		"nothing at the url":              {[]string{data, path, fetched("/gone.wasm", "")}, []string{"/gone.wasm", "404"}},
		"no such file":                    {[]string{data, `{"name":"mid","path":"mid.wasm"}`, fetched("/main.wasm", "")}, []string{"mid.wasm", "no such file"}},
		"a missing module":                {[]string{data, fetched("/main.wasm", "")}, []string{"mid.twice", "does not give"}},
		"a module of another name":        {[]string{data, strings.Replace(path, `"mid"`, `"middle"`, 1), fetched("/main.wasm", "")}, []string{"mid.twice"}},
		"two main modules":                {[]string{data, `{"path":"lib/mid.wasm"}`, fetched("/main.wasm", "")}, []string{"second main module"}},
		"the host's name":                 {[]string{strings.Replace(data, `"base"`, `"extism:host/env"`, 1), path, fetched("/main.wasm", "")}, []string{"extism:host/env"}},
		"no place":                        {[]string{`{"name":"base"}`}, []string{"exactly one of"}},
		"no modules":                      {nil, []string{"empty list"}},
	} {
		status, message := s.send("POST", "", "linked", map[string]string{"linked.json": manifest(c.modules...), "lib/mid.wasm": mid})
		if status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, status, message)
		}
		for _, text := range c.says {
			if !strings.Contains(message, text) {
				t.Errorf("%s: %q does not say %q", name, message, text)
			}
		}
		if _, list := s.do("GET", "/plugins/functions", ""); list != "[]" {
			t.Errorf("%s: installed are %s", name, list)
		}
	}

	requests.Store(0)
	s.install("linked", map[string]string{"linked.json": manifest(data, path, fetched("/main.wasm", `,"hash":"`+hashOf(main)+`"`)), "lib/mid.wasm": mid})
	s.wants("trace", "", "bmxBMX")
	s.wants("work", "\x10\x27\x00\x00\x00\x00\x00\x00", "\x20\x4e\x00\x00\x00\x00\x00\x00")
	s.fails("spin", "", http.StatusGatewayTimeout, "500ms")
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests for one module", n)
	}
	stop()
	server.Close()
	s, _ = serveWith(t, folder)
	s.wants("trace", "", "bmxBMX")
}

// TestExtismConfig: the configuration is the manifest's, if the policy allows any.
func TestExtismConfig(t *testing.T) {
	files := map[string]string{"agent.wasm": guest(t, "agent"), "agent.json": `{"wasm":[{"path":"agent.wasm"}],"config":{"unit":"°C","empty":""}}`}
	s, _ := serveWith(t, t.TempDir())
	s.install("agent", files)
	s.wants("setting", "unit", "°C")
	s.fails("setting", "other", http.StatusUnprocessableEntity, "it is not configured")
	if c := s.capabilities("agent"); c.text() != `{"Asked":{"config":["empty","unit"]},"Granted":{"config":["empty","unit"]},"Denied":[]}` {
		t.Errorf("%s", c.text())
	}
	files["agent.json"] = `{"wasm":[{"path":"agent.wasm"}],"config":{"unit":"K"}}`
	s.update("agent", files)
	s.wants("setting", "unit", "K")

	s, _ = serveWith(t, t.TempDir(), "--policy-config=false")
	s.install("agent", files)
	s.fails("setting", "unit", http.StatusUnprocessableEntity, "it is not configured")
	if c := s.capabilities("agent"); len(c.Granted) > 0 || !strings.Contains(c.denied(), "config unit: the policy does not allow it") {
		t.Errorf("%s", c.text())
	}
}

// TestExtismLog: what a plugin logs is in its log, by HTTP and by the command.
func TestExtismLog(t *testing.T) {
	s, _ := serveWith(t, t.TempDir())
	s.install("agent", map[string]string{"agent.wasm": guest(t, "agent")})
	s.install("other", map[string]string{"other.wasm": guest(t, "extism")})
	s.wants("say", "first words", "")
	s.wants("say", "two\nlines \x1b[31m", "")
	status, got := s.do("GET", "/plugins/functions/agent/logs", "")
	var lines []string
	for _, line := range strings.Split(strings.TrimSuffix(got, "\n"), "\n") {
		_, line, _ = strings.Cut(line, " ") // the time
		lines = append(lines, line)
	}
	want := []string{"DEBUG first words", "INFO first words", "WARN first words", "ERROR first words", "INFO first words, on standard error",
		"DEBUG two", "DEBUG lines  [31m", "INFO two", "INFO lines  [31m", "WARN two", "WARN lines  [31m", "ERROR two", "ERROR lines  [31m",
		"INFO two", "INFO lines  [31m, on standard error"}
	if status != http.StatusOK || !slices.Equal(lines, want) {
		t.Errorf("%d %q, want %q", status, lines, want)
	}
	if code, out, errOut := command(t, "", "plugin", "logs", "agent", "--host", s.base); code != 0 || out != got {
		t.Errorf("berth plugin logs: %d %q %s, want %q", code, out, errOut, got)
	}
	if status, got := s.do("GET", "/plugins/functions/other/logs", ""); status != http.StatusOK || got != "" {
		t.Errorf("another plugin's log: %d %q", status, got)
	}
}

// TestExtismRequests: requests go where manifest and policy both allow it, by
// name and by address, at each hop.
func TestExtismRequests(t *testing.T) {
	server := newSlowServer(t)
	byIP, byName := "http://127.0.0.1:"+server.port, "http://localhost:"+server.port
	agent := func(hosts string) map[string]string {
		return map[string]string{"agent.wasm": guest(t, "agent"), "agent.json": `{"wasm":[{"path":"agent.wasm"}],"allowed_hosts":` + hosts + `}`}
	}
	const forbidden = http.StatusForbidden
	t.Run("nothing asked, nothing allowed", func(t *testing.T) {
		s, _ := serveWith(t, t.TempDir())
		s.install("agent", map[string]string{"agent.wasm": guest(t, "agent")})
		s.fails("get", byIP+"/hello", forbidden, "http_request")
		s.wants("count", "", "1") // and the plugin goes on
		s.update("agent", agent(`["127.0.0.1"]`))
		s.fails("get", byIP+"/hello", forbidden, "http_request")
		if c := s.capabilities("agent"); len(c.Granted) > 0 || c.denied() != "hosts 127.0.0.1: the policy allows no hosts" {
			t.Errorf("%s", c.text())
		}
		if code, _, errOut := command(t, byIP+"/hello", "invoke", "get", "-", "--host", s.base); code != int(exitRefused) {
			t.Errorf("berth invoke: %d %s", code, errOut)
		}
	})
	t.Run("an address that both name", func(t *testing.T) {
		s, _ := serveWith(t, t.TempDir(), "--policy-hosts", "127.0.0.1,*.example.com")
		s.install("agent", agent(`["127.0.0.1"]`))
		s.wants("get", byIP+"/hello", "200 hello agent")
		s.wants("get", byIP+"/nothing", "404 404 page not found\n")
		s.fails("get", byName+"/hello", forbidden, "localhost")
		s.wants("get", byIP+"/away?to=/hello", "200 hello agent")
		s.fails("get", byIP+"/away?to="+url.QueryEscape(byName+"/hello"), forbidden, "localhost")
		s.fails("get", byIP+"/away?to="+url.QueryEscape("http://169.254.169.254/latest/meta-data"), forbidden, "169.254.169.254")
		s.update("agent", agent(`["*"]`))
		s.wants("get", byIP+"/hello", "200 hello agent") // by what the policy names
		s.fails("get", byName+"/hello", forbidden, "localhost")
		if c := s.capabilities("agent"); !strings.Contains(c.denied(), "hosts *: granted only as") {
			t.Errorf("%s", c.text())
		}
	})
	t.Run("any host", func(t *testing.T) {
		s, _ := serveWith(t, t.TempDir(), "--policy-hosts", "*")
		s.install("agent", agent(`["*"]`))
		s.fails("get", byName+"/hello", forbidden)
		s.fails("get", byIP+"/hello", forbidden)
	})
	t.Run("any host, and the address", func(t *testing.T) {
		s, _ := serveWith(t, t.TempDir(), "--policy-hosts", "*", "--policy-addresses", "127.0.0.0/8,::1/128")
		s.install("agent", agent(`["*"]`))
		s.wants("get", byIP+"/hello", "200 hello agent")
		s.wants("get", byName+"/hello", "200 hello agent")
		s.fails("get", byIP+"/away?to="+url.QueryEscape("http://169.254.169.254/latest/meta-data"), forbidden, "169.254.169.254")
	})
}

// TestExtismSlowServer: a call that waits for a server ends with its deadline;
// meanwhile others of the same plugin go on, with one place for all, and it does
// not keep the server's connection.
func TestExtismSlowServer(t *testing.T) {
	server := newSlowServer(t)
	s, _ := serveWith(t, t.TempDir(), "--calls", "1", "--policy-hosts", "127.0.0.1")
	s.install("agent", map[string]string{"agent.wasm": guest(t, "agent"),
		"agent.json": `{"wasm":[{"path":"agent.wasm"}],"allowed_hosts":["127.0.0.1"],"timeout_ms":400}`})
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.fails("get", server.URL+"/slow", http.StatusGatewayTimeout, "400ms")
	}()
	<-server.arrived
	for i := range 10 {
		s.wants("count", "", strconv.Itoa(i+1))
	}
	<-done
	<-server.gone
	s.fails("get", server.URL+"/slow-body", http.StatusGatewayTimeout, "400ms")
	<-server.gone
	s.wants("get", server.URL+"/hello", "200 hello agent")
}

// TestExtismServerGivenUp: a call that waits for a server ends when its plugin is
// dropped.
func TestExtismServerGivenUp(t *testing.T) {
	server := newSlowServer(t)
	s, _ := serveWith(t, t.TempDir(), "--drain", "50ms", "--policy-hosts", "127.0.0.1")
	files := map[string]string{"agent.wasm": guest(t, "agent"), "agent.json": `{"wasm":[{"path":"agent.wasm"}],"allowed_hosts":["127.0.0.1"],"timeout_ms":5000}`}
	s.install("agent", files)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.fails("get", server.URL+"/slow", http.StatusServiceUnavailable)
	}()
	<-server.arrived
	s.drop("agent")
	<-done
	<-server.gone
	s.install("agent", files)
	s.wants("get", server.URL+"/hello", "200 hello agent")
}

// TestExtismResponses: what a server sends is bounded by the manifest, and it
// cannot send a plugin round for ever.
func TestExtismResponses(t *testing.T) {
	server := newSlowServer(t)
	s, _ := serveWith(t, t.TempDir(), "--policy-hosts", "127.0.0.1")
	manifest := `{"wasm":[{"path":"agent.wasm"}],"allowed_hosts":["127.0.0.1"],"memory":{"max_http_response_bytes":%d}}`
	files := map[string]string{"agent.wasm": guest(t, "agent"), "agent.json": fmt.Sprintf(manifest, 2000)}
	s.install("agent", files)
	s.wants("get", server.URL+"/large", "200 "+strings.Repeat("x", 2000))
	s.fails("get", server.URL+"/loop", http.StatusForbidden, "more than 10 redirects")
	files["agent.json"] = fmt.Sprintf(manifest, 1999)
	s.update("agent", files)
	s.fails("get", server.URL+"/large", http.StatusInternalServerError, "1999")
	s.wants("get", server.URL+"/hello", "200 hello agent")
	s.fails("get", "http://127.0.0.1:1/", http.StatusInternalServerError, "http_request", "refused")
	s.fails("get", "ftp://127.0.0.1/", http.StatusInternalServerError, "http or https")
	s.fails("get", "nonsense", http.StatusInternalServerError, "http or https")
}

// TestExtismVars: variables are the plugin's, whichever instance a call gets,
// unless the manifest wants them to be the instance's.
func TestExtismVars(t *testing.T) {
	for _, c := range []struct {
		wasm   string
		shared bool
	}{{`{}`, true}, {`{"vars":"plugin"}`, true}, {`{"vars":"instance"}`, false}} {
		t.Run(c.wasm, func(t *testing.T) {
			server := newSlowServer(t)
			s, _ := serveWith(t, t.TempDir(), "--policy-hosts", "127.0.0.1", "--instances", "4")
			s.install("agent", map[string]string{"agent.wasm": guest(t, "agent"),
				"agent.json": `{"wasm":` + c.wasm + `,"capabilities":{"hosts":["127.0.0.1"]}}`})
			var ends []func()
			for i := range 4 { // the first instance, then one more each time
				want := "1"
				if c.shared {
					want = strconv.Itoa(i + 1)
				}
				s.wants("count", "", want)
				if i < 3 {
					ends = append(ends, s.inFlight(server))
				}
			}
			close(server.release)
			for _, end := range ends {
				end()
			}
			if c.shared {
				s.wants("count", "", "5")
			}
		})
	}
}

// TestExtismTotal: with one instance, calls made at once are counted one by one.
func TestExtismTotal(t *testing.T) {
	s, _ := serveWith(t, t.TempDir())
	s.install("agent", map[string]string{"agent.wasm": guest(t, "agent"), "agent.json": `{"limits":{"instances":1}}`})
	const callers, calls = 8, 25
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range calls {
				if status, got := s.do("POST", "/invoke/count", ""); status != http.StatusOK {
					t.Errorf("%d %s", status, got)
				}
			}
		})
	}
	group.Wait()
	s.wants("count", "", strconv.Itoa(callers*calls+1))
}

// TestExtismVarsLimit: variables are bounded, and gone with the plugin.
func TestExtismVarsLimit(t *testing.T) {
	s, _ := serveWith(t, t.TempDir())
	files := map[string]string{"agent.wasm": guest(t, "agent"), "agent.json": `{"wasm":[{"path":"agent.wasm"}],"memory":{"max_var_bytes":1000}}`}
	s.install("agent", files)
	s.wants("swap_var", strings.Repeat("x", 900), "")
	s.fails("swap_var", strings.Repeat("x", 1000), http.StatusInternalServerError, "var_set")
	s.wants("swap_var", "y", strings.Repeat("x", 900))
	s.drop("agent")
	s.install("agent", files)
	s.wants("swap_var", "z", "")
}

// TestExtismExample: what the README of the Go example says of the functions that
// keep something or ask a server.
func TestExtismExample(t *testing.T) {
	src, dir := filepath.Join("..", "..", "examples", "functions", "extism-go"), t.TempDir()
	buildGo(t, src, dir, "vowels")
	wasm, err := os.ReadFile(filepath.Join(dir, "vowels.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(src, "vowels.json"))
	if err != nil {
		t.Fatal(err)
	}
	server := newSlowServer(t)
	s, _ := serveWith(t, t.TempDir(), "--policy-hosts", "127.0.0.1")
	s.install("vowels", map[string]string{"vowels.wasm": string(wasm), "vowels.json": strings.Replace(string(manifest), "example.com", "127.0.0.1", 1)})
	for i := range 3 {
		s.wants("count_vowels", "Hello, World!", fmt.Sprintf(`{"count":3,"total":%d,"vowels":"aeiouAEIOU"}`, 3*(i+1)))
	}
	s.wants("http_get", server.URL+"/hello", "hello ")
	s.fails("http_get", server.URL+"/nothing", http.StatusUnprocessableEntity, "the server answered 404")
	s.fails("http_get", "http://localhost:"+server.port+"/hello", http.StatusForbidden, "localhost")
	s.fails("http_get", "http://169.254.169.254/", http.StatusForbidden, "169.254.169.254")
	s.fails("greet", "{}", http.StatusUnprocessableEntity, "whom shall I greet? The name is empty")
	s.wants("greet", `{"name":"Ada"}`, `{"greeting":"Hello, Ada!"}`)
	if _, log := s.do("GET", "/plugins/functions/vowels/logs", ""); !strings.Contains(log, "INFO greeting Ada") {
		t.Errorf("the log is %q", log)
	}
	s.wants("count_vowels", "a", `{"count":1,"total":10,"vowels":"aeiouAEIOU"}`) // what failed lost nothing
}

// TestExtismPaths: allowed_paths, with "ro:" before a folder that is only to be
// read.
func TestExtismPaths(t *testing.T) {
	data, shared := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(shared, "rates"), []byte("1.5"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"agent.wasm": guest(t, "agent"),
		"agent.json": fmt.Sprintf(`{"wasm":[{"path":"agent.wasm"}],"allowed_paths":{"ro:%s":"/rates","cache":"cache","/":"/root"}}`, shared)}
	s, _ := serveWith(t, data, "--policy-paths", filepath.Dir(shared))
	s.install("agent", files)
	const rejected = http.StatusUnprocessableEntity
	s.wants("show", "/rates/rates", "1.5")
	s.fails("save", "/rates/rates 2", rejected)
	s.fails("save", "/rates/new 2", rejected)
	s.wants("save", "/cache/note of mine", "")
	s.wants("show", "/cache/note", "of mine")
	s.fails("show", "/root/etc/passwd", rejected)
	s.fails("show", "/cache/../../../berth.db", rejected)
	if got, err := os.ReadFile(filepath.Join(data, "state", "functions", "agent", "cache", "note")); err != nil || string(got) != "of mine" {
		t.Errorf("%q, %v", got, err)
	}
	if c := s.capabilities("agent"); c.denied() != "paths /: it does not lie below a folder that the policy allows" {
		t.Errorf("%s", c.text())
	}
}
