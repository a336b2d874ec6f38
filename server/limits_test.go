package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigFaults(t *testing.T) {
	_, err := New(Config{MaxBody: -1, ReadTimeout: -1, Concurrency: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"a host is needed", "MaxBody", "ReadTimeout", "Concurrency"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
}

// TestBodyLimits: each route has its own, and the answer arrives although the
// client is still sending.
func TestBodyLimits(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.MaxBody, c.MaxBatch, c.MaxManagement = 3<<20, 2<<20, 1<<20 })
	r.install("p", "echo")
	for _, c := range []struct {
		path   string
		size   int
		status int
		limit  string
	}{
		{"/invoke/echo", 3 << 20, 200, ""},
		{"/invoke/echo", 3<<20 + 1, 413, "3MiB"},
		{"/invoke/echo/batch", 2 << 20, 200, ""},
		{"/invoke/echo/batch", 2<<20 + 1, 413, "2MiB"},
		{"/plugins/functions", 1 << 20, 400, ""},
		{"/plugins/functions", 1<<20 + 1, 413, "1MiB"},
		{"/plugins/functions", 30 << 20, 413, "1MiB"},
		{"/nope", 1<<20 + 1, 413, "1MiB"},
		{"/data/import", 16 << 20, 400, ""},
		{"/data/import", 16<<20 + 1, 413, "16MiB"},
		{"/invoke/echo?x=/batch", 3 << 20, 200, ""},
	} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = bytes.NewReader(bytes.Repeat([]byte("x"), c.size))
			if chunked {
				body = io.MultiReader(body)
			}
			g := r.send(http.DefaultClient, r.base, "POST", c.path, body)
			if g.status != c.status {
				t.Errorf("%s of %d bytes, chunked %v: %.200s", c.path, c.size, chunked, g)
			}
			if c.status == 413 {
				r.checkError(c.path, g)
				if !chunked && !strings.Contains(g.body, c.limit) || !strings.Contains(g.body, "9413") {
					t.Errorf("%s: %s", c.path, g.body)
				}
			}
		}
	}
	// The limit holds for a whole URL as target too, and with 100-continue.
	g := r.raw("POST http://x/invoke/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\nExpect: 100-continue\r\n\r\n")
	if g.status != 100 {
		t.Errorf("%v", g)
	}
	if g := r.raw("POST http://x/invoke/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"); g.body != "ab" {
		t.Errorf("%v", g)
	}
}

func TestMalformedRequests(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.MaxHead = 1 << 10 })
	for _, c := range []struct {
		request string
		status  int
		number  string
	}{
		{"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("y", 2<<10) + "\r\n\r\n", 431, "9431"},
		{"nonsense\r\n\r\n", 400, "1000"},
		{"GET / HTTP/1.1\r\n\r\n", 400, "1000"},
		{"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400, "1000"},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n1", 400, "1000"},
		{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "1000"},
		{"GET /plugins/functions/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "1000"},
	} {
		g := r.raw(c.request)
		r.checkError(c.request, g)
		if g.status != c.status || !strings.Contains(g.body, c.number) {
			t.Errorf("%.40q: %v", c.request, g)
		}
	}
	r.play([]step{{"GET", "/ping", "", 200, ""}})
}

// TestSlowClients: each kind of slowness ends within its limit.
func TestSlowClients(t *testing.T) {
	const short, long = 100 * time.Millisecond, testLimit
	r := serve(t, nil, func(c *Config) {
		c.ReadTimeout, c.UploadTimeout, c.IdleTimeout, c.WriteTimeout = short, 3*short, short, short
		c.MaxBody = 64 << 20
	})
	r.install("p", "echo", "twin")
	for _, c := range []struct{ name, request string }{
		{"nothing", ""},
		{"half a head", "GET / HTTP/1.1\r\nHos"},
		{"half a body", "POST /invoke/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"},
		{"half an upload", "POST /invoke/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n12345"},
		{"half a chunk", "POST /invoke/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"},
	} {
		g := r.raw(c.request)
		r.checkError(c.name, g)
		if g.status != 408 || !strings.Contains(g.body, "9408") {
			t.Errorf("%s: %v", c.name, g)
		}
	}
	t.Run("idle", func(t *testing.T) {
		conn := r.dial()
		defer conn.Close()
		fmt.Fprintf(conn, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
		reader := bufio.NewReader(conn)
		if g := r.answer(reader); g.status != 200 {
			t.Fatal(g)
		}
		if rest, err := io.ReadAll(reader); len(rest) > 0 || err != nil {
			t.Errorf("an idle connection ended with %q, %v", rest, err)
		}
	})
	t.Run("never reads", func(t *testing.T) {
		conn := r.dial()
		defer conn.Close()
		body := bytes.Repeat([]byte("x"), 24<<20)
		fmt.Fprintf(conn, "POST /invoke/twin HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(body))
		if _, err := conn.Write(body); err != nil {
			t.Logf("sending: %v", err)
		}
		r.eventually("the server gives up", func() bool { return r.server.conns.count() == 0 })
	})
}

// TestConcurrencyLimit: who is over it gets an answer of the usual shape, and
// there is room again when somebody leaves.
func TestConcurrencyLimit(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.Concurrency = 2 })
	held := []net.Conn{r.dial(), r.dial()}
	r.eventually("both are in", func() bool { return r.server.conns.count() == 2 })
	g := r.raw("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
	r.checkError("over the limit", g)
	if g.status != 503 || !strings.Contains(g.body, "serves 2 connections") {
		t.Errorf("%v", g)
	}
	for _, conn := range held {
		conn.Close()
	}
	r.eventually("both are out", func() bool { return r.server.conns.count() == 0 })
	if g := r.raw("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"); g.status != 200 {
		t.Errorf("%v", g)
	}
}

func TestUnixSocketBesideTCP(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo")
	path := filepath.Join(r.dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	r.serveOn(ln)
	client := unixClient(path)
	defer client.CloseIdleConnections()
	for range 2 {
		if g := r.send(client, "http://unix", "POST", "/invoke/echo", strings.NewReader("u")); g.body != "u" {
			t.Errorf("%v", g)
		}
	}
	if g := r.do("POST", "/invoke/echo", "t"); g.body != "t" {
		t.Errorf("%v", g)
	}
}

func unixClient(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

func TestKeepAliveAndPipelining(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo", "rejected")
	conn := r.dial()
	defer conn.Close()
	var requests strings.Builder
	for i := range 20 {
		fmt.Fprintf(&requests, "POST /invoke/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n%02d", i)
		fmt.Fprintf(&requests, "POST /invoke/rejected HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		fmt.Fprintf(&requests, "POST /invoke/echo/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n%02d", i)
	}
	if _, err := io.WriteString(conn, requests.String()); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for i := range 20 {
		if g := r.answer(reader); g.body != fmt.Sprintf("%02d", i) {
			t.Errorf("%d: %v", i, g)
		}
		if g := r.answer(reader); g.status != 422 {
			t.Errorf("%d: %v", i, g)
		}
		if g := r.answer(reader); g.body != fmt.Sprintf("{\"result\":\"%02d\"}\n", i) {
			t.Errorf("%d: %v", i, g)
		}
	}
}

func TestHeadAndOptions(t *testing.T) {
	r := serve(t, nil, nil)
	for _, path := range []string{"/", "/ping", "/healthz", "/readyz", "/metrics", "/plugins/functions", "/plugins/udfs"} {
		g := r.do("HEAD", path, "")
		if g.status != 200 || g.body != "" {
			t.Errorf("HEAD %s: %v", path, g)
		}
		if path != "/ping" && g.header.Get("Content-Length") == "0" {
			t.Errorf("HEAD %s has no length", path)
		}
		if g := r.do("OPTIONS", path, ""); g.status != 200 || !strings.Contains(g.header.Get("Allow"), "GET") {
			t.Errorf("OPTIONS %s: %v %v", path, g, g.header)
		}
		if g := r.do("PATCH", path, ""); g.status != 405 || g.body != "" || !strings.Contains(g.header.Get("Allow"), "GET") {
			t.Errorf("PATCH %s: %v %v", path, g, g.header)
		}
	}
	if g := r.do("HEAD", "/plugins/functions/nope", ""); g.status != 404 || g.body != "" {
		t.Errorf("%v", g)
	}
	for _, target := range []string{"http://x", "http://x?q"} {
		if g := r.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n"); g.status != 200 || !strings.Contains(g.body, "upTimeSeconds") {
			t.Errorf("GET %s: %v", target, g)
		}
	}
	g := r.do("GET", "/ping", "")
	if g.header.Get("Server") != "" || g.header.Get("Date") == "" {
		t.Errorf("headers: %v", g.header)
	}
}
