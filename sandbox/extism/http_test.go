package extism_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/sandbox/extism"
)

// request makes the description of a request.
func request(url, method string, headers map[string]string) string {
	text, _ := json.Marshal(map[string]any{"url": url, "method": method, "headers": headers})
	return string(text)
}

// wantTrap calls http_request and checks what it says.
func (g *guest) wantTrap(description string, body uint64, parts ...string) error {
	g.t.Helper()
	_, err := g.try("http_request", g.put(description), body)
	trap := (*extism.Trap)(nil)
	if !errors.As(err, &trap) || trap.Function != "http_request" {
		g.t.Fatalf("error %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(trap.Error(), part) {
			g.t.Errorf("the trap says %q, without %q", trap, part)
		}
	}
	if g.ctx.waits != 0 {
		g.t.Error("the place was not given back")
	}
	g.want(0, "http_status_code")
	g.want(0, "http_headers")
	return err
}

func TestHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("X-Two", "a")
		w.Header().Add("X-Two", "b")
		w.Header().Set("X-Marks", `<">&`)
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprintf(w, "short and stout")
		default:
			if r.URL.Path == "/chunks" {
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush() // no Content-Length from here on
			}
			fmt.Fprintf(w, "%s %s %q %s|%s", r.Method, r.URL, body, r.Header.Get("X-Unit"), r.Host)
		}
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	g := newGuest(t, "every", extism.Config{HTTP: server.Client(), MaxResponse: -1, Headers: true})

	for _, c := range []struct {
		name, request, body, want string
		status                    uint64
	}{
		{"a bare URL", `{"url": "` + server.URL + `"}`, "", `GET / "" |` + host, 200},
		{"null and unknown keys", `{"url": "` + server.URL + `/q?a=b#c", "method": null, "headers": null, "body": [1]}`, "", `GET /q?a=b "" |` + host, 200},
		{"method, header and body", request(server.URL+"/p", "post", map[string]string{"x-unit": " C "}), "a body", `POST /p "a body" C|` + host, 200},
		{"a host of the guest's choice", request(server.URL+"/", "GET", map[string]string{"Host": "other.example", "content-length": "3"}), "", `GET / "" |` + host, 200},
		{"unknown length", request(server.URL+"/chunks", "", nil), "", `GET /chunks "" |` + host, 200},
		{"no body", request(server.URL+"/empty", "GET", nil), "", "", 204},
		{"HEAD", request(server.URL+"/", "HEAD", nil), "", "", 200},
		{"not 2xx", request(server.URL+"/teapot", "GET", nil), "", "short and stout", 418},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.t = t
			g.begin("")
			g.want(0, "http_status_code")
			g.want(0, "http_headers")
			description, body := g.put(c.request), g.put(c.body)
			h := g.call("http_request", description, body)
			if got := g.text(h); got != c.want {
				t.Errorf("body %q, want %q", got, c.want)
			}
			g.want(c.status, "http_status_code")
			g.want(0, "length", description) // freed
			g.want(0, "length", body)
			var headers map[string]string
			if err := json.Unmarshal([]byte(g.text(g.call("http_headers"))), &headers); err != nil {
				t.Fatal(err)
			}
			if headers["x-two"] != "a,b" || headers["x-marks"] != `<">&` {
				t.Errorf("headers %v", headers)
			}
			g.call("reset")
			g.want(c.status, "http_status_code")
		})
	}
	g.t = t
	if g.ctx.waits != 0 || g.ctx.waited != 8 {
		t.Errorf("%d waits, %d not ended", g.ctx.waited, g.ctx.waits)
	}
	g.begin("")
	g.want(0, "http_status_code")

	g = newGuest(t, "every", extism.Config{HTTP: server.Client(), MaxResponse: math.MaxInt64})
	g.begin("")
	g.call("http_request", g.put(request(server.URL+"/chunks", "", nil)), 0)
	g.want(200, "http_status_code")
	g.want(0, "http_headers") // not enabled
}

// The answer may be as long as is allowed and not a byte longer, whether or not
// the server says how long it is.
func TestHTTPLimit(t *testing.T) {
	const limit = 100_000
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := limit
		if strings.HasPrefix(r.URL.Path, "/over") {
			n++
		}
		if strings.HasSuffix(r.URL.Path, "/chunks") {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, strings.Repeat("x", n))
	}))
	defer server.Close()
	for _, path := range []string{"/", "/chunks"} {
		g := newGuest(t, "every", extism.Config{HTTP: server.Client(), MaxResponse: limit})
		g.begin("")
		h := g.call("http_request", g.put(request(server.URL+path, "", nil)), 0)
		g.want(limit, "length", h)
		g.want('x', "load_u8", h+limit-1)
		g.want(0, "load_u8", h+limit)
		g.wantTrap(request(server.URL+"/over"+path, "", nil), 0, "100000", "allowed")
	}
	t.Run("zero", func(t *testing.T) {
		g := newGuest(t, "every", extism.Config{HTTP: server.Client()})
		g.begin("")
		g.want(0, "http_request", g.put(request(server.URL, "HEAD", nil)), 0)
		g.want(200, "http_status_code")
		g.wantTrap(request(server.URL+"/chunks", "", nil), 0, "more than the 0 bytes")
	})
	t.Run("arena", func(t *testing.T) {
		g := newGuest(t, "every", extism.Config{HTTP: server.Client(), MaxResponse: -1, ArenaLimit: limit})
		for _, path := range []string{"/", "/chunks"} {
			g.begin("")
			g.wantTrap(request(server.URL+path, "", nil), 0, "does not fit the arena of 100000 bytes")
		}
	})
	t.Run("headers", func(t *testing.T) {
		g := newGuest(t, "every", extism.Config{HTTP: oneAnswer{header: http.Header{"X": {strings.Repeat("x", extism.MaxHeaders)}}}, Headers: true})
		g.begin("")
		g.wantTrap(request(server.URL, "", nil), 0, "headers of the response")
	})
}

// oneAnswer is a Doer that answers without a network.
type oneAnswer struct {
	header http.Header
	body   io.Reader
	err    error
}

func (a oneAnswer) Do(*http.Request) (*http.Response, error) {
	if a.err != nil {
		return nil, a.err
	}
	body := a.body
	if body == nil {
		body = http.NoBody
	}
	return &http.Response{StatusCode: 200, Header: a.header, Body: io.NopCloser(body), ContentLength: -1}, nil
}

func TestHTTPRefused(t *testing.T) {
	g := newGuest(t, "every", extism.Config{HTTP: oneAnswer{}, Headers: true})
	long := strings.Repeat("x", extism.MaxRequest)
	for _, c := range []struct{ name, request, says string }{
		{"no handle", "", "description of the request"},
		{"no JSON", "GET http://127.0.0.1/", "description of the request"},
		{"two values", `{"url":"http://127.0.0.1/"}{}`, "description of the request"},
		{"wrong type", `{"url": 1}`, "description of the request"},
		{"headers of a wrong type", `{"url":"http://127.0.0.1/", "headers": {"a": ["b"]}}`, "description of the request"},
		{"too long", `{"url": "http://127.0.0.1/` + long + `"}`, "at most 262144 are allowed"},
		{"no URL", `{}`, "the scheme must be http or https"},
		{"no scheme", request("127.0.0.1:80/", "", nil), "invalid URL"},
		{"file", request("file:///etc/passwd", "", nil), `not "file"`},
		{"no host", request("http:///path", "", nil), "it names no host"},
		{"only a port", request("http://:80/", "", nil), "it names no host"},
		{"opaque", request("http:127.0.0.1", "", nil), "it names no host"},
		{"line break in the URL", request("http://127.0.0.1/\r\nX: y", "", nil), "invalid URL"},
		{"space in the host", request("http://127.0.0.1 x/", "", nil), "invalid URL"},
		{"bad port", request("http://127.0.0.1:http/", "", nil), "invalid URL"},
		{"method with a line break", request("http://127.0.0.1/", "GET / HTTP/1.1\r\nX: y", nil), "invalid method"},
		{"CONNECT", request("http://127.0.0.1/", "connect", nil), "CONNECT is not offered"},
		{"line break in a header", request("http://127.0.0.1/", "", map[string]string{"X": "a\r\nY: b"}), "invalid value"},
		{"NUL in a header", request("http://127.0.0.1/", "", map[string]string{"X": "a\x00b"}), "invalid value"},
		{"line break in a name", request("http://127.0.0.1/", "", map[string]string{"X\n": "a"}), "invalid header name"},
		{"colon in a name", request("http://127.0.0.1/", "", map[string]string{"X: a": "b"}), "invalid header name"},
		{"empty name", request("http://127.0.0.1/", "", map[string]string{"": "b"}), "invalid header name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.t = t
			g.begin("")
			g.wantTrap(c.request, 0, c.says)
		})
	}
	if g.ctx.waited != 0 {
		t.Errorf("%d requests were sent", g.ctx.waited)
	}
}

func TestHTTPDenied(t *testing.T) {
	g := newGuest(t, "every", extism.Config{})
	g.begin("")
	err := g.wantTrap(request("https://user:pass@api.example.com:8443/secret?key=1", "", nil), 0, `"api.example.com" is not allowed`, `"capabilities": {"hosts": ["api.example.com"]}`)
	denied := (*extism.Denied)(nil)
	if !errors.As(err, &denied) || denied.Target != "api.example.com" || denied.Capability != "hosts" {
		t.Errorf("error %v", err)
	}

	// A client's own refusal is found through all wrapping, and shows no secret.
	g = newGuest(t, "every", extism.Config{HTTP: &http.Client{Transport: refusing{}}})
	g.begin("")
	err = g.wantTrap(request("http://internal.example/?key=secret", "", nil), 0, "GET internal.example: ", "not allowed")
	if !errors.As(err, &denied) || denied.Target != "internal.example" {
		t.Errorf("error %v", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the query: %v", err)
	}
}

type refusing struct{}

func (refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, &extism.Denied{Capability: "hosts", Target: r.URL.Hostname()}
}

func TestHTTPTransportErrors(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + listener.Addr().String()
	listener.Close()
	g := newGuest(t, "every", extism.Config{HTTP: http.DefaultClient, MaxResponse: -1, Headers: true})
	g.begin("")
	g.wantTrap(request(closed, "", nil), 0, "connection refused")

	g = newGuest(t, "every", extism.Config{HTTP: oneAnswer{err: errors.New("out of sockets")}})
	g.begin("")
	g.wantTrap(request("http://127.0.0.1/", "", nil), 0, "http_request: GET 127.0.0.1: out of sockets")

	// The connection breaks in the middle of the body.
	g = newGuest(t, "every", extism.Config{HTTP: http.DefaultClient, MaxResponse: -1, Headers: true})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "only this")
	}))
	defer server.Close()
	g.begin("")
	g.wantTrap(request(server.URL, "", nil), 0, "body of the response", "unexpected EOF")
}

// The context of wait ends a request, before the answer and within its body.
func TestHTTPDeadline(t *testing.T) {
	for _, path := range []string{"/headers", "/body"} {
		t.Run(path, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if path == "/body" {
					io.WriteString(w, "the beginning")
					w.(http.Flusher).Flush()
				}
				cancel(nil)
				<-r.Context().Done()
			}))
			defer server.Close()
			g := newGuest(t, "every", extism.Config{HTTP: server.Client(), MaxResponse: -1})
			g.ctx.Context = ctx
			g.begin("")
			if err := g.wantTrap(request(server.URL, "", nil), 0); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// What a client reads late is not the arena, which others use by then.
func TestHTTPBodyIsACopy(t *testing.T) {
	var late io.ReadCloser
	g := newGuest(t, "every", extism.Config{HTTP: doFunc(func(r *http.Request) (*http.Response, error) {
		late = r.Body
		return oneAnswer{}.Do(r)
	})})
	g.begin("")
	g.call("http_request", g.put(request("http://127.0.0.1", "POST", nil)), g.put("mine"))
	g.begin("overwritten, and overwritten, and overwritten, and overwritten")
	if body, err := io.ReadAll(late); err != nil || string(body) != "mine" {
		t.Errorf("%q, %v", body, err)
	}
}

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }
