package server

import (
	"bytes"
	"fmt"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// ParseOrigin reads the origin of web pages, such as https://ui.example.com or
// http://10.0.0.7:8080, and returns it as browsers send it; "*" is all.
func ParseOrigin(text string) (string, error) {
	if text == "*" {
		return text, nil
	}
	text = strings.ToLower(text)
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" || text != u.Scheme+"://"+u.Host {
		return "", fmt.Errorf("%q is no origin: write scheme, host and port, like https://ui.example.com or http://10.0.0.7:8080", text)
	}
	if u.Scheme == "http" && u.Port() == "80" || u.Scheme == "https" && u.Port() == "443" {
		text = text[:strings.LastIndexByte(text, ':')]
	}
	return text, nil
}

// mayUse tells whether the pages of an origin may use the API.
func (g *guard) mayUse(origin []byte) bool {
	return g.anyOrigin || slices.ContainsFunc(g.Origins, func(known string) bool { return strings.EqualFold(known, string(origin)) })
}

// admitOrigin looks at a request that a web page sent. If the page may not, or
// only asks whether it may, the request has been answered.
//
// Pages whose origin was configured may do what their caller may, and read the
// answers. A page of another origin can have a browser send a request all the
// same: one that changes nothing is harmless, for the browser keeps the answer
// from it; any other is refused.
func (s *Server) admitOrigin(ctx *fasthttp.RequestCtx, origin []byte) bool {
	g, head := s.guard, &ctx.Request.Header
	if g.mayUse(origin) {
		if head.IsOptions() {
			s.preflight(ctx, origin)
			return false
		}
		g.share(ctx, origin)
		return true
	}
	if head.IsOptions() {
		return true
	}
	_, authority, _ := strings.Cut(string(origin), "://")
	if !head.IsGet() && !head.IsHead() && !strings.EqualFold(authority, string(ctx.Host())) {
		s.deny(ctx, &denial{why: refusedOrigin, message: fmt.Sprintf(
			"pages of %s may not use this host: if they should, put that into cors-origins", quoted(origin))})
		return false
	}
	return !g.open || s.admitName(ctx)
}

// admitName refuses a request whose Host is a name that is not this host's. With
// nothing else to stop it, any page could use the API, in the browser of somebody
// near it, by having its own name point here (DNS rebinding). To be asked only
// if a browser may have sent the request.
func (s *Server) admitName(ctx *fasthttp.RequestCtx) bool {
	name := hostOf(string(ctx.Host()))
	if s.guard.isOurs(name) {
		return true
	}
	s.deny(ctx, &denial{why: refusedName, message: fmt.Sprintf(
		"%s is no name of this host: use its address, or localhost; or put the origin under that name into cors-origins, or set tokens", quoted([]byte(name)))})
	return false
}

func (g *guard) isOurs(name string) bool {
	if name == "" || strings.EqualFold(name, "localhost") {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return g.anyOrigin || slices.ContainsFunc(g.Names, func(ours string) bool { return strings.EqualFold(name, ours) })
}

// hostOf is the host of host:port, without the brackets of an IPv6 address and
// without the dot at the end of a name.
func hostOf(authority string) string {
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.Contains(authority[i:], "]") {
		authority = authority[:i]
	}
	if inner, ok := strings.CutPrefix(authority, "["); ok {
		return strings.TrimSuffix(inner, "]")
	}
	return strings.TrimSuffix(authority, ".")
}

// quoted is what a client sent, for a message to it.
func quoted(text []byte) string { return fmt.Sprintf("%.100q", text) }

// share lets the browser hand the answer to the page.
func (g *guard) share(ctx *fasthttp.RequestCtx, origin []byte) {
	header := &ctx.Response.Header
	if g.anyOrigin {
		header.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
		return
	}
	header.SetBytesV(fasthttp.HeaderAccessControlAllowOrigin, origin)
	header.Set(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
}

// preflight answers whether a page may send what it would like to, with the
// methods, headers and statuses of eKuiper.
func (s *Server) preflight(ctx *fasthttp.RequestCtx, origin []byte) {
	head, header := &ctx.Request.Header, &ctx.Response.Header
	method := string(head.Peek(fasthttp.HeaderAccessControlRequestMethod))
	headers, ok := pageHeaders(head.Peek(fasthttp.HeaderAccessControlRequestHeaders))
	status := fasthttp.StatusOK
	switch method {
	case "":
		status = fasthttp.StatusBadRequest
	case fasthttp.MethodPut, fasthttp.MethodDelete:
		header.Set(fasthttp.HeaderAccessControlAllowMethods, method)
	case fasthttp.MethodGet, fasthttp.MethodHead, fasthttp.MethodPost: // browsers take them for allowed
	default:
		status = fasthttp.StatusMethodNotAllowed
	}
	if status == fasthttp.StatusOK && !ok {
		status = fasthttp.StatusForbidden
		header.Del(fasthttp.HeaderAccessControlAllowMethods)
	}
	if status == fasthttp.StatusOK {
		if len(headers) > 0 {
			header.Set(fasthttp.HeaderAccessControlAllowHeaders, strings.Join(headers, ","))
		}
		s.guard.share(ctx, origin)
	}
	ctx.SetStatusCode(status)
	s.requests.add(routeNone, status)
}

// pageHeaders reads the headers that a page would like to send, and tells
// whether it may. Those that browsers take for allowed are left out.
func pageHeaders(list []byte) (headers []string, ok bool) {
	for entry := range bytes.SplitSeq(list, []byte{','}) {
		switch name := textproto.CanonicalMIMEHeaderKey(string(bytes.TrimSpace(entry))); name {
		case "", fasthttp.HeaderAccept, fasthttp.HeaderAcceptLanguage, fasthttp.HeaderContentLanguage, fasthttp.HeaderOrigin:
		case fasthttp.HeaderContentType, fasthttp.HeaderAuthorization:
			headers = append(headers, name)
		default:
			return nil, false
		}
	}
	return headers, true
}
