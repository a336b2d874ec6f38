package server

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// FuzzInvokeBody: any body gets an answer, and a batch one valid line for each
// line that is not blank.
func FuzzInvokeBody(f *testing.F) {
	for _, seed := range []string{"", "1\n2\n", "\r\n \n[1]\r\n", "\"a\\u00e9\"\n", "\xff\xfe\n\"\xff\"", "{\"a\":\n1}", "\"\\ud800\"", strings.Repeat("x\n", 100)} {
		f.Add([]byte(seed))
	}
	r := newRig(f, nil, func(c *Config) { c.Log = nil })
	r.install("p", "echo", "echo-json", "rejected", "trap", "internal")
	handler := r.server.Handler()
	post := func(path string, body []byte) *fasthttp.RequestCtx {
		var req fasthttp.Request
		req.Header.SetMethod("POST")
		req.SetRequestURI("http://x" + path)
		req.SetBody(body)
		ctx := new(fasthttp.RequestCtx)
		ctx.Init2(nil, nil, false)
		req.CopyTo(&ctx.Request)
		handler(ctx)
		return ctx
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		want := 0
		for _, line := range bytes.Split(body, []byte{'\n'}) {
			if len(bytes.Trim(line, " \t\r")) > 0 {
				want++
			}
		}
		for _, function := range []string{"echo", "echo-json", "rejected", "trap", "internal"} {
			ctx := post("/invoke/"+function, body)
			if status := ctx.Response.StatusCode(); status < 200 || status > 599 {
				t.Errorf("%s: status %d", function, status)
			}
			if function == "echo" && !bytes.Equal(ctx.Response.Body(), body) {
				t.Errorf("echo gave %q for %q", ctx.Response.Body(), body)
			}
			ctx = post("/invoke/"+function+"/batch", body)
			lines, err := validLines(string(ctx.Response.Body()))
			if err != nil || lines != want || ctx.Response.StatusCode() != 200 {
				t.Errorf("%s: %d lines for %d: %v", function, lines, want, err)
			}
		}
	})
}

// FuzzPath: no path is a fault of the server.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"", "/", "*", "//", "/..", "/%00", "/%", "/%zz", "/invoke/", "/invoke/echo", "/invoke/echo/batch", "/invoke/%65cho", "/plugins/functions/p/status",
		"/plugins/functions/..%2fup", "/plugins/functions/no%20pe", "http://h", "http://h/metrics?x#y", "/plugins/udfs/echo/", "?", "#", "/plugins//udfs", "\x00", "/ping\xff"} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "X"} {
			f.Add(method, seed)
		}
	}
	r := newRig(f, nil, func(c *Config) { c.Log = nil })
	r.install("p", "echo")
	for !r.host.Ready() { // or /readyz says 503
		runtime.Gosched()
	}
	handler := r.server.Handler()
	f.Fuzz(func(t *testing.T, method, target string) {
		ctx := new(fasthttp.RequestCtx)
		ctx.Init2(nil, nil, false)
		ctx.Request.Header.SetMethod(method)
		ctx.Request.Header.SetHost("x")
		ctx.Request.SetRequestURI(target)
		handler(ctx)
		if status := ctx.Response.StatusCode(); status < 200 || status >= 500 {
			t.Errorf("%s %q: %d %s", method, target, status, ctx.Response.Body())
		}
		if location := ctx.Response.Header.Peek("Location"); len(location) > 0 {
			t.Errorf("%s %q: sent to %s", method, target, location)
		}
		r.server.requestLimits(&ctx.Request.Header)
		// Fuzzing may have dropped it.
		if len(r.host.List(0)) == 0 {
			r.install("p", "echo")
		}
	})
}
