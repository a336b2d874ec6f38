package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestInvoke(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo", "echo-json", "twin")
	binary := string([]byte{0, 1, 0xff, '\r', '\n'})
	for _, c := range []struct{ path, in, want, contentType string }{
		{"/invoke/echo", binary, binary, "application/octet-stream"},
		{"/invoke/echo", "", "", ""},
		{"/invoke/echo-json", `[1, "a"]`, `[1, "a"]`, "application/json"},
		{"/invoke/echo?query=1#x", "q", "q", "application/octet-stream"},
		{"/invoke/%65cho", "e", "e", "application/octet-stream"},
		{"/invoke/twin", strings.Repeat("x", 1<<20), strings.Repeat("x", 2<<20), "application/octet-stream"},
	} {
		g := r.do("POST", c.path, c.in)
		if g.status != 200 || g.body != c.want {
			t.Errorf("%s: %.200s", c.path, g)
		}
		if got := g.header.Get("Content-Type"); c.in != "" && got != c.contentType {
			t.Errorf("%s: Content-Type %q", c.path, got)
		}
	}
	r.play([]step{
		{"GET", "/invoke/echo", "", 405, ""},
		{"PUT", "/invoke/echo", "x", 405, ""},
		{"GET", "/invoke", "", 404, "~no such path"},
		{"POST", "/invoke/", "", 404, "~no such path"},
		{"POST", "/invoke/a/b", "", 404, "~no such path"},
		{"POST", "/invoke/a%2fb", "", 404, "~no such path"},
		{"POST", "/invoke/nope", "", 404, "~no installed plugin has this function"},
		{"POST", "/invoke/no%20pe", "", 404, "~no installed plugin has this function"},
		{"POST", "/invoke/nope/batch", "1", 404, "~no installed plugin has this function"},
		{"GET", "/invoke/echo/batch", "", 405, ""},
		{"POST", "//invoke/echo", "x", 404, "~no such path"},
		{"POST", "/x/../invoke/echo", "x", 404, "~no such path"},
	})
	if got := r.do("GET", "/invoke/echo", "").header.Get("Allow"); got != "OPTIONS, POST" {
		t.Errorf("Allow: %q", got)
	}
}

// TestInvokeEncodedBody: bodies are passed as they are, whatever headers say.
func TestInvokeEncodedBody(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo")
	for _, header := range []string{"Content-Encoding: gzip", "Content-Type: multipart/form-data; boundary=x", "Content-Type: application/x-www-form-urlencoded"} {
		key, value, _ := strings.Cut(header, ": ")
		req, _ := http.NewRequestWithContext(t.Context(), "POST", r.base+"/invoke/echo", strings.NewReader("as it is"))
		req.Header.Set(key, value)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "as it is" {
			t.Errorf("%s: %s", header, body)
		}
	}
}

// TestInvokeConcurrently looks for answers that get mixed up.
func TestInvokeConcurrently(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo", "rejected", "twin")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 50 {
				in := strings.Repeat(fmt.Sprintf("%d/%d ", i, j), 1+i*j*3)
				if g := r.do("POST", "/invoke/twin", in); g.body != in+in {
					t.Errorf("worker %d, call %d: a wrong answer", i, j)
				}
				if g := r.do("POST", "/invoke/rejected", in); g.status != 422 {
					t.Errorf("worker %d, call %d: %v", i, j, g)
				}
			}
		})
	}
	wg.Wait()
}

// TestInvokeAllocs holds the budget of the hot path: none.
func TestInvokeAllocs(t *testing.T) {
	r := newRig(t, nil, nil)
	r.install("p", "echo", "echo-json")
	for _, function := range []string{"echo", "echo-json"} {
		ctx := warmContext(r, function, 256)
		handler := r.server.Handler()
		if n := testing.AllocsPerRun(1000, func() {
			ctx.Response.Reset()
			handler(ctx)
		}); n != 0 {
			t.Errorf("a call of %s allocates %v times", function, n)
		}
		if ctx.Response.StatusCode() != 200 || len(ctx.Response.Body()) != 256 {
			t.Errorf("%s: %d", function, ctx.Response.StatusCode())
		}
	}
}

func warmContext(r *rig, function string, size int) *fasthttp.RequestCtx {
	var req fasthttp.Request
	req.Header.SetMethod("POST")
	req.SetRequestURI("http://127.0.0.1/invoke/" + function)
	req.SetBody(bytes.Repeat([]byte("x"), size))
	ctx := new(fasthttp.RequestCtx)
	ctx.Init2(nil, nil, false)
	req.CopyTo(&ctx.Request)
	for range 100 {
		ctx.Response.Reset()
		r.server.Handler()(ctx)
	}
	return ctx
}

// TestNameIsNotKept checks what the sharing of the request's memory rests on.
func TestNameIsNotKept(t *testing.T) {
	r := newRig(t, nil, nil)
	path := []byte("/invoke/absent")
	name, ok := invoked(path)
	if !ok || name != "absent" {
		t.Fatalf("%q %v", name, ok)
	}
	_, err := r.host.Acquire(context.Background(), name)
	copy(path, "XXXXXXXXXXXXXX")
	if !strings.Contains(err.Error(), "absent") {
		t.Errorf("the error keeps the name: %v", err)
	}
}
