package server

import (
	"context"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// Catalog tells which plugins of a kind can be had ready-made: the URL of each
// one's package, by its name. It is only asked for sources, sinks and functions.
type Catalog interface {
	Prebuilt(context.Context, host.Kind) (map[string]string, error)
}

// noCatalog is eKuiper's text, with the name of our file in it.
const noCatalog = "invalid configuration for plugin host in berth.yaml: set plugin-hosts"

// prebuilt lists what the plugin hosts have of a kind.
func (s *Server) prebuilt(ctx *fasthttp.RequestCtx, kind host.Kind) {
	if s.config.Catalog == nil {
		writeError(ctx, answerOf(host.CodeInvalid), noCatalog)
		return
	}
	offered, err := s.config.Catalog.Prebuilt(s.life, kind)
	if err != nil {
		s.fail(ctx, err, host.Cause(err))
		return
	}
	s.writeJSON(ctx, offered)
}
