package server

import (
	"errors"
	"net"
	"runtime/debug"
	"strings"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// answer is what an error looks like on the wire: the status, and the number in
// the body. eKuiper's numbers are 1000 (undefined) and 1002 (not found); from
// 9000 on they are Berth's own.
type answer struct{ status, number int }

// codeAnswers is the one place where a host.Code becomes a status.
var codeAnswers = [...]answer{
	host.CodeInternal:    {fasthttp.StatusInternalServerError, 9500},
	host.CodeInvalid:     {fasthttp.StatusBadRequest, 1000},
	host.CodeConflict:    {fasthttp.StatusBadRequest, 1000}, // eKuiper has no 409
	host.CodeNotFound:    {fasthttp.StatusNotFound, 1002},
	host.CodeForbidden:   {fasthttp.StatusForbidden, 9403},
	host.CodeTooLarge:    {fasthttp.StatusRequestEntityTooLarge, 9413},
	host.CodeRejected:    {fasthttp.StatusUnprocessableEntity, 9422},
	host.CodeTrap:        {fasthttp.StatusInternalServerError, 9501},
	host.CodeTimeout:     {fasthttp.StatusGatewayTimeout, 9504},
	host.CodeUnavailable: {fasthttp.StatusServiceUnavailable, 9503},
	host.CodeCanceled:    {fasthttp.StatusServiceUnavailable, 9499},
}

// httpFault is what can be wrong with a request before host hears of it.
type httpFault uint8

const (
	faultMalformed httpFault = iota
	faultCaller
	faultForbidden
	faultSlow
	faultHead
	faultVersion
	numHTTPFaults
)

var httpAnswers = [numHTTPFaults]answer{
	faultMalformed: {fasthttp.StatusBadRequest, 1000},
	faultCaller:    {fasthttp.StatusUnauthorized, 9401},
	faultForbidden: {fasthttp.StatusForbidden, 9403}, // as host.CodeForbidden
	faultSlow:      {fasthttp.StatusRequestTimeout, 9408},
	faultHead:      {fasthttp.StatusRequestHeaderFieldsTooLarge, 9431},
	faultVersion:   {fasthttp.StatusHTTPVersionNotSupported, 9505},
}

const (
	jsonType   = "application/json"
	plainType  = "text/plain; charset=utf-8"
	retryAfter = "1" // seconds

	// internalMessage stands for whatever the caller cannot do anything about.
	internalMessage = "internal error of the host: its log says what happened; try again, and tell the operator if it stays"
)

// answerOf tells how an error is answered. A code that the table lacks is
// internal.
func answerOf(code host.Code) answer {
	if int(code) < len(codeAnswers) && codeAnswers[code].status != 0 {
		return codeAnswers[code]
	}
	return codeAnswers[host.CodeInternal]
}

// fail answers with an error of host's; words is what to say unless the detail
// is for the log only.
func (s *Server) fail(ctx *fasthttp.RequestCtx, err error, words string) {
	code := host.CodeOf(err)
	a := answerOf(code)
	switch {
	case errors.Is(err, errStopping):
		a = codeAnswers[host.CodeUnavailable]
	case errors.Is(err, errSlow):
		a = httpAnswers[faultSlow]
	}
	writeError(ctx, a, s.public(code, err, words))
}

// public logs an internal error and returns what its caller may read.
func (s *Server) public(code host.Code, err error, words string) string {
	if answerOf(code) != codeAnswers[host.CodeInternal] {
		return words
	}
	s.log.Error("a request failed", "error", err)
	return internalMessage
}

// part is what an answer about several things says of one that failed.
func (s *Server) part(err error) string { return s.public(host.CodeOf(err), err, host.Cause(err)) }

// callWords is the text for the error of a call: a function's own words as they
// are, for anything else also where it happened.
func callWords(err error) string {
	if host.CodeOf(err) == host.CodeRejected {
		return host.Cause(err)
	}
	return err.Error()
}

// writeError makes the response an error.
func writeError(ctx *fasthttp.RequestCtx, a answer, message string) {
	writeWhole(ctx, a, clip(message))
}

// writeWhole is writeError for a message whose length is bounded by its author.
func writeWhole(ctx *fasthttp.RequestCtx, a answer, message string) {
	resp := &ctx.Response
	resp.SetStatusCode(a.status)
	resp.Header.SetContentType(jsonType)
	resp.Header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	if a.status == fasthttp.StatusServiceUnavailable {
		resp.Header.Set(fasthttp.HeaderRetryAfter, retryAfter)
	}
	resp.SetBody(appendError(nil, a.number, message))
}

// refuse answers what fasthttp could not make a request of. The connection is
// closed after it.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, err error) {
	lingerOn(ctx.Conn())
	var head *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge) && s.denyUnread(ctx):
		return // it was the caller, not the body
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		writeError(ctx, codeAnswers[host.CodeTooLarge], "the request's body is too large"+s.bodyLimit(ctx))
	case errors.As(err, &head):
		writeError(ctx, httpAnswers[faultHead], "the request's line and headers are too large: at most "+s.config.MaxHead.String()+" are read")
	case errors.As(err, &timeout) && timeout.Timeout() && s.stopping():
		writeError(ctx, codeAnswers[host.CodeUnavailable], "the host is shutting down")
	case errors.As(err, &timeout) && timeout.Timeout():
		writeError(ctx, httpAnswers[faultSlow], "the request did not arrive in time")
	default:
		writeError(ctx, httpAnswers[faultMalformed], "malformed request: "+err.Error())
	}
	s.requests.add(routeNone, ctx.Response.StatusCode())
}

// bodyLimit says what is read on the request's path. fasthttp has forgotten the
// path when a body of unknown size turned out to be too large.
func (s *Server) bodyLimit(ctx *fasthttp.RequestCtx) string {
	if ctx.Request.Header.ContentLength() <= 0 {
		return " for its path" + s.guard.orForNobody()
	}
	limit := host.Bytes(s.requestLimits(&ctx.Request.Header).MaxRequestBodySize)
	return ": at most " + limit.String() + " are read on its path"
}

// recovered ends a panic of a handler: one request fails, not the daemon.
func (s *Server) recovered(ctx *fasthttp.RequestCtx) {
	fault := recover()
	if fault == nil {
		return
	}
	s.log.Error("PANIC while a request was answered", "panic", fault, "method", string(ctx.Method()),
		"path", string(ctx.Request.URI().PathOriginal()), "stack", string(debug.Stack()))
	ctx.Response.Reset()
	writeError(ctx, codeAnswers[host.CodeInternal], internalMessage)
	s.requests.add(routeNone, fasthttp.StatusInternalServerError)
}

// appendError appends the body of an error.
func appendError(dst []byte, number int, message string) []byte {
	dst = append(dst, `{"error":`...)
	dst = appendNumber(dst, number)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, message)
	return append(dst, '}')
}

// clip keeps an answer short when an error quotes what is not.
func clip(message string) string { return clipTo(message, maxMessage) }

// clipTo is clip to so many bytes.
func clipTo(message string, limit int) string {
	if len(message) <= limit {
		return message
	}
	return strings.ToValidUTF8(message[:limit], "") + "…"
}
