package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"berth/host"
)

const (
	batchType = "application/x-ndjson"

	// Answers are sent when there are this many bytes of them, or when the
	// first of them has waited this long.
	flushBytes = 32 << 10
	flushTime  = 10 * time.Millisecond
)

// batch calls a function for every line of the body.
func (s *Server) batch(ctx *fasthttp.RequestCtx, name string) {
	if !ctx.Request.Header.IsHTTP11() {
		writeError(ctx, httpAnswers[faultVersion], "a batch is answered in chunks, which need HTTP/1.1")
		return
	}
	// Each line acquires the function anew, so that dropping and updating the
	// plugin never wait for a whole batch. This is for the request's status.
	f, err := s.host.Acquire(s.life, name)
	if err != nil {
		s.fail(ctx, err, callWords(err))
		return
	}
	f.Release()
	b := &batch{server: s, ctx: s.life, function: name, rest: ctx.Request.SwapBody(nil)}
	if conn := ctx.Conn(); s.conns.has(conn) {
		b.conn = conn
	}
	ctx.Response.Header.SetContentType(batchType)
	ctx.Response.SetBodyStream(b, -1)
}

// batch is the body of a batch's answer, made while it is sent: fasthttp pulls
// it on the connection's own goroutine after the handler returned, and no more
// of it once the client is gone. It owns the body of the request, which fasthttp
// would reuse.
type batch struct {
	server   *Server
	ctx      context.Context
	function string
	rest     []byte       // lines to come
	out      bytes.Buffer // answers to be sent
	result   []byte       // of the line before; its memory is used again
	conn     net.Conn     // nil when the handler runs without a server
}

// SupportsBodyWriteTo implements fasthttp.BodyWriterTo: chunks are as large as
// fill makes them.
func (*batch) SupportsBodyWriteTo() bool { return true }

// WriteTo implements io.WriterTo.
func (b *batch) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if err := b.fill(); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		written, err := b.out.WriteTo(w)
		n += written
		if err != nil {
			return n, err
		}
	}
}

// Read implements io.Reader.
func (b *batch) Read(p []byte) (int, error) {
	if b.out.Len() == 0 {
		if err := b.fill(); err != nil {
			return 0, err
		}
	}
	return b.out.Read(p)
}

// fill puts the answers to the next lines, at least one, into out. The error is
// io.EOF after the last, or why the batch has to be broken off.
func (b *batch) fill() error {
	start := time.Now()
	b.out.Reset()
	for {
		line, ok := b.next()
		if !ok {
			break
		}
		if err := b.ctx.Err(); err != nil {
			return err
		}
		b.answer(line)
		if b.out.Len() >= flushBytes || time.Since(start) >= flushTime {
			break
		}
	}
	if b.conn != nil { // the limit is for each part, not for the whole
		_ = b.conn.SetWriteDeadline(time.Now().Add(b.server.config.WriteTimeout))
	}
	if b.out.Len() == 0 {
		return io.EOF
	}
	return nil
}

// next cuts off the next line that is not blank.
func (b *batch) next() (line []byte, ok bool) {
	for len(b.rest) > 0 {
		line, b.rest, _ = bytes.Cut(b.rest, []byte{'\n'})
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(trimSpace(line)) > 0 {
			return line, true
		}
	}
	return nil, false
}

// trimSpace cuts off what JSON takes for white space.
func trimSpace(line []byte) []byte { return bytes.Trim(line, " \t\r\n") }

// answer appends the answer to one line, whatever happens.
func (b *batch) answer(line []byte) {
	mark := b.out.Len()
	defer func() {
		if fault := recover(); fault != nil {
			b.server.log.Error("PANIC in a batch", "panic", fault, "function", b.function, "stack", string(debug.Stack()))
			b.out.Truncate(mark)
			b.failure(host.CodeInternal, internalMessage)
		}
	}()
	if err := b.call(line); err != nil {
		b.out.Truncate(mark)
		code := host.CodeOf(err)
		b.failure(code, b.server.public(code, err, callWords(err)))
	}
}

func (b *batch) call(line []byte) error {
	f, err := b.server.host.Acquire(b.ctx, b.function)
	if err != nil {
		return err
	}
	defer f.Release()
	encoding := f.Encoding()
	if encoding != host.EncodingJSON {
		line = rawInput(line)
	}
	result, err := f.Call(callContext(), b.result[:0], line)
	b.result = result
	if err != nil {
		return err
	}
	return b.success(encoding, result)
}

// rawInput is what a line means to a raw function.
func rawInput(line []byte) []byte {
	trimmed := trimSpace(line)
	var text string
	if trimmed[0] != '"' || !utf8.Valid(trimmed) || json.Unmarshal(trimmed, &text) != nil {
		return line
	}
	return []byte(text)
}

func (b *batch) success(encoding host.Encoding, result []byte) error {
	switch {
	case encoding == host.EncodingJSON:
		b.out.WriteString(`{"result":`)
		// encoding/json lets anything pass inside of strings.
		if err := json.Compact(&b.out, result); err != nil || !utf8.Valid(result) {
			return host.Fail(host.CodeTrap, "function %s: its result is not JSON", b.function)
		}
	case utf8.Valid(result):
		b.out.WriteString(`{"result":`)
		b.out.Write(appendString(b.out.AvailableBuffer(), result))
	default:
		b.out.WriteString(`{"base64":"`)
		b.out.Write(base64.StdEncoding.AppendEncode(b.out.AvailableBuffer(), result))
		b.out.WriteByte('"')
	}
	b.out.WriteString("}\n")
	return nil
}

func (b *batch) failure(code host.Code, message string) {
	line := append(b.out.AvailableBuffer(), `{"error":`...)
	line = appendString(line, clip(message))
	line = append(line, `,"code":`...)
	line = appendString(line, code.String())
	b.out.Write(append(line, "}\n"...))
}
