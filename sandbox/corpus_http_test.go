package sandbox_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berth/host"
	"berth/sandbox"
)

// private is a server on this machine that nobody granted: what a guest must not
// reach.
type private struct {
	*httptest.Server
	reached atomic.Int64
	port    string
}

func newPrivate(t *testing.T) *private {
	p := &private{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.reached.Add(1)
		_, _ = w.Write([]byte(secret))
	}))
	t.Cleanup(p.Close)
	p.port = p.Listener.Addr().(*net.TCPAddr).AddrPort().String()
	p.port = p.port[strings.LastIndexByte(p.port, ':')+1:]
	return p
}

// request describes a request for Extism.
func request(url string) []byte {
	text, _ := json.Marshal(map[string]any{"url": url, "method": "GET", "headers": map[string]string{"Host": "granted.example"}})
	return text
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// reaching loads the guest that sends requests.
func reaching(t *testing.T, addresses []netip.Prefix, hosts ...string) host.Module {
	t.Helper()
	return loadInto(t, sandbox.New(), hostilePackage(t, "http", func(p *host.Package) { p.Grants.Hosts, p.Grants.Addresses = hosts, addresses }))
}

// TestCorpusConnects: however a guest writes the address of a server on this
// machine, or makes a name lead there, it does not reach it.
func TestCorpusConnects(t *testing.T) {
	p := newPrivate(t)
	everything := reaching(t, nil, "*") // of the public internet
	for _, where := range []string{
		"127.0.0.1", "localhost", "LOCALHOST.", "127.1", "127.0.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "0", "0.0.0.0",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[::127.0.0.1]", "[fe80::1%25lo]",
		"granted.example@127.0.0.1", "127.0.0.1#@granted.example", "127.0.0.1\\@granted.example", "127。0。0。1", "①②⑦.0.0.1", "127.0.0.1%00.granted.example",
	} {
		out, err := call(t, everything, "get", request("http://"+where+":"+p.port+"/"))
		if err == nil {
			t.Errorf("%s is answered: %q", where, out)
		} else if code := host.CodeOf(err); code != host.CodeForbidden && code != host.CodeTrap {
			t.Errorf("%s: %v", where, err)
		}
	}
	for _, where := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		_, err := call(t, everything, "get", request("http://"+where+":"+p.port+"/"))
		wantFailure(t, err, host.CodeForbidden, "denied")
	}
	for _, url := range []string{"file:///etc/passwd", "gopher://127.0.0.1:" + p.port, "unix:///var/run/x", "//127.0.0.1:" + p.port, "http:127.0.0.1:" + p.port, "http://", "", "http://127.0.0.1:" + p.port + "/\r\nX: y", "javascript:1"} {
		if out, err := call(t, everything, "get", request(url)); err == nil {
			t.Errorf("%q is answered: %.60q", url, out)
		}
	}
	other := reaching(t, loopback, "granted.example")
	_, err := call(t, other, "get", request(p.URL))
	wantFailure(t, err, host.CodeForbidden, "127.0.0.1")
	if n := p.reached.Load(); n > 0 {
		t.Errorf("the server was reached %d times", n)
	}
}

// TestCorpusRedirects: a host that is granted cannot lead a guest to one that is
// not, and not for ever from itself to itself.
func TestCorpusRedirects(t *testing.T) {
	p := newPrivate(t)
	var hops atomic.Int64
	granted := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hops.Add(1)
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		_, _ = w.Write([]byte("granted"))
	}))
	t.Cleanup(granted.Close)
	m := reaching(t, loopback, "127.0.0.1")
	if out, err := call(t, m, "get", request(granted.URL)); err != nil || string(out) != "granted" {
		t.Fatalf("what is granted: %q, %v", out, err)
	}
	lead := func(to string) string { return granted.URL + "/?to=" + url.QueryEscape(to) }
	for _, to := range []string{"http://localhost:" + p.port, "http://[::1]:" + p.port, lead(lead("http://localhost:" + p.port)), "//localhost:" + p.port} {
		_, err := call(t, m, "get", request(lead(to)))
		wantFailure(t, err, host.CodeForbidden, "denied")
	}
	for _, to := range []string{"file:///etc/passwd", "gopher://127.0.0.1/", "http://granted.example@localhost:" + p.port} {
		if out, err := call(t, m, "get", request(lead(to))); err == nil {
			t.Errorf("a redirect to %s is answered: %q", to, out)
		}
	}
	if n := p.reached.Load(); n > 0 {
		t.Errorf("the server was reached %d times", n)
	}
	var circle *httptest.Server
	circle = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hops.Add(1)
		http.Redirect(w, r, circle.URL, http.StatusFound)
	}))
	t.Cleanup(circle.Close)
	hops.Store(0)
	if out, err := call(t, m, "get", request(circle.URL)); err == nil || hops.Load() > 50 {
		t.Errorf("a circle: %q after %d hops", out, hops.Load())
	}
}

// TestCorpusServers: what a server does that works together with a guest is
// bounded, too: one that never answers, one that never ends, and one of too much.
func TestCorpusServers(t *testing.T) {
	end := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/silent":
			select {
			case <-end:
			case <-r.Context().Done():
			}
		case "/drip":
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte("x")); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		case "/flood":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/claim":
			w.Header().Set("Content-Length", "9000000000000000000")
		case "/headers":
			for range 400 {
				w.Header().Add("X", strings.Repeat("x", 4000))
			}
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(end) })
	e := sandbox.New()
	healthy := newWitness(t, e)
	grant := func(p *host.Package) {
		p.Grants.Hosts, p.Grants.Addresses = []string{"127.0.0.1"}, loopback
		p.Limits.Timeout = min(p.Limits.Timeout, 10*time.Second)
	}
	for path, a := range map[string]attack{
		"/silent":  {code: host.CodeTimeout},
		"/drip":    {code: host.CodeTimeout},
		"/flood":   {code: host.CodeTrap, says: []string{"http_request"}},
		"/claim":   {code: host.CodeTrap, says: []string{"http_request"}},
		"/headers": {code: host.CodeTrap, says: []string{"http_request"}},
	} {
		t.Run(path, func(t *testing.T) {
			a.guest, a.function, a.in = "http", "get", request(s.URL+path)
			a = a.with(grant)
			a.run(t, e, healthy, nil)
		})
	}
}
