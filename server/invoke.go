package server

import (
	"context"

	"github.com/valyala/fasthttp"

	"berth/host"
)

const rawType = "application/octet-stream"

// invoke calls a function. name may share the request's memory.
//
// The result is appended to the buffer of the response, which is taken out for
// the time of the call: it belongs to one response at any time, and goes back
// to where it came from, so a warm call allocates nothing.
func (s *Server) invoke(ctx *fasthttp.RequestCtx, name string) {
	f, err := s.host.Acquire(s.life, name)
	if err != nil {
		s.fail(ctx, err, callWords(err))
		return
	}
	defer f.Release() // also when an engine panics
	resp := &ctx.Response
	out, err := f.Call(callContext(), resp.SwapBody(nil)[:0], ctx.PostBody())
	resp.SwapBody(out)
	if err != nil {
		s.fail(ctx, err, callWords(err))
		return
	}
	if f.Encoding() == host.EncodingJSON {
		resp.Header.SetContentType(jsonType)
	} else {
		resp.Header.SetContentType(rawType)
	}
}

// callContext is the context of every call. It never ends: a call ends by its
// plugin's own limit, or when the host is closed, which is after the server.
// One that ended with the server would have to be watched by each call, all
// registering with it under one lock.
func callContext() context.Context { return context.Background() }
