package server

import (
	"crypto/sha256"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"*": "*", "http://x": "http://x", "https://UI.example.com": "https://ui.example.com", "http://10.0.0.7:8080": "http://10.0.0.7:8080",
		"http://x:80": "http://x", "https://x:443": "https://x", "https://x:80": "https://x:80", "http://[::1]:80": "http://[::1]", "http://[::1]:9": "http://[::1]:9",
		"capacitor://localhost": "capacitor://localhost",
	} {
		if got, err := ParseOrigin(text); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "null", "http://", "http://x/", "http://x/a", "http://x?a", "http://x#a", "http://u@x", "//x", "http:x", "http://x y", "*.x", "http://x:y", "**"} {
		if got, err := ParseOrigin(text); err == nil {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}

// TestCrossSite: what a browser may send for a page, for all that access control
// may be. HTTP knows the pages by Origin, and what they call the host by Host.
func TestCrossSite(t *testing.T) {
	named := Access{Names: []string{"gateway.test"}, Origins: []string{"http://ui.test:8080"}}
	every := Access{Origins: []string{"*"}}
	withToken := func(a Access) Access {
		a.Tokens = []Token{{Name: "a", Scopes: allScopes, Digest: sha256.Sum256([]byte("secret"))}}
		return a
	}
	const own, post, get = "http://127.0.0.1:9081", "POST", "GET"
	const origin, name, ok = "may not use this host", "is no name of this host", ""
	for _, c := range []struct {
		what                 string
		access               Access
		method, origin, host string
		want                 string
	}{
		{"no page", Access{}, post, "", "127.0.0.1:9081", ok},
		{"no page, by any name", Access{}, post, "", "berth:9081", ok}, // no browser sends that
		{"own page", Access{}, post, own, "127.0.0.1:9081", ok},
		{"own page of localhost", Access{}, post, "http://LOCALHOST:9081", "localhost:9081", ok},
		{"own page over IPv6", Access{}, post, "http://[::1]:9081", "[::1]:9081", ok},
		{"own page behind TLS", Access{}, post, "https://10.0.0.7", "10.0.0.7", ok},
		{"another port is another page", Access{}, post, "http://127.0.0.1:8080", "127.0.0.1:9081", origin},
		{"another host", Access{}, post, "https://evil.test", "127.0.0.1:9081", origin},
		{"a file, a frame without rights", Access{}, post, "null", "127.0.0.1:9081", origin},
		{"a lie", Access{}, post, "127.0.0.1:9081", "127.0.0.1:9081", origin},
		{"PUT", Access{}, "PUT", "https://evil.test", "127.0.0.1:9081", origin},
		{"DELETE", Access{}, "DELETE", "https://evil.test", "127.0.0.1:9081", origin},
		{"any method", Access{}, "BREW", "https://evil.test", "127.0.0.1:9081", origin},
		{"GET of another host", Access{}, get, "https://evil.test", "127.0.0.1:9081", ok}, // the browser keeps the answer
		{"rebinding", Access{}, post, "http://evil.test:9081", "evil.test:9081", name},
		{"rebinding, GET", Access{}, get, "http://evil.test:9081", "evil.test:9081", name},
		{"rebinding, GET without Origin", Access{}, get, "", "evil.test:9081", name},
		{"rebinding, HEAD without Origin", Access{}, "HEAD", "", "evil.test:9081", name},
		{"names that look like addresses", Access{}, get, "", "127.0.0.1.evil.test", name},
		{"localhost of somebody", Access{}, get, "", "localhost.evil.test", name},
		{"localhost with its dot", Access{}, get, "", "localhost.:9081", ok},

		{"its name", named, get, "", "gateway.test:9081", ok},
		{"its name, own page", named, post, "http://Gateway.test:9081", "gateway.test:9081", ok},
		{"its page", named, post, "http://ui.test:8080", "127.0.0.1:9081", ok},
		{"its page, by that name", named, post, "http://ui.test:8080", "ui.test:9081", ok},
		{"its page, in capitals", named, post, "HTTP://UI.test:8080", "127.0.0.1:9081", ok},
		{"not quite its page", named, post, "http://ui.test", "127.0.0.1:9081", origin},
		{"nor that", named, post, "http://ui.test:8080.evil.test", "127.0.0.1:9081", origin},
		{"every page", every, post, "https://any.test", "any.test", ok},
		{"every page, without rights", every, post, "null", "127.0.0.1", ok},

		{"token, no page", withToken(Access{}), post, "", "berth:9081", ok},
		{"token, GET by any name", withToken(Access{}), get, "", "berth:9081", ok},
		{"token, own page by any name", withToken(Access{}), post, "https://berth", "berth", ok},
		{"token, another host", withToken(Access{}), post, "https://evil.test", "127.0.0.1:9081", origin},
		{"token, its page", withToken(named), "DELETE", "http://ui.test:8080", "127.0.0.1:9081", ok},
		{"certificates, GET by any name", Access{Certificates: true}, get, "", "berth:9081", ok},
		{"certificates, another host", Access{Certificates: true}, post, "https://evil.test", "berth:9081", origin},
	} {
		r := serve(t, nil, func(config *Config) { config.Access = c.access })
		r.install("p", "echo")
		path, body := "/plugins/functions/absent", ""
		if c.method == post {
			path, body = "/invoke/echo", "hello"
		}
		headers := []string{"Host: " + c.host, "Authorization: Bearer secret"}
		if c.origin != "" {
			headers = append(headers, "Origin: "+c.origin)
		}
		g := r.with(c.method, path, body, headers...)
		if c.want == ok {
			if g.status == 403 {
				t.Errorf("%s: %v", c.what, g)
			}
			continue
		}
		if g.status != 403 || c.method != "HEAD" && !strings.Contains(g.body, c.want) {
			t.Errorf("%s: %v, want %q", c.what, g, c.want)
		}
		if c.method != "HEAD" {
			r.checkError(c.what, g)
		}
		for why, n := range map[refusal]string{refusedOrigin: origin, refusedName: name} {
			if counted := r.server.guard.counts[why].Load(); (counted == 1) != (c.want == n) {
				t.Errorf("%s: counted %d of %s", c.what, counted, refusalNames[why])
			}
		}
	}
}

// TestProbesByAnyName: what tells nothing is told to whoever asks.
func TestProbesByAnyName(t *testing.T) {
	r := serve(t, nil, nil)
	for _, path := range []string{"/", "/ping", "/healthz", "/readyz"} {
		if g := r.with("GET", path, "", "Host: www"); g.status == 403 {
			t.Errorf("%s: %v", path, g)
		}
	}
	// No browser reaches a Unix socket.
	path := filepath.Join(r.dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	r.serveOn(ln)
	client := unixClient(path)
	defer client.CloseIdleConnections()
	if g := r.over(client, "http://berth", "GET", "/plugins/functions", nil); g.status != 200 {
		t.Errorf("%v", g)
	}
}

// TestCORS: what browsers are told, for each configuration.
func TestCORS(t *testing.T) {
	const page = "http://ui.test"
	off, one, every := Access{}, Access{Origins: []string{"http://other.test", page}}, Access{Origins: []string{"*"}}
	secret := token(t, &one, "a", allScopes)
	for _, c := range []struct {
		what            string
		access          Access
		method, headers string
		status          int
		want            string // Allow-Origin, Allow-Methods, Allow-Headers, Vary
	}{
		{"off", off, "GET", "Origin: " + page, 200, "|||"},
		{"off, preflight", off, "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: PUT", 200, "|||"},
		{"no page", one, "GET", "Authorization: Bearer " + secret, 200, "|||"},
		{"page", one, "GET", "Origin: " + page + "\nAuthorization: Bearer " + secret, 200, page + "|||Origin"},
		{"page without a token", one, "GET", "Origin: " + page, 401, page + "|||Origin"},
		{"another page", one, "GET", "Origin: http://evil.test\nAuthorization: Bearer " + secret, 200, "|||"},
		{"preflight", one, "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: PUT", 200, page + "|PUT||Origin"},
		{"preflight DELETE", one, "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: DELETE\nAccess-Control-Request-Headers: authorization, content-type,accept", 200, page + "|DELETE|Authorization,Content-Type|Origin"},
		{"preflight POST", one, "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: POST\nAccess-Control-Request-Headers: Content-Type", 200, page + "||Content-Type|Origin"},
		{"preflight of a method", one, "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: PATCH", 405, "|||"},
		{"preflight of a header", one, "OPTIONS", "Origin: " + page + "\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: x-mine", 403, "|||"},
		{"preflight of nothing", one, "OPTIONS", "Origin: " + page, 400, "|||"},
		{"preflight of another page", one, "OPTIONS", "Origin: http://evil.test\nAccess-Control-Request-Method: PUT", 401, "|||"},
		{"every", every, "GET", "Origin: http://any.test", 200, "*|||"},
		{"every, preflight", every, "OPTIONS", "Origin: http://any.test\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: authorization", 200, "*|PUT|Authorization|"},
	} {
		r := serve(t, nil, func(config *Config) { config.Access = c.access })
		g := r.with(c.method, "/plugins/functions", "", strings.Split(c.headers, "\n")...)
		var got []string
		for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Vary"} {
			got = append(got, strings.Join(g.header.Values(name), "&"))
		}
		if g.status != c.status || strings.Join(got, "|") != c.want {
			t.Errorf("%s: %v %v, want %d %s", c.what, g, got, c.status, c.want)
		}
		if c.method == "OPTIONS" && c.status != 401 && g.body != "" {
			t.Errorf("%s: %v", c.what, g)
		}
	}
}

func TestHostOf(t *testing.T) {
	for authority, want := range map[string]string{
		"": "", "x": "x", "x:1": "x", "x.:1": "x", "[::1]": "::1", "[::1]:80": "::1", "127.0.0.1:9081": "127.0.0.1", ":80": "", "[": "", "]:1": "]",
	} {
		if got := hostOf(authority); got != want {
			t.Errorf("%q: %q, want %q", authority, got, want)
		}
	}
}
