package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// refusal is why access control refused a request.
type refusal uint8

const (
	refusedCaller refusal = iota // nobody, or nobody that is known
	refusedScope
	refusedOrigin
	refusedName
	numRefusals
)

var refusalNames = [numRefusals]string{
	refusedCaller: "caller",
	refusedScope:  "scope",
	refusedOrigin: "origin",
	refusedName:   "name",
}

// guard is an Access that is in force. It is not changed after newGuard.
type guard struct {
	Access
	asks      bool
	open      bool
	anyOrigin bool
	callers   []caller  // those of Tokens
	jwts      *verifier // nil: there are none
	counts    [numRefusals]atomic.Uint64
}

func newGuard(access Access, log *slog.Logger) *guard {
	g := &guard{Access: access, asks: access.Asks(), open: access.Open(), anyOrigin: slices.Contains(access.Origins, "*")}
	g.Names = slices.Clone(access.Names)
	for _, token := range access.Tokens {
		g.callers = append(g.callers, caller{"token " + token.Name, token.Scopes})
	}
	if access.JWTKeys != "" {
		g.jwts = newVerifier(access.JWTKeys, log)
	}
	for _, origin := range access.Origins {
		_, authority, _ := strings.Cut(origin, "://")
		g.Names = append(g.Names, hostOf(authority))
	}
	return g
}

// caller is who sent a request.
type caller struct {
	name   string // "token ci", "JWT of portal"
	scopes Scopes
}

// denial is why a request may not go on, in words for who sent it.
type denial struct {
	why     refusal
	message string
	plain   bool // to be answered as eKuiper does, in plain text
}

const rootPath = "/"

// scopeOf is the scope that a request needs; 0: none. It knows few routes: what
// changes anything needs ScopeManage, whether or not there is such a route.
func scopeOf(head *fasthttp.RequestHeader, path []byte) Scopes {
	reads := head.IsGet() || head.IsHead()
	switch string(path) {
	case rootPath:
		if reads || head.IsPost() { // as in eKuiper
			return 0
		}
	case "/ping", "/healthz", "/readyz":
		if reads {
			return 0
		}
	}
	switch {
	case (reads || head.IsPost()) && bytes.HasPrefix(path, []byte(invokePrefix)):
		return ScopeInvoke
	case reads && string(path) == exportPath: // it has the passwords of downloads, and parameters of scripts
		return ScopeManage
	case reads || head.IsOptions():
		return ScopeRead
	}
	return ScopeManage
}

// judge tells who sent a request, as far as it matters, and why it may not go on;
// nil: it may.
func (g *guard) judge(head *fasthttp.RequestHeader, path []byte) (by caller, no *denial) {
	if !g.asks {
		return caller{}, nil
	}
	need := scopeOf(head, path)
	if need == 0 {
		return caller{}, nil
	}
	if by, no = g.caller(head); no != nil {
		return caller{}, no
	}
	if !by.scopes.Has(need) {
		return by, &denial{why: refusedScope, message: fmt.Sprintf("%s lacks the scope %s: it has %s", by.name, need, by.scopes)}
	}
	return by, nil
}

// caller finds out who sent a request.
func (g *guard) caller(head *fasthttp.RequestHeader) (caller, *denial) {
	header := head.PeekCanonical([]byte(fasthttp.HeaderAuthorization))
	credential, bears := bearer(header)
	if bears {
		if i := findToken(g.Tokens, credential); i >= 0 {
			return g.callers[i], nil
		}
	}
	message := "the token is none that this host knows"
	switch {
	case g.jwts != nil && (len(g.Tokens) == 0 || looksLikeJWT(credential)):
		return g.jwts.caller(credential)
	case len(header) == 0:
		message = "a token is needed: send it as Authorization: Bearer <token>"
	case !bears:
		message = "the Authorization header is not understood: send Bearer and a token"
	}
	return caller{}, &denial{why: refusedCaller, message: message}
}

// bearer cuts the credential out of an Authorization header. eKuiper's clients
// send a JWT without the word Bearer: then bears is false, and the credential
// all of the header.
func bearer(header []byte) (credential []byte, bears bool) {
	const scheme = "bearer"
	if len(header) <= len(scheme) || header[len(scheme)] != ' ' || !bytes.EqualFold(header[:len(scheme)], []byte(scheme)) {
		return header, false
	}
	return bytes.TrimLeft(header[len(scheme):], " "), true
}

// admit tells whether a request may go to its handler. If it may not, it has
// been answered. It is asked before any handler, once the body was read.
func (s *Server) admit(ctx *fasthttp.RequestCtx, path []byte) (by caller, ok bool) {
	g, head := s.guard, &ctx.Request.Header
	if origin := head.PeekCanonical([]byte(fasthttp.HeaderOrigin)); len(origin) > 0 {
		if !s.admitOrigin(ctx, origin) {
			return caller{}, false
		}
	} else if g.open && (head.IsGet() || head.IsHead()) && isLocal(ctx) && scopeOf(head, path) != 0 && !s.admitName(ctx) {
		return caller{}, false
	}
	by, no := g.judge(head, path)
	if no != nil {
		s.deny(ctx, no)
		return caller{}, false
	}
	return by, true
}

// denyUnread tells whether a body was not read because of who sent it, and
// answers that. What fasthttp has forgotten of a body of unknown size it cannot.
func (s *Server) denyUnread(ctx *fasthttp.RequestCtx) bool {
	head := &ctx.Request.Header
	if head.ContentLength() <= 0 {
		return false
	}
	_, no := s.guard.judge(head, rawPath(head.RequestURI()))
	if no != nil {
		s.deny(ctx, no)
	}
	return no != nil
}

// orForNobody completes the message about a body of unknown size.
func (g *guard) orForNobody() string {
	if !g.asks {
		return ""
	}
	return ", or for a caller without the scope it needs"
}

// deny answers a request that may not go on. If a body came with it, which may
// not have been read, the connection is closed.
func (s *Server) deny(ctx *fasthttp.RequestCtx, no *denial) {
	if no.why == refusedCaller {
		writeError(ctx, httpAnswers[faultCaller], no.message)
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
	} else {
		writeError(ctx, httpAnswers[faultForbidden], no.message)
	}
	if no.plain {
		ctx.Response.Header.SetContentType(plainType)
		ctx.Response.SetBodyString(clip(no.message) + "\n")
	}
	if head := &ctx.Request.Header; !head.IsGet() && !head.IsHead() && !head.IsOptions() {
		ctx.SetConnectionClose()
		lingerOn(ctx.Conn())
	}
	s.guard.counts[no.why].Add(1)
	s.requests.add(routeNone, ctx.Response.StatusCode())
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		s.log.Debug("access denied", "because", refusalNames[no.why], "from", ctx.RemoteAddr().String(), "method", string(ctx.Method()),
			"path", string(ctx.Request.URI().PathOriginal()), "message", no.message)
	}
}

// callerValue is the name of the user value that holds a known caller's.
const callerValue = "caller"

// audit logs what a known caller changed, or tried to. It is called once the
// answer is there.
func (s *Server) audit(ctx *fasthttp.RequestCtx) {
	by, _ := ctx.UserValue(callerValue).(string)
	path := ctx.Request.URI().PathOriginal()
	if by == "" || scopeOf(&ctx.Request.Header, path) != ScopeManage {
		return
	}
	s.log.Info("managed", "by", by, "from", ctx.RemoteAddr().String(), "method", string(ctx.Method()), "path", string(path),
		"status", ctx.Response.StatusCode())
}

// isLocal tells whether a request came over the loopback.
func isLocal(ctx *fasthttp.RequestCtx) bool {
	addr, ok := ctx.LocalAddr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}
