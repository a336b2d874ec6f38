package server

import (
	"fmt"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// listUDFs lists the functions of plugins of every kind: names, or objects with
// ?detail=1.
func (s *Server) listUDFs(ctx *fasthttp.RequestCtx) {
	names := s.host.FunctionNames()
	if !isSet(ctx, "detail") {
		s.writeJSON(ctx, names)
		return
	}
	all := []udf{}
	for _, name := range names {
		if r, err := s.host.FunctionPlugin(name); err == nil { // else it was dropped meanwhile
			all = append(all, udfOf(name, r))
		}
	}
	s.writeJSON(ctx, all)
}

// udf tells which plugin a function is of, and what it takes and gives; kind and
// encoding eKuiper does not tell.
type udf struct {
	Name     string        `json:"name"`
	Plugin   string        `json:"plugin"`
	Kind     host.Kind     `json:"kind"`
	Encoding host.Encoding `json:"encoding"`
}

func udfOf(name string, r host.Record) udf {
	return udf{Name: name, Plugin: r.Name, Kind: r.Kind, Encoding: r.Encodings[name]}
}

func (s *Server) describeUDF(ctx *fasthttp.RequestCtx, name string) {
	if !s.checkedName(ctx, name) {
		return
	}
	r, err := s.host.FunctionPlugin(name)
	if err != nil {
		s.fail(ctx, err, fmt.Sprintf("describe function %s error: %s", name, host.Cause(err)))
		return
	}
	s.writeJSON(ctx, udfOf(name, r))
}
