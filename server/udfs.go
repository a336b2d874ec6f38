package server

import (
	"fmt"

	"github.com/valyala/fasthttp"

	"berth/host"
)

func (s *Server) listUDFs(ctx *fasthttp.RequestCtx) {
	s.writeJSON(ctx, s.host.FunctionNames())
}

// udf tells which plugin a function is of, and what it takes and gives; the
// latter eKuiper does not tell.
type udf struct {
	Name     string        `json:"name"`
	Plugin   string        `json:"plugin"`
	Encoding host.Encoding `json:"encoding"`
}

func (s *Server) describeUDF(ctx *fasthttp.RequestCtx, name string) {
	if err := host.CheckName(name); err != nil {
		s.fail(ctx, err, host.Cause(err))
		return
	}
	r, err := s.host.FunctionPlugin(name)
	if err != nil {
		s.fail(ctx, err, fmt.Sprintf("describe function %s error: %s", name, host.Cause(err)))
		return
	}
	s.writeJSON(ctx, udf{Name: name, Plugin: r.Name, Encoding: r.Encodings[name]})
}
