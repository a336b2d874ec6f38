package server

import (
	"github.com/valyala/fasthttp"

	"berth/host"
)

// reloaded is the answer of /plugins/reload.
type reloaded struct {
	Installed []string          `json:"installed"`
	Updated   []string          `json:"updated"`
	Dropped   []string          `json:"dropped"`
	Failed    map[string]string `json:"failed"`
}

// reload looks into the drop-in folder.
func (s *Server) reload(ctx *fasthttp.RequestCtx) {
	r, err := s.host.Reload(s.life)
	if err != nil {
		s.fail(ctx, err, host.Cause(err))
		return
	}
	answer := reloaded{list(r.Installed), list(r.Updated), list(r.Dropped), map[string]string{}}
	for name, err := range r.Failed {
		answer.Failed[name] = s.part(err)
	}
	s.writeJSON(ctx, answer)
}

// stop ends the program, as eKuiper's POST /stop does; its GET /stop is not
// there, because any web page could send it.
func (s *Server) stop(ctx *fasthttp.RequestCtx) {
	if s.config.Stop == nil {
		writeError(ctx, codeAnswers[host.CodeForbidden], "this host cannot be stopped by a request")
		return
	}
	ctx.Response.SetBodyString("stop success")
	s.config.Stop(0)
}
