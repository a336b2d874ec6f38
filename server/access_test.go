package server

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// token makes a token and returns what its caller shows.
func token(t testing.TB, access *Access, name string, scopes Scopes) (secret string) {
	t.Helper()
	token, secret, err := NewToken(name, scopes)
	if err != nil {
		t.Fatal(err)
	}
	access.Tokens = append(access.Tokens, token)
	return secret
}

// with is do with headers, "Name: value" each.
func (r *rig) with(method, path, body string, headers ...string) got {
	r.Helper()
	return r.over(http.DefaultClient, r.base, method, path, strings.NewReader(body), headers...)
}

// over is send with headers. Host sets the request's Host.
func (r *rig) over(client *http.Client, base, method, path string, body io.Reader, headers ...string) got {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, base+path, body)
	if err != nil {
		r.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if req.Header.Add(name, value); name == "Host" {
			req.Host = value
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		r.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return got{resp.StatusCode, resp.Header, string(text)}
}

// TestScopes goes through who may do what. Paths that no route has are there
// too: what a request needs does not depend on the routes.
func TestScopes(t *testing.T) {
	var access Access
	secrets := map[string]string{
		"read": token(t, &access, "r", ScopeRead), "invoke": token(t, &access, "i", ScopeInvoke), "manage": token(t, &access, "m", ScopeManage),
		"all": token(t, &access, "all", allScopes), "unknown": tokenPrefix + "unknown", "none": "",
	}
	r := serve(t, nil, func(c *Config) { c.Access = access })
	r.install("p", "echo")
	const open, read, invoke, manage = "read invoke manage all unknown none", "read manage all", "invoke all", "manage all"
	for _, c := range []struct{ method, path, may string }{
		{"GET", "/", open}, {"HEAD", "/", open}, {"POST", "/", open}, {"PUT", "/", manage}, {"DELETE", "/", manage}, {"OPTIONS", "/", read},
		{"GET", "/ping", open}, {"GET", "/healthz", open}, {"HEAD", "/readyz", open}, {"POST", "/ping", manage}, {"GET", "/ping/", read},
		{"GET", "/metrics", read}, {"GET", "/plugins/functions", read}, {"HEAD", "/plugins/functions/p", read},
		{"GET", "/plugins/functions/p/status", read}, {"GET", "/plugins/functions/p/logs", read}, {"GET", "/a/route/of/tomorrow", read},
		{"GET", "/data/export", manage}, {"HEAD", "/data/export", manage}, {"GET", "/data/export?x", manage}, {"OPTIONS", "/data/export", read},
		{"OPTIONS", "/plugins/functions", read}, {"OPTIONS", "*", read},
		{"POST", "/invoke/echo", invoke}, {"POST", "/invoke/echo/batch", invoke}, {"GET", "/invoke/echo", invoke}, {"POST", "/invoke/nope", invoke},
		{"PUT", "/invoke/echo", manage}, {"POST", "/invoke", manage}, {"POST", "/%69nvoke/echo", manage}, {"POST", "//invoke/echo", manage}, {"POST", "/Invoke/echo", manage},
		{"POST", "/plugins/functions", manage}, {"PUT", "/plugins/functions/p", manage}, {"DELETE", "/plugins/functions/nope", manage},
		{"POST", "/plugins/functions/p/register", manage}, {"POST", "/a/route/of/tomorrow", manage}, {"PATCH", "/plugins/functions", manage},
		{"BREW", "/plugins/functions", manage}, {"get", "/plugins/functions", manage}, {"TRACE", "/", manage},
	} {
		for who, secret := range secrets {
			header := "X-No: token"
			if secret != "" {
				header = "Authorization: Bearer " + secret
			}
			if c.method == "HEAD" {
				if g := r.with("HEAD", c.path, "", header); (g.status < 400) != strings.Contains(c.may, who) {
					t.Errorf("HEAD %s by %s: %v", c.path, who, g)
				}
				continue
			}
			// By hand: clients take some of these apart.
			g := r.raw(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", c.method, c.path, header))
			what := fmt.Sprintf("%s %s by %s: %v", c.method, c.path, who, g)
			may := strings.Contains(" "+c.may+" ", " "+who+" ")
			switch denied := g.status == 401 || g.status == 403; {
			case may == denied:
				t.Error(what)
			case !denied:
			case who == "none" || who == "unknown":
				r.checkError(what, g)
				if g.status != 401 || g.header.Get("WWW-Authenticate") != "Bearer" || !strings.Contains(g.body, `"error":9401`) {
					t.Error(what, g.header)
				}
			default:
				r.checkError(what, g)
				need, _, _ := strings.Cut(c.may, " ")
				if g.status != 403 || !strings.Contains(g.body, `"error":9403`) || !strings.Contains(g.body, "lacks the scope "+need+": it has "+who) {
					t.Error(what)
				}
			}
		}
	}
	if names := r.host.List(0); len(names) != 1 {
		t.Errorf("installed are %v", names)
	}
	g := r.with("POST", "/invoke/echo", "in", "Authorization: bEARER   "+secrets["all"])
	if g.status != 200 || g.body != "in" {
		t.Errorf("%v", g)
	}
	families := func() map[string]float64 {
		g := r.with("GET", "/metrics", "", "Authorization: Bearer "+secrets["read"])
		counts := map[string]float64{}
		for line := range strings.Lines(g.body) {
			var n float64
			for _, why := range refusalNames {
				if _, err := fmt.Sscanf(line, `berth_http_refused_total{because="`+why+`"} %f`, &n); err == nil {
					counts[why] = n
				}
			}
		}
		return counts
	}
	before := families()
	r.with("GET", "/metrics", "")
	r.with("POST", "/invoke/echo", "", "Authorization: Bearer "+secrets["read"])
	after := families()
	if after["caller"] != before["caller"]+1 || after["scope"] != before["scope"]+1 || before["caller"] == 0 || len(after) != int(numRefusals) {
		t.Errorf("counted %v, then %v", before, after)
	}
}

// TestAuthorizationHeader: what is no bearer token is none.
func TestAuthorizationHeader(t *testing.T) {
	var access Access
	secret := token(t, &access, "a", allScopes)
	r := serve(t, nil, func(c *Config) { c.Access = access })
	digest := sha256.Sum256([]byte(secret))
	for header, status := range map[string]int{
		"Bearer " + secret: 200, "bearer  " + secret: 200, "Bearer\t" + secret: 401, secret: 401, "Basic " + secret: 401, "Bearer": 401, "Bearer ": 401,
		"Bearer " + secret + "x": 401, "Bearer " + secret[:len(secret)-1]: 401, "Bearer " + strings.ToUpper(secret): 401,
		"Bearer " + hex.EncodeToString(digest[:]): 401, "Bearer " + secret + ", Bearer " + secret: 401, "Bearer " + strings.Repeat("x", 4000): 401,
	} {
		if g := r.with("GET", "/plugins/functions", "", "Authorization: "+header); g.status != status {
			t.Errorf("%.60q: %v", header, g)
		}
	}
	if g := r.with("GET", "/plugins/functions?access_token="+secret, ""); g.status != 401 {
		t.Errorf("a token in the URL: %v", g)
	}
}

// TestAccessOnEveryListener: a Unix socket asks for tokens as TCP does.
func TestAccessOnEveryListener(t *testing.T) {
	var access Access
	secret := token(t, &access, "a", ScopeRead)
	r := serve(t, nil, func(c *Config) { c.Access = access })
	path := filepath.Join(r.dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	r.serveOn(ln)
	client := unixClient(path)
	defer client.CloseIdleConnections()
	if g := r.over(client, "http://berth", "GET", "/plugins/functions", nil); g.status != 401 {
		t.Errorf("%v", g)
	}
	if g := r.over(client, "http://berth", "GET", "/plugins/functions", nil, "Authorization: Bearer "+secret); g.status != 200 {
		t.Errorf("%v", g)
	}
}

// TestDeniedBodies: of a caller that may not, no large body is read, and it is
// told why; what it sent is never taken for the next request.
func TestDeniedBodies(t *testing.T) {
	var access Access
	secret := token(t, &access, "a", ScopeInvoke)
	r := serve(t, nil, func(c *Config) { c.Access, c.MaxBody = access, 8<<20 })
	r.install("p", "echo")
	for _, c := range []struct {
		size    int
		chunked bool
		header  string
		status  int
	}{
		{100, false, "", 401}, {100, true, "", 401}, {smallBody + 1, false, "", 401}, {4 << 20, false, "", 401}, {100 << 20, false, "", 401},
		{4 << 20, true, "", 413}, // what fasthttp forgets
		{4 << 20, false, secret, 200}, {4 << 20, true, secret, 200}, {9 << 20, false, secret, 413},
	} {
		var body io.Reader = io.LimitReader(zeros{}, int64(c.size))
		req, _ := http.NewRequestWithContext(t.Context(), "POST", r.base+"/invoke/echo", body)
		if !c.chunked {
			req.ContentLength = int64(c.size)
		}
		if c.header != "" {
			req.Header.Set("Authorization", "Bearer "+c.header)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || err != nil || c.status != 200 && len(text) > 300 {
			t.Errorf("%+v: %d %.300s, %v", c, resp.StatusCode, text, err)
		}
		if c.status != 200 && !resp.Close {
			t.Errorf("%+v: the connection stays open", c)
		}
		if c.status == 413 && c.chunked && !strings.Contains(string(text), "caller without the scope") {
			t.Errorf("%+v: %s", c, text)
		}
	}
	g := r.with("POST", "/plugins/functions", strings.Repeat("x", smallBody+1), "Authorization: Bearer "+secret)
	if g.status != 403 || !strings.Contains(g.body, "manage") {
		t.Errorf("%v", g)
	}
}

// TestDeniedStream: who goes on sending after it was denied reads its answer all
// the same.
func TestDeniedStream(t *testing.T) {
	var access Access
	token(t, &access, "a", allScopes)
	r := serve(t, nil, func(c *Config) { c.Access = access })
	conn := r.dial()
	defer conn.Close()
	_, err := fmt.Fprintf(conn, "POST /plugins/functions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
	if err == nil {
		_, err = io.CopyN(conn, zeros{}, 8<<20)
	}
	if err != nil {
		t.Fatal(err)
	}
	if g := r.answer(bufio.NewReader(conn)); g.status != 401 {
		t.Errorf("%v", g)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestUploadAccess: a package in a request is read only of those who may install
// it, over TLS too, and who did is in the log.
func TestUploadAccess(t *testing.T) {
	var access Access
	manager, caller := token(t, &access, "ops", ScopeManage), token(t, &access, "portal", ScopeInvoke)
	ca := newAuthority(t)
	plain := serve(t, nil, func(c *Config) { c.Access = access })
	secure := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.forServer()}}, nil, func(c *Config) { c.Access = access })
	for client, r := range map[*http.Client]*rig{http.DefaultClient: plain, tlsClient(t, &tls.Config{RootCAs: ca.pool}): secure} {
		for _, c := range []struct {
			header string
			status int
			body   string
		}{
			{"X-No: token", 401, "a token is needed"},
			{"Authorization: Bearer " + caller, 403, "lacks the scope manage"},
			{"Origin: https://evil.test", 403, "may not use this host"},
			{"Authorization: Bearer " + manager, 201, "is created"},
		} {
			for _, name := range []string{"whole", "chunked"} {
				r.zip(name+".zip", map[string]string{name + ".wasm": "echo-" + name, "noise": noise(3 << 20)})
				var body io.Reader = strings.NewReader(r.read(name + ".zip"))
				if name == "chunked" {
					body = io.MultiReader(body)
				}
				g := r.over(client, r.base, "POST", "/plugins/functions?name="+name, body, "Content-Type: application/zip", c.header)
				if g.status != c.status || !strings.Contains(g.body, c.body) {
					t.Errorf("%s, %s, %s: %v", r.base, c.header, name, g)
				}
			}
		}
		r.eventually("the log says who", func() bool {
			return strings.Count(r.log.String(), `msg=managed by="token ops"`) == 2 && strings.Count(r.log.String(), "path=/plugins/functions status=201") == 2
		})
	}
}

// TestAudit: who changed what is in the log, and nobody's token.
func TestAudit(t *testing.T) {
	var access Access
	secret := token(t, &access, "anna", allScopes)
	r := serve(t, nil, func(c *Config) { c.Access = access })
	r.with("DELETE", "/plugins/functions/gone", "", "Authorization: Bearer "+secret)
	r.with("POST", "/invoke/x", "", "Authorization: Bearer "+secret)
	r.with("DELETE", "/plugins/functions/gone", "", "Authorization: Bearer wrong"+secret)
	text := r.log.String()
	if !strings.Contains(text, `msg=managed by="token anna"`) || !strings.Contains(text, "method=DELETE path=/plugins/functions/gone status=404") {
		t.Errorf("no line of who did it:\n%s", text)
	}
	if strings.Count(text, "msg=managed") != 1 || strings.Count(text, "access denied") != 1 {
		t.Errorf("other lines:\n%s", text)
	}
	if strings.Contains(text, secret) {
		t.Error("the token is in the log")
	}
}

func TestTokenText(t *testing.T) {
	made, secret, err := NewToken("ci.1", ScopeManage|ScopeInvoke)
	if err != nil || len(secret) != len(tokenPrefix)+43 || !strings.HasPrefix(secret, tokenPrefix) {
		t.Fatalf("%q, %v", secret, err)
	}
	text := made.String()
	if read, err := ParseToken(text); err != nil || read != made || !strings.HasPrefix(text, "ci.1:invoke+manage:") {
		t.Errorf("%s: %v, %v", text, read, err)
	}
	if read, err := ParseToken(strings.ToUpper(text[len(text)-64:])); err == nil {
		t.Errorf("%v", read)
	}
	if _, again, _ := NewToken("ci.1", ScopeRead); again == secret {
		t.Error("two tokens are the same")
	}
	digest := strings.Repeat("0a", 32)
	for _, text := range []string{"", "a", "a:read", "a:read:", "a:read:" + digest[1:], "a:read:" + digest + "0", "a:read:" + digest + "00", "a::" + digest, "a:write:" + digest,
		"a:read+:" + digest, "a:Read:" + digest, ":read:" + digest, "a b:read:" + digest, "ä:read:" + digest, strings.Repeat("a", 65) + ":read:" + digest,
		"a:read:" + tokenPrefix + digest[6:], "a:read:" + strings.Repeat("zz", 32), "a:read:b:" + digest} {
		if token, err := ParseToken(text); err == nil {
			t.Errorf("%q is read as %v", text, token)
		}
	}
	for _, scopes := range []Scopes{0, 8, 255} {
		if _, _, err := NewToken("a", scopes); err == nil {
			t.Errorf("a token with scopes %d", scopes)
		}
	}
}

func TestAccessFaults(t *testing.T) {
	var access Access
	token(t, &access, "a", ScopeRead)
	token(t, &access, "a", ScopeRead)
	twin := access.Tokens[0]
	twin.Name = "b"
	access.Tokens = append(access.Tokens, twin)
	access.JWTKeys, access.Origins = t.TempDir(), []string{"ui.test", "HTTP://x", "http://x:80"}
	r := newRig(t, nil, nil)
	_, err := New(Config{Host: r.host, Access: access})
	for _, part := range []string{`two tokens are called "a"`, `"a" and "b" are the same token`, "there is no key in " + access.JWTKeys, `"ui.test" is no origin`, `"HTTP://x"`, `"http://x:80"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in: %v", part, err)
		}
	}
	var many Access
	for i := range maxTokens + 1 {
		many.Tokens = append(many.Tokens, Token{fmt.Sprint(i), ScopeRead, sha256.Sum256([]byte{byte(i), byte(i >> 8)})})
	}
	if err := many.Validate(); err == nil || !strings.Contains(err.Error(), "at most 256") {
		t.Errorf("%v", err)
	}
	many.Tokens = many.Tokens[:maxTokens]
	if err := many.Validate(); err != nil {
		t.Error(err)
	}
	for i := range many.Tokens {
		if found := findToken(many.Tokens, []byte{byte(i), byte(i >> 8)}); found != i {
			t.Errorf("token %d is found at %d", i, found)
		}
	}
}

// TestAccessAllocs holds the budget of the hot path with access control: none.
func TestAccessAllocs(t *testing.T) {
	access := Access{JWTKeys: keysOf(t, "portal")}
	secret := token(t, &access, "a", ScopeInvoke)
	r := newRig(t, nil, func(c *Config) { c.Access = access })
	r.install("p", "echo")
	handler := r.server.Handler()
	for name, credential := range map[string]string{"token": secret, "JWT": signed(t, "RS256", "portal", nil)} {
		ctx := warmContext(r, "echo", 256)
		ctx.Request.Header.Set(fasthttp.HeaderAuthorization, "Bearer "+credential)
		handler(ctx) // a JWT is verified once
		if n := testing.AllocsPerRun(1000, func() {
			ctx.Response.Reset()
			handler(ctx)
		}); n != 0 {
			t.Errorf("a call with a %s allocates %v times", name, n)
		}
		if ctx.Response.StatusCode() != 200 || len(ctx.Response.Body()) != 256 {
			t.Errorf("%s: %d %s", name, ctx.Response.StatusCode(), ctx.Response.Body())
		}
	}
}

// FuzzAuthorization: no header is a fault, and none lets in but the right ones.
func FuzzAuthorization(f *testing.F) {
	access := Access{JWTKeys: keysOf(f, "portal")}
	secret := token(f, &access, "a", allScopes)
	good := signed(f, "RS256", "portal", nil)
	for _, header := range []string{"", "Bearer " + secret, secret, "Bearer " + good, good, "Bearer ", "bearer a.b.c", "a.b.c", "..", "Basic YTpi",
		"eyJhbGciOiJub25lIn0.eyJpc3MiOiJwb3J0YWwiLCJhdWQiOiJlS3VpcGVyIn0.", "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjFlOTk5fQ.AA", "\x00", "Bearer \xff.\xfe.=="} {
		f.Add(header)
	}
	tokens, jwts := Access{Tokens: access.Tokens}, Access{JWTKeys: access.JWTKeys}
	r := newRig(f, nil, func(c *Config) { c.Log = nil })
	guards := []*guard{newGuard(access, r.server.log), newGuard(tokens, r.server.log), newGuard(jwts, r.server.log)}
	f.Fuzz(func(t *testing.T, header string) {
		var head fasthttp.RequestHeader
		head.SetMethod("DELETE")
		head.Set(fasthttp.HeaderAuthorization, header)
		for i, g := range guards {
			by, no := g.judge(&head, []byte("/plugins/functions/p"))
			credential, _ := bearer(head.Peek(fasthttp.HeaderAuthorization))
			if right := string(credential) == secret || string(credential) == good; (no == nil) && !right {
				t.Errorf("guard %d lets %q in as %v", i, header, by)
			}
			if no != nil && (no.message == "" || no.why != refusedCaller) {
				t.Errorf("guard %d refuses %q with %+v", i, header, no)
			}
		}
	})
}

func FuzzTokenText(f *testing.F) {
	made, _, _ := NewToken("a", allScopes)
	f.Add(made.String())
	f.Add("a:read+manage:00")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err != nil {
			return
		}
		if again, err := ParseToken(token.String()); err != nil || again != token {
			t.Errorf("%q: %v, then %v, %v", text, token, again, err)
		}
	})
}
