package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// backup answers with everything that the host keeps, as a zip, while it is being
// made. It is a POST because what plugins keep may be secret: who may only read
// gets no backup. One that fails half way ends without the last chunk.
func (s *Server) backup(ctx *fasthttp.RequestCtx) {
	if !ctx.Request.Header.IsHTTP11() {
		writeError(ctx, httpAnswers[faultVersion], "a backup is answered in chunks, which need HTTP/1.1")
		return
	}
	b := &backup{server: s, ctx: s.life}
	if conn := ctx.Conn(); s.conns.has(conn) {
		b.conn = conn
	}
	ctx.Response.Header.SetContentType(zipType)
	ctx.Response.Header.Set(fasthttp.HeaderContentDisposition, "Attachment; filename=berth-backup.zip")
	ctx.Response.SetBodyStream(b, -1)
}

// backup is the body of such an answer: fasthttp lets it write itself, on the
// connection's own goroutine.
type backup struct {
	server *Server
	ctx    context.Context
	conn   net.Conn // nil when the handler runs without a server
	w      io.Writer
}

// SupportsBodyWriteTo implements fasthttp.BodyWriterTo.
func (*backup) SupportsBodyWriteTo() bool { return true }

// WriteTo implements io.WriterTo.
func (b *backup) WriteTo(w io.Writer) (n int64, err error) {
	b.w = w
	buffered := bufio.NewWriterSize(b, flushBytes)
	if err = b.server.host.Backup(b.ctx, buffered); err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		b.server.log.Error("a backup was broken off", "error", err)
	}
	return 0, err
}

// Write implements io.Writer: each part has the time that an answer has.
func (b *backup) Write(p []byte) (int, error) {
	if b.conn != nil {
		_ = b.conn.SetWriteDeadline(time.Now().Add(b.server.config.WriteTimeout))
	}
	return b.w.Write(p)
}

// Read implements io.Reader, which fasthttp asks for and does not use.
func (*backup) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// restored is the answer of /data/restore.
type restored struct {
	Restored []string          `json:"restored"`
	Dropped  []string          `json:"dropped"`
	Failed   map[string]string `json:"failed"`
	Uploads  map[string]string `json:"uploads"` // those that could not be restored
}

// restore makes the host what it was when a backup was made.
func (s *Server) restore(ctx *fasthttp.RequestCtx) {
	if _, streamed := s.streamedLength(&ctx.Request.Header); !streamed {
		writeError(ctx, answerOf(host.CodeInvalid), "a backup is expected as the body, with Content-Type "+zipType)
		return
	}
	s.stream(ctx, routeTransfer, s.config.MaxRestore, s.config.RestoreTimeout, func(body io.Reader) {
		r, err := s.host.Restore(s.life, body, s.config.MaxRestore)
		if err != nil {
			s.fail(ctx, err, host.Cause(err))
			return
		}
		answer := restored{names(r.Plugins), names(r.Dropped), map[string]string{}, map[string]string{}}
		for ref, err := range r.Failed {
			answer.Failed[ref.String()] = s.part(err)
		}
		for name, err := range r.Uploads {
			answer.Uploads[name] = s.part(err)
		}
		s.writeJSON(ctx, answer)
	})
}

func names(refs []host.Ref) []string {
	all := []string{}
	for _, ref := range refs {
		all = append(all, ref.String())
	}
	return all
}
