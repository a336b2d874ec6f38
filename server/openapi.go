package server

import (
	_ "embed"

	"github.com/valyala/fasthttp"
)

// openapiDocument describes every route in OpenAPI 3.1. It is written by hand;
// tests hold it to the router's table, to our types, and to what a server
// answers.
//
//go:embed openapi.json
var openapiDocument string

func (s *Server) openapi(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentType(jsonType)
	ctx.Response.SetBodyString(openapiDocument)
}
