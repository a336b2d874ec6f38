package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// loopback is what a test's policy allows to reach its own servers.
func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func client(t *testing.T, p Policy, o outside) *Client {
	t.Helper()
	c, err := newClient(p, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) (port string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return portOf(t, s.URL)
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

func request(t *testing.T, address string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// get returns the body of a request's response.
func get(t *testing.T, c *Client, req *http.Request) (string, error) {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		if resp != nil {
			t.Error("a response beside the error")
		}
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func mustGet(t *testing.T, c *Client, req *http.Request) string {
	t.Helper()
	body, err := get(t, c, req)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// mustDeny fails unless the request is denied, for a reason with these words.
func mustDeny(t *testing.T, c *Client, req *http.Request, words string) *Denied {
	t.Helper()
	_, err := get(t, c, req)
	var denied *Denied
	if !errors.As(err, &denied) {
		t.Fatalf("%s %s: %v, want it denied", req.Method, req.URL, err)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("%s %s: %q, want %q in it", req.Method, req.URL, err, words)
	}
	return denied
}

func TestAllowed(t *testing.T) {
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Method", r.Method)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.Host+" "+string(body))
	})
	c := client(t, Policy{Hosts: []string{"*.Example.test", "127.0.0.1"}, Addresses: loopback()}, outside{resolver: loopbackNames(t)})
	for _, host := range []string{"a.example.test", "A.EXAMPLE.test", "a.example.test.", "127.0.0.1", "[::ffff:127.0.0.1]"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+host+":"+port+"/x?y", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := host + ":" + port + " body"; resp.StatusCode != http.StatusTeapot || resp.Header.Get("X-Method") != http.MethodPut || string(body) != want {
			t.Errorf("%s: %d %q", host, resp.StatusCode, body)
		}
	}
}

func TestDenied(t *testing.T) {
	var hits atomic.Int64
	port := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	names := &nameServer{answer: func(string, int) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} }}
	resolver := names.resolver(t)
	nothing := client(t, Policy{Addresses: loopback()}, outside{resolver: resolver})
	mustDeny(t, nothing, request(t, "http://a.test:"+port), "not among the allowed hosts")

	some := client(t, Policy{Hosts: []string{"a.test", "*.b.test"}, Addresses: loopback()}, outside{resolver: resolver})
	all := client(t, Policy{Hosts: []string{"*"}, Addresses: loopback()}, outside{resolver: resolver})
	for _, tt := range []struct {
		c             *Client
		address, want string
	}{
		{some, "http://b.test:" + port, "not among the allowed hosts"},
		{some, "http://a.test.evil.org:" + port, "not among the allowed hosts"},
		{some, "http://127.0.0.1:" + port, "not among the allowed hosts"},
		{some, "http://a.test%2eevil.org", ""}, // net/url refuses it
		{all, "ftp://a.test", "only http and https"},
		{all, "file:///etc/passwd", "only http and https"},
		{all, "http:///x", "names no host"},
		{all, "http://:" + port, "names no host"},
		{all, "http://me:secret@a.test:" + port, "user in the URL"},
		{all, "http://2130706433:" + port, "usual form"},
		{all, "http://0177.0.0.1:" + port, "usual form"},
		{all, "http://0x7f.1:" + port, "usual form"},
		{all, "http://127.1:" + port, "usual form"},
		{all, "http://127.0.0.1.:" + port, "usual form"},
		{all, "http://[fe80::1%25eth0]:" + port, "zone"},
		{all, "http://[::ffff:127.0.0.1%25eth0]:" + port, "zone"},
		{all, "http://１２７.0.0.1:" + port, "xn--"},
		{all, "http://bücher.example:" + port, "xn--"},
		{all, "http://a..test:" + port, "not a host name"},
		{all, "http://a.test:" + port + "@b.test", ""},
	} {
		u, err := url.Parse(tt.address)
		if err != nil {
			if tt.want != "" {
				t.Errorf("%s: %v", tt.address, err)
			}
			continue
		}
		mustDeny(t, tt.c, (&http.Request{Method: http.MethodGet, URL: u}).WithContext(t.Context()), tt.want)
	}
	mustDeny(t, all, (&http.Request{Method: http.MethodGet}).WithContext(t.Context()), "no URL")
	odd := request(t, "http://a.test")
	odd.URL.Host = "a.test:80:" + port // no parser lets it through, but guests may not need one
	mustDeny(t, all, odd, "not a host name")
	connect := request(t, "http://a.test:"+port)
	connect.Method = http.MethodConnect
	mustDeny(t, all, connect, "CONNECT")

	if hits.Load() != 0 || names.questions.Load() != 0 {
		t.Errorf("%d requests got through, %d names were resolved", hits.Load(), names.questions.Load())
	}
}

func TestDeniedSaysWhat(t *testing.T) {
	c := client(t, Policy{Hosts: []string{"*"}}, outside{resolver: loopbackNames(t)})
	d := mustDeny(t, c, request(t, "http://a.test/secret?token=1"), "loopback")
	if d.Host != "a.test" || d.Address != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%+v", d)
	}
	want := `request denied: host "a.test" at address 127.0.0.1: a loopback address: allow its range, or, for a URL that names it, the address itself as a host`
	if d.Error() != want {
		t.Errorf("%s\nwant\n%s", d, want)
	}
	closed := &closeRecorder{Reader: strings.NewReader("x")}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://me@a.test", closed)
	if err != nil {
		t.Fatal(err)
	}
	mustDeny(t, c, req, "user")
	if !closed.closed {
		t.Error("the body of a denied request stays open")
	}
}

type closeRecorder struct {
	io.Reader
	closed bool
}

func (c *closeRecorder) Close() error { c.closed = true; return nil }

func TestAddressesByName(t *testing.T) {
	var hits atomic.Int64
	port := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	resolver := loopbackNames(t)
	deny := func(c *Client, host, words string) {
		t.Helper()
		mustDeny(t, c, request(t, "http://"+host+":"+port), words)
	}
	all := client(t, Policy{Hosts: []string{"*"}}, outside{resolver: resolver})
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost", "LocalHost.", "a.test"} {
		deny(all, host, "loopback")
	}
	deny(all, "[64:ff9b::7f00:1]", "loopback")
	deny(all, "[2002:7f00:1::]", "loopback")
	deny(all, "[::127.0.0.1]", "IPv4-compatible")
	deny(all, "0.0.0.0", "unspecified")
	deny(all, "[::]", "unspecified")
	deny(all, "169.254.169.254", "link-local")
	deny(all, "255.255.255.255", "broadcast")
	if hits.Load() != 0 {
		t.Fatalf("%d requests got through", hits.Load())
	}

	literal := client(t, Policy{Hosts: []string{"127.0.0.1", "a.test"}}, outside{resolver: resolver})
	mustGet(t, literal, request(t, "http://127.0.0.1:"+port))
	mustGet(t, literal, request(t, "http://[::ffff:127.0.0.1]:"+port))
	deny(literal, "a.test", "loopback")
	deny(literal, "127.0.0.2", "not among the allowed hosts")

	local := client(t, Policy{Hosts: []string{"localhost", "a.test"}}, outside{resolver: resolver})
	mustGet(t, local, request(t, "http://localhost:"+port))
	mustGet(t, local, request(t, "http://LOCALHOST.:"+port))
	deny(local, "a.test", "loopback")
	deny(local, "127.0.0.1", "not among the allowed hosts")
}

// TestRebinding plays a name server whose answer turns from an allowed address
// to a denied one. Two servers on one port of two loopback addresses stand for
// the public and the internal one.
func TestRebinding(t *testing.T) {
	public, internal := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")
	var publicHits, internalHits atomic.Int64
	port := serveBoth(t, &publicHits, &internalHits)
	policy := Policy{Hosts: []string{"*.test"}, Addresses: []netip.Prefix{netip.PrefixFrom(public, 32)}}

	names := &nameServer{answer: func(_ string, nth int) []netip.Addr {
		return []netip.Addr{[]netip.Addr{public, internal}[min(nth, 1)]}
	}}
	c := client(t, policy, outside{resolver: names.resolver(t)})
	first := request(t, "http://rebind.test:"+port)
	first.Close = true // so that the second request has to connect
	mustGet(t, c, first)
	if n := names.questions.Load(); n != 1 {
		t.Errorf("the name was resolved %d times for one connection", n)
	}
	d := mustDeny(t, c, request(t, "http://rebind.test:"+port), "loopback")
	if d.Address != internal {
		t.Errorf("denied for %s", d.Address)
	}
	if publicHits.Load() != 1 || internalHits.Load() != 0 {
		t.Errorf("the public server was asked %d times, the internal one %d times", publicHits.Load(), internalHits.Load())
	}

	both := &nameServer{answer: func(string, int) []netip.Addr { return []netip.Addr{internal, public} }}
	c = client(t, policy, outside{resolver: both.resolver(t)})
	mustGet(t, c, request(t, "http://both.test:"+port))
	if publicHits.Load() != 2 || internalHits.Load() != 0 {
		t.Errorf("of two addresses, the public server was asked %d times, the internal one %d times", publicHits.Load()-1, internalHits.Load())
	}
}

// serveBoth serves one port of 127.0.0.2 and of 127.0.0.1, and counts the
// connections to each.
func serveBoth(t *testing.T, public, internal *atomic.Int64) (port string) {
	t.Helper()
	for range 20 { // another process may have the port on the other address
		first, err := net.Listen("tcp4", "127.0.0.2:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(first.Addr().String())
		second, err := net.Listen("tcp4", "127.0.0.1:"+port)
		if err != nil {
			first.Close()
			continue
		}
		for l, hits := range map[net.Listener]*atomic.Int64{first: public, second: internal} {
			s := &httptest.Server{Listener: l, Config: &http.Server{
				Handler: http.NotFoundHandler(),
				ConnState: func(_ net.Conn, state http.ConnState) {
					if state == http.StateNew {
						hits.Add(1)
					}
				},
			}}
			s.Start()
			t.Cleanup(s.Close)
		}
		return port
	}
	t.Fatal("no port is free on both addresses")
	return ""
}

func TestHostHeader(t *testing.T) {
	port := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })
	c := client(t, Policy{Hosts: []string{"*"}, Addresses: loopback()}, outside{resolver: loopbackNames(t)})
	req := request(t, "http://a.test:"+port)
	req.Host = "internal.test"
	mustDeny(t, c, req, "Host header")
	for _, host := range []string{"A.test", "a.test:" + port, ""} {
		req.Host = host
		if got := mustGet(t, c, req); got != host && host != "" {
			t.Errorf("host %q came as %q", host, got)
		}
	}
	req = request(t, "http://a.test:"+port)
	req.Header.Set("Host", "internal.test")
	if got := mustGet(t, c, req); got != "a.test:"+port {
		t.Errorf("a field Host among the headers came as %q", got)
	}
}

func TestNothingIsDecompressed(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 1<<20))
	z.Close()
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			w.WriteHeader(http.StatusNotAcceptable)
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})
	c := client(t, Policy{Hosts: []string{"*"}, Addresses: loopback()}, outside{})
	resp, err := c.Do(request(t, "http://127.0.0.1:"+port))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.Equal(body, packed.Bytes()) {
		t.Errorf("%d: %d bytes, %v; %d were sent", resp.StatusCode, len(body), err, packed.Len())
	}
}

func TestBodiesStream(t *testing.T) {
	seen := make(chan struct{})
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		select { // a client that waits for the end never gets it
		case <-seen:
			_, _ = io.WriteString(w, "second")
		case <-r.Context().Done():
		}
	})
	c := client(t, Policy{Hosts: []string{"*"}, Addresses: loopback()}, outside{})
	resp, err := c.Do(request(t, "http://127.0.0.1:"+port))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, 5)
	if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "first" {
		t.Fatalf("%q, %v", buf, err)
	}
	close(seen)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second" {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestHeaderIsBounded(t *testing.T) {
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for range 40 {
			w.Header().Add("X-Flood", strings.Repeat("x", 32<<10))
		}
	})
	c := client(t, Policy{Hosts: []string{"*"}, Addresses: loopback()}, outside{})
	if _, err := get(t, c, request(t, "http://127.0.0.1:"+port)); err == nil {
		t.Error("a header of 1.25 MiB is accepted")
	}
}

func TestNoProxyNoCookies(t *testing.T) {
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	})
	c := client(t, Policy{Hosts: []string{"*"}, Addresses: loopback()}, outside{resolver: loopbackNames(t)})
	for range 2 {
		if cookies := mustGet(t, c, request(t, "http://a.test:"+port)); cookies != "" {
			t.Errorf("cookies came back: %s", cookies)
		}
	}
	if c.transport.Proxy != nil {
		t.Error("a proxy may be used") // net/http reads the environment once a process, so no test could set it
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	port := portOf(t, s.URL)
	policy := Policy{Hosts: []string{"example.com", "other.test"}, Addresses: loopback()}
	resolver := loopbackNames(t)

	stranger := client(t, policy, outside{resolver: resolver})
	_, err := get(t, stranger, request(t, "https://example.com:"+port+"/secret"))
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) || strings.Contains(err.Error(), "secret") {
		t.Errorf("an unknown authority: %v", err)
	}

	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := client(t, policy, outside{resolver: resolver, tls: &tls.Config{RootCAs: roots}})
	for _, host := range []string{"example.com", "EXAMPLE.com", "example.com."} {
		if got := mustGet(t, c, request(t, "https://"+host+":"+port)); got != "HTTP/1.1" {
			t.Errorf("%s: %s", host, got)
		}
	}
	var wrong x509.HostnameError
	if _, err := get(t, c, request(t, "https://other.test:"+port)); !errors.As(err, &wrong) {
		t.Errorf("another host's certificate: %v", err)
	}
}

func TestContext(t *testing.T) {
	arrived := make(chan struct{})
	port := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	c := client(t, Policy{Hosts: []string{"*"}, Addresses: loopback()}, outside{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := get(t, c, request(t, "http://127.0.0.1:"+port+"/?token=secret").WithContext(ctx))
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a cancelled request: %v", err)
	}
}

func TestClose(t *testing.T) {
	port := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := client(t, Policy{Hosts: []string{"*"}, Addresses: loopback()}, outside{})
	req := request(t, "http://127.0.0.1:"+port)
	mustGet(t, c, req)
	c.Close()
	c.Close()
	if _, err := get(t, c, req); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestConcurrent(t *testing.T) {
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	port := portOf(t, s.URL)
	c := client(t, Policy{Hosts: []string{"{a,b}.test"}, Addresses: loopback()}, outside{resolver: loopbackNames(t)})
	var wg sync.WaitGroup
	for _, host := range []string{"a.test", "b.test", "c.test"} {
		for range 8 {
			wg.Go(func() {
				for range 10 {
					body, err := get(t, c, request(t, "http://"+host+":"+port+"/"+host))
					var denied *Denied
					if host == "c.test" && !errors.As(err, &denied) || host != "c.test" && body != "/"+host {
						t.Errorf("%s: %q, %v", host, body, err)
					}
				}
			})
		}
	}
	wg.Wait()
	if n := conns.Load(); n == 0 || n >= 160 {
		t.Errorf("%d connections for 160 requests: they are not kept", n)
	}
}
