package server

import (
	"bufio"
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"berth/host"
)

const (
	zipType       = "application/zip"
	multipartType = "multipart/form-data"

	// lengthHeader carries, behind Server.mark, the Content-Length of a request
	// whose body fasthttp is not to read; -1: it is chunked. A client may send
	// it, even as a trailer, but does not know the mark.
	lengthHeader = "Berth-Streamed-Length"

	answerTime = 10 * time.Second
)

// takesStream tells whether the body of a request is read by its handler, as it
// comes, and not by fasthttp, which would hold all of it in memory: packages in
// the request itself, and uploads.
func takesStream(head *fasthttp.RequestHeader) bool {
	if !head.IsPost() && !head.IsPut() {
		return false
	}
	path := rawPath(head.RequestURI())
	kind, _, _ := bytes.Cut(head.ContentType(), []byte{';'})
	kind = bytes.TrimSpace(kind)
	switch {
	case bytes.HasPrefix(path, []byte("/plugins/")), string(path) == restorePath:
		return strings.EqualFold(string(kind), zipType)
	case string(path) == uploadsPath:
		return strings.EqualFold(string(kind), multipartType) || strings.EqualFold(string(kind), zipType)
	}
	return false
}

// detachBody makes fasthttp leave the body of such a request on the connection.
// Because what follows then is no request, the connection is closed after the
// answer, whoever gives it.
func (s *Server) detachBody(head *fasthttp.RequestHeader) {
	head.Del(lengthHeader)
	if !takesStream(head) {
		return
	}
	length := max(head.ContentLength(), -1) // -2: neither a length nor chunks
	if head.ContentLength() == -2 {
		length = 0
	}
	head.SetContentLength(0)
	head.SetConnectionClose()
	head.Set(lengthHeader, s.mark+strconv.Itoa(length))
}

// streamedLength tells whether the body of the request is still on the
// connection, and how long it is; -1: it is chunked.
func (s *Server) streamedLength(head *fasthttp.RequestHeader) (length int64, streamed bool) {
	text := head.Peek(lengthHeader)
	if len(text) <= len(s.mark) || subtle.ConstantTimeCompare(text[:len(s.mark)], []byte(s.mark)) != 1 {
		return 0, false
	}
	length, err := strconv.ParseInt(string(text[len(s.mark):]), 10, 64)
	return length, err == nil
}

// upload installs the zip that is the body of the request. What else the request
// says is in its query: name, functions (once or more, or with commas),
// shellParas (one each, in their order), sha256, signature.
func (s *Server) upload(ctx *fasthttp.RequestCtx, kind host.Kind, name string, then func(*fasthttp.RequestCtx, host.Request)) {
	args := ctx.QueryArgs()
	body := pluginRequest{
		Name:       string(args.Peek("name")),
		ShellParas: texts(args.PeekMulti("shellParas")),
		Functions:  values(args, "functions"),
		SHA256:     string(args.Peek("sha256")),
		Signature:  string(args.Peek("signature")),
	}
	req := body.of(kind, body.Name)
	if name != "" {
		if err := sameName(name, body.Name); err != nil {
			s.fail(ctx, err, host.Cause(err))
			return
		}
		req.Name = name
	}
	if !s.checkedName(ctx, req.Name) { // before any of it is read
		return
	}
	s.stream(ctx, routePlugins, s.config.MaxPackage, s.config.PackageTimeout, func(body io.Reader) {
		req.Upload = body
		then(ctx, req)
	})
}

// values are the entries of a parameter that may be given several times, and have
// several between commas.
func values(args *fasthttp.Args, parameter string) (all []string) {
	for _, value := range texts(args.PeekMulti(parameter)) {
		all = append(all, strings.Split(value, ",")...)
	}
	return all
}

func texts(values [][]byte) (all []string) {
	for _, value := range values {
		all = append(all, string(value))
	}
	return all
}

// stream takes the connection from fasthttp, lets work read the body of the
// request, of at most limit bytes and until timeout is over, and make the answer in
// ctx, sends that, and closes the connection. It returns at once; Shutdown waits for the work as for any request.
func (s *Server) stream(ctx *fasthttp.RequestCtx, r route, limit host.Bytes, timeout time.Duration, work func(body io.Reader)) {
	length, _ := s.streamedLength(&ctx.Request.Header)
	if length > int64(limit) {
		writeError(ctx, codeAnswers[host.CodeTooLarge], fmt.Sprintf("the request's body has %d bytes: at most %v are read", length, limit))
		return
	}
	underlying := ctx.Conn()
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(c net.Conn) {
		defer s.conns.changed(underlying, fasthttp.StateClosed)
		defer s.hangUp(ctx, c, r)
		defer s.recovered(ctx)
		body := &upload{server: s, conn: c, end: time.Now().Add(timeout)}
		work(body.reader(length, int64(limit)))
		if !body.done {
			lingerOn(underlying)
		}
	})
}

// hangUp sends the answer that is in ctx. fasthttp closes the connection.
func (s *Server) hangUp(ctx *fasthttp.RequestCtx, c net.Conn, r route) {
	_ = c.SetWriteDeadline(time.Now().Add(answerTime))
	ctx.Response.SetConnectionClose()
	w := bufio.NewWriter(c)
	if err := ctx.Response.Write(w); err == nil {
		_ = w.Flush() // a client that is gone is no fault
	}
	s.requests.add(r, ctx.Response.StatusCode())
	s.audit(ctx)
}

// Why a body could not be read to its end. Whatever the host makes of them, fail
// answers them as what they are.
var (
	errStopping = errors.New("the host is shutting down")
	errSlow     = errors.New("the body did not arrive in time")
)

// upload reads a body from a connection: each read has ReadTimeout, all of it
// until end.
type upload struct {
	server *Server
	conn   net.Conn
	end    time.Time
	done   bool // it was read to its end
}

// reader returns the body. A chunked one may have one byte more than limit, so
// that who reads it can tell.
func (u *upload) reader(length, limit int64) io.Reader {
	if length < 0 {
		return &endSeen{io.LimitReader(httputil.NewChunkedReader(u), limit+1), 0, u}
	}
	return &endSeen{io.LimitReader(u, length), length, u}
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	if u.server.stopping() {
		return 0, errStopping
	}
	_ = u.conn.SetReadDeadline(earlier(time.Now().Add(u.server.config.ReadTimeout), u.end))
	n, err := u.conn.Read(p)
	var timeout net.Error
	switch {
	case !errors.As(err, &timeout) || !timeout.Timeout():
		return n, err
	case u.server.stopping():
		return n, errStopping
	}
	return n, errSlow
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// endSeen notes that a body was read to its end, and tells one that was cut off.
type endSeen struct {
	io.Reader
	left int64 // 0 and below: the end is the reader's to tell
	body *upload
}

// Read implements io.Reader.
func (e *endSeen) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if e.left > 0 {
		if e.left -= int64(n); e.left == 0 {
			e.body.done = true
		} else if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	} else if err == io.EOF {
		e.body.done = true
	}
	return n, err
}
