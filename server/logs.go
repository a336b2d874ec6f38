package server

import (
	"fmt"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// pluginLogs answers with the lines that a plugin logged last, the newest last,
// as text.
func (s *Server) pluginLogs(ctx *fasthttp.RequestCtx, kind host.Kind, name string) {
	if !s.checkedName(ctx, name) {
		return
	}
	lines, err := s.host.Logs(kind, name)
	if err != nil {
		s.fail(ctx, err, fmt.Sprintf("logs of %s plugin %s error: %s", label(kind), name, host.Cause(err)))
		return
	}
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	_, _ = lines.WriteTo(ctx.Response.BodyWriter()) // into memory
}
