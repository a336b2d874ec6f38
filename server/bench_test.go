package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// BenchmarkInvoke is the handler alone, without a connection.
func BenchmarkInvoke(b *testing.B) {
	r := newRig(b, nil, nil)
	r.install("p", "echo")
	b.Run("berth", func(b *testing.B) { benchmarkHandler(b, warmContext(r, "echo", 256), r.server.Handler()) })
	b.Run("bare", func(b *testing.B) {
		benchmarkHandler(b, warmContext(r, "echo", 256), func(ctx *fasthttp.RequestCtx) { ctx.Response.SetBody(ctx.PostBody()) })
	})
}

func benchmarkHandler(b *testing.B, ctx *fasthttp.RequestCtx, handler fasthttp.RequestHandler) {
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		handler(ctx)
	}
}

// BenchmarkAccess is the handler alone, where callers have to show who they are.
func BenchmarkAccess(b *testing.B) {
	access := Access{JWTKeys: keysOf(b, "portal")}
	for n := range 10 {
		token(b, &access, fmt.Sprint(n), allScopes)
	}
	secret, jwt := token(b, &access, "last", allScopes), signed(b, "RS256", "portal", nil)
	for _, c := range []struct{ name, header string }{{"token", secret}, {"jwt", jwt}} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(b, nil, func(config *Config) { config.Access = access })
			r.install("p", "echo")
			ctx := warmContext(r, "echo", 256)
			ctx.Request.Header.Set(fasthttp.HeaderAuthorization, "Bearer "+c.header)
			benchmarkHandler(b, ctx, r.server.Handler())
			if ctx.Response.StatusCode() != fasthttp.StatusOK {
				b.Fatalf("%s", ctx.Response.Body())
			}
		})
	}
}

// BenchmarkHTTP is whole requests over TCP, beside a fasthttp server that does
// nothing but echo. The clients take processors of the same machine.
func BenchmarkHTTP(b *testing.B) {
	for _, size := range []int{256, 16 << 10} {
		b.Run(fmt.Sprintf("berth/%d", size), func(b *testing.B) {
			r := newRig(b, nil, nil)
			r.install("p", "echo")
			benchmarkHTTP(b, size, r.server.Serve)
		})
		b.Run(fmt.Sprintf("bare/%d", size), func(b *testing.B) {
			bare := &fasthttp.Server{
				Handler:               func(ctx *fasthttp.RequestCtx) { ctx.Response.SetBody(ctx.PostBody()) },
				NoDefaultServerHeader: true,
			}
			b.Cleanup(func() { _ = bare.Shutdown() })
			benchmarkHTTP(b, size, bare.Serve)
		})
	}
}

func benchmarkHTTP(b *testing.B, size int, serve func(net.Listener) error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = serve(ln) }()
	request := fmt.Appendf(nil, "POST /invoke/echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, bytes.Repeat([]byte("x"), size))
	b.SetParallelism(8)
	// On a machine that others use too, processor time says more than time.
	before, _ := processorTime()
	defer func() {
		after, _ := processorTime()
		b.ReportMetric(float64(after-before)/float64(b.N), "cpu-ns/op")
	}()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		reader := bufio.NewReaderSize(conn, 64<<10)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			for { // the head
				line, err := reader.ReadSlice('\n')
				if err != nil {
					b.Error(err)
					return
				}
				if len(line) == 2 {
					break
				}
			}
			if n, err := io.CopyN(io.Discard, reader, int64(size)); err != nil {
				b.Errorf("%d bytes: %v", n, err)
				return
			}
		}
	})
}

// fakeConn sends one request again and again, without a system call.
type fakeConn struct {
	net.Conn
	req  []byte
	left int
}

func (c *fakeConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	c.left--
	return copy(p, c.req), nil
}
func (c *fakeConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *fakeConn) Close() error                     { return nil }
func (c *fakeConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *fakeConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *fakeConn) SetDeadline(time.Time) error      { return nil }
func (c *fakeConn) SetReadDeadline(time.Time) error  { return nil }
func (c *fakeConn) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkConn is whole requests without the kernel: what Berth adds to
// fasthttp, without the noise of a network.
func BenchmarkConn(b *testing.B) {
	request := fmt.Appendf(nil, "POST /invoke/echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 256, bytes.Repeat([]byte("x"), 256))
	bare := func() *fasthttp.Server {
		return &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { ctx.Response.SetBody(ctx.PostBody()) }, NoDefaultServerHeader: true}
	}
	run := func(name string, mk func(r *rig) *fasthttp.Server) {
		b.Run(name, func(b *testing.B) {
			r := newRig(b, nil, nil)
			r.install("p", "echo")
			s := mk(r)
			b.ReportAllocs()
			b.ResetTimer()
			if err := s.ServeConn(&fakeConn{req: request, left: b.N}); err != nil {
				b.Fatal(err)
			}
		})
	}
	run("bare", func(r *rig) *fasthttp.Server { return bare() })
	run("bare+handler", func(r *rig) *fasthttp.Server {
		s := bare()
		s.Handler = r.server.handle
		return s
	})
	run("berth", func(r *rig) *fasthttp.Server { return r.server.http })
}
