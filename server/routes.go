package server

import (
	"bytes"
	"net/url"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"berth/host"
)

// route is a group of requests that are counted together.
type route uint8

const (
	routeNone route = iota // no route: unknown paths, wrong methods, malformed requests
	routeInvoke
	routeBatch
	routePlugins
	routeStatus
	routeLogs
	routeRegister
	routeUDFs
	routePrebuild
	routeUploads
	routeTransfer
	routeControl
	routeInformation
	routeHealth
	routeMetrics
	numRoutes
)

var routeNames = [numRoutes]string{
	routeNone:        "none",
	routeInvoke:      "invoke",
	routeBatch:       "batch",
	routePlugins:     "plugins",
	routeStatus:      "status",
	routeLogs:        "logs",
	routeRegister:    "register",
	routeUDFs:        "udfs",
	routePrebuild:    "prebuild",
	routeUploads:     "uploads",
	routeTransfer:    "transfer",
	routeControl:     "control",
	routeInformation: "information",
	routeHealth:      "health",
	routeMetrics:     "metrics",
}

// requestCounts counts answers by route and by the first digit of the status.
type requestCounts [numRoutes]struct {
	classes [6]atomic.Uint64
	_       [16]byte // a cache line each
}

func (c *requestCounts) add(r route, status int) {
	c[r].classes[min(status/100, 5)].Add(1)
}

const (
	invokePrefix = "/invoke/"

	uploadsPath = "/config/uploads"
	exportPath  = "/data/export"
	importPath  = "/data/import"
	restorePath = "/data/restore"

	// nameParam is the router's name for the plugin or function in a path.
	nameParam = "name"
)

// routes is the table of everything but the hot path. HEAD is served wherever
// GET is; fasthttp leaves the body out.
func (s *Server) routes() *router.Router {
	r := router.New()
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.NotFound = s.noSuchPath
	r.MethodNotAllowed = s.methodNotAllowed
	r.GlobalOPTIONS = func(*fasthttp.RequestCtx) { s.requests.add(routeNone, fasthttp.StatusOK) }
	handle := func(route route, path string, handler fasthttp.RequestHandler, methods ...string) {
		for _, method := range methods {
			r.Handle(method, path, s.counted(route, handler))
		}
	}
	const get, head, post, put, del = fasthttp.MethodGet, fasthttp.MethodHead, fasthttp.MethodPost, fasthttp.MethodPut, fasthttp.MethodDelete

	handle(routeInvoke, "/invoke/{name}", s.named(s.invoke), post)
	handle(routeBatch, "/invoke/{name}/batch", s.named(s.batch), post)

	for _, kind := range host.Kinds() {
		all := "/plugins/" + kind.String()
		one := all + "/{name}"
		handle(routePlugins, all, ofKind(kind, s.listPlugins), get, head)
		handle(routePlugins, all, ofKind(kind, s.createPlugin), post)
		handle(routePlugins, one, s.namedOf(kind, s.describePlugin), get, head)
		handle(routePlugins, one, s.namedOf(kind, s.updatePlugin), put)
		handle(routePlugins, one, s.namedOf(kind, s.deletePlugin), del)
		handle(routeStatus, one+"/status", s.namedOf(kind, s.pluginStatus), get, head)
		handle(routeLogs, one+"/logs", s.namedOf(kind, s.pluginLogs), get, head)
	}
	handle(routeRegister, "/plugins/functions/{name}/register", s.named(s.registerFunctions), post)
	handle(routeUDFs, "/plugins/udfs", s.listUDFs, get, head)
	handle(routeUDFs, "/plugins/udfs/{name}", s.named(s.describeUDF), get, head)
	for _, kind := range []host.Kind{host.Sources, host.Sinks, host.Functions} { // it hides a plugin of that name from GET
		handle(routePrebuild, "/plugins/"+kind.String()+"/prebuild", ofKind(kind, s.prebuilt), get, head)
	}

	handle(routeUploads, uploadsPath, s.listUploads, get, head)
	handle(routeUploads, uploadsPath, s.createUpload, post)
	handle(routeUploads, uploadsPath+"/{name}", s.named(s.deleteUpload), del)
	handle(routeTransfer, exportPath, s.export, get, head)
	handle(routeTransfer, importPath, s.imports, post)
	handle(routeTransfer, "/data/backup", s.backup, post)
	handle(routeTransfer, restorePath, s.restore, post)
	handle(routeControl, "/plugins/reload", s.reload, post)
	handle(routeControl, "/stop", s.stop, post)

	handle(routeInformation, "/", s.information, get, head, post)
	handle(routeInformation, "/openapi.json", s.openapi, get, head)
	handle(routeHealth, "/ping", s.ping, get, head)
	handle(routeHealth, "/healthz", s.healthy, get, head)
	handle(routeHealth, "/readyz", s.ready, get, head)
	handle(routeMetrics, "/metrics", s.figures, get, head)
	return r
}

// handle answers every request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	defer s.recovered(ctx)
	path := ctx.Request.URI().PathOriginal()
	if len(path) == 0 { // of a whole URL without one: RFC 9112, 3.2.2
		ctx.Request.URI().SetPath(rootPath)
		path = ctx.Request.URI().PathOriginal()
	}
	by, ok := s.admit(ctx, path)
	if !ok {
		return
	}
	if name, ok := invoked(path); ok && ctx.Request.Header.IsPost() {
		s.invoke(ctx, name)
		s.requests.add(routeInvoke, ctx.Response.StatusCode())
		return
	}
	if by.name != "" {
		ctx.SetUserValue(callerValue, by.name)
	}
	s.router.Handler(ctx)
	if ctx.Hijacked() {
		return // stream goes on
	}
	if _, streamed := s.streamedLength(&ctx.Request.Header); streamed {
		lingerOn(ctx.Conn()) // the body is still coming
	}
	s.audit(ctx)
}

// invoked cuts the function out of /invoke/{function}. Anything out of the
// ordinary is left to the router.
//
// The string shares the request's memory, so that a call allocates nothing. It
// is valid until the handler returns. Host.Acquire only looks it up, and clones
// it for its errors.
func invoked(path []byte) (name string, ok bool) {
	if len(path) <= len(invokePrefix) || string(path[:len(invokePrefix)]) != invokePrefix {
		return "", false
	}
	rest := path[len(invokePrefix):]
	if bytes.IndexByte(rest, '/') >= 0 || bytes.IndexByte(rest, '%') >= 0 {
		return "", false
	}
	return unsafe.String(unsafe.SliceData(rest), len(rest)), true
}

// counted counts the answers. One that is made later, by an upload, is counted
// then.
func (s *Server) counted(r route, handler fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		handler(ctx)
		if !ctx.Hijacked() {
			s.requests.add(r, ctx.Response.StatusCode())
		}
	}
}

// ofKind binds a handler to a kind of plugins.
func ofKind(kind host.Kind, handler func(*fasthttp.RequestCtx, host.Kind)) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) { handler(ctx, kind) }
}

// namedOf is named for a handler of one plugin.
func (s *Server) namedOf(kind host.Kind, handler func(*fasthttp.RequestCtx, host.Kind, string)) fasthttp.RequestHandler {
	return s.named(func(ctx *fasthttp.RequestCtx, name string) { handler(ctx, kind, name) })
}

// named decodes the name in a path. The name is the handler's to keep; whether
// it is one by host's rule is not checked.
func (s *Server) named(handler func(ctx *fasthttp.RequestCtx, name string)) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		raw, _ := ctx.UserValue(nameParam).(string)
		name, err := url.PathUnescape(raw)
		switch {
		case err != nil:
			writeError(ctx, httpAnswers[faultMalformed], "malformed path: "+err.Error())
		case strings.Contains(name, "/"): // as in eKuiper, whose router sees decoded paths
			writeError(ctx, codeAnswers[host.CodeNotFound], noPathMessage)
		default:
			handler(ctx, strings.Clone(name))
		}
	}
}

const noPathMessage = "no such path"

func (s *Server) noSuchPath(ctx *fasthttp.RequestCtx) {
	writeError(ctx, codeAnswers[host.CodeNotFound], noPathMessage)
	s.requests.add(routeNone, fasthttp.StatusNotFound)
}

// methodNotAllowed answers as eKuiper does, with no body. The router has set
// Allow.
func (s *Server) methodNotAllowed(ctx *fasthttp.RequestCtx) {
	ctx.Response.SetStatusCode(fasthttp.StatusMethodNotAllowed)
	s.requests.add(routeNone, fasthttp.StatusMethodNotAllowed)
}
