package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// pluginRequest is the body of create and update. Its keys are eKuiper's, which
// reads them without regard to case and ignores others.
type pluginRequest struct {
	Name       string   `json:"name"`
	File       string   `json:"file"`
	SHA256     string   `json:"sha256"`    // Berth's own, as the next
	Signature  string   `json:"signature"` // one line of base64
	ShellParas []string `json:"shellParas"`
	Functions  []string `json:"functions"`
}

func (r pluginRequest) of(kind host.Kind, name string) host.Request {
	return host.Request{Kind: kind, Name: name, File: r.File, SHA256: r.SHA256, Signature: r.Signature, Functions: r.Functions, ShellParas: r.ShellParas}
}

// decode reads the first JSON value of a body, as eKuiper does: what comes
// after it is not looked at. The body is copied.
func decode(body []byte, into any) error {
	err := json.NewDecoder(bytes.NewReader(body)).Decode(into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) { // without the names of our types
		field := wrong.Field
		if field == "" {
			field = "the body"
		}
		return fmt.Errorf("json: %s is of type %s and has to be of type %s", field, wrong.Value, jsonName(wrong.Type.Kind()))
	}
	return err
}

// jsonName is what JSON calls a type of Go.
func jsonName(kind reflect.Kind) string {
	switch kind {
	case reflect.Slice:
		return "array"
	case reflect.Struct:
		return "object"
	}
	return kind.String()
}

// checkedName answers for a name in a path that cannot be one.
func (s *Server) checkedName(ctx *fasthttp.RequestCtx, name string) bool {
	if err := host.CheckName(name); err != nil {
		s.fail(ctx, err, host.Cause(err))
		return false
	}
	return true
}

func (s *Server) createPlugin(ctx *fasthttp.RequestCtx, kind host.Kind) {
	s.withRequest(ctx, kind, "", s.create)
}

func (s *Server) create(ctx *fasthttp.RequestCtx, req host.Request) {
	if !s.checkedName(ctx, req.Name) {
		return
	}
	if _, err := s.host.Install(s.life, req); err != nil {
		s.fail(ctx, err, createFailed(req.Kind, err))
		return
	}
	ctx.Response.SetStatusCode(fasthttp.StatusCreated)
	ctx.Response.SetBodyString(created(req.Kind, req.Name))
}

func (s *Server) updatePlugin(ctx *fasthttp.RequestCtx, kind host.Kind, name string) {
	if s.checkedName(ctx, name) {
		s.withRequest(ctx, kind, name, s.update)
	}
}

// update puts a version in the place of another. Of portables, and only of
// these, one that is not installed is installed, as eKuiper does it.
func (s *Server) update(ctx *fasthttp.RequestCtx, req host.Request) {
	var err error
	if req.Kind == host.Portables {
		_, err = s.host.Upsert(s.life, req)
	} else if _, err = s.host.Describe(req.Kind, req.Name); err == nil {
		_, err = s.host.Update(s.life, req)
	}
	switch {
	case err == nil:
		ctx.Response.SetBodyString(updated(req.Kind, req.Name))
	case host.CodeOf(err) == host.CodeNotFound:
		s.fail(ctx, err, updateAbsent(req.Kind, req.Name))
	default:
		s.fail(ctx, err, updateFailed(req.Kind, err))
	}
}

// withRequest reads what is to be installed and goes on with then. name is that
// of the path; empty: the request says it.
func (s *Server) withRequest(ctx *fasthttp.RequestCtx, kind host.Kind, name string, then func(*fasthttp.RequestCtx, host.Request)) {
	if _, streamed := s.streamedLength(&ctx.Request.Header); streamed {
		s.upload(ctx, kind, name, then)
		return
	}
	var body pluginRequest
	if err := decode(ctx.PostBody(), &body); err != nil {
		writeError(ctx, answerOf(host.CodeInvalid), undecoded(kind, err))
		return
	}
	req := body.of(kind, body.Name)
	if name != "" {
		if err := sameName(name, body.Name); err != nil {
			s.fail(ctx, err, host.Cause(err))
			return
		}
		req.Name = name
	}
	then(ctx, req)
}

// sameName refuses a body about another plugin than the path, which eKuiper would
// install in its place.
func sameName(name, inBody string) error {
	if inBody == "" || inBody == name {
		return nil
	}
	if err := host.CheckName(inBody); err != nil {
		return err
	}
	return host.Fail(host.CodeInvalid, "the body is about plugin %s, the path about plugin %s: make the two the same, or leave the name out of the body", inBody, name)
}

// deletePlugin drops a plugin. With ?stop=1 the host ends afterwards, with
// eKuiper's exit code, except of portables, where eKuiper ignores it.
func (s *Server) deletePlugin(ctx *fasthttp.RequestCtx, kind host.Kind, name string) {
	if !s.checkedName(ctx, name) {
		return
	}
	if err := s.host.Drop(s.life, kind, name); err != nil {
		s.fail(ctx, err, deleteFailed(kind, name, err))
		return
	}
	stopping := isNative(kind) && isSet(ctx, "stop") && s.config.Stop != nil
	ctx.Response.SetBodyString(deleted(kind, name, stopping))
	if stopping {
		s.config.Stop(exitAfterChange)
	}
}

func (s *Server) registerFunctions(ctx *fasthttp.RequestCtx, name string) {
	const kind = host.Functions
	if !s.checkedName(ctx, name) {
		return
	}
	failed := func(err error) {
		format := "function plugins %s register functions error: %s"
		if host.CodeOf(err) == host.CodeNotFound {
			format = "register functions plugin %s error: %s"
		}
		s.fail(ctx, err, fmt.Sprintf(format, name, host.Cause(err)))
	}
	if _, err := s.host.Describe(kind, name); err != nil { // eKuiper looks before it reads the body
		failed(err)
		return
	}
	var req struct {
		Functions []string `json:"functions"`
	}
	if err := decode(ctx.PostBody(), &req); err != nil {
		writeError(ctx, answerOf(host.CodeInvalid), "Invalid body: Error decoding the function list json: "+err.Error())
		return
	}
	if err := s.host.Register(s.life, kind, name, req.Functions); err != nil {
		failed(err)
		return
	}
	ctx.Response.SetBodyString(fmt.Sprintf("function plugin %s function list is registered", name))
}

// isSet tells whether a parameter of the query is 1 or true.
func isSet(ctx *fasthttp.RequestCtx, parameter string) bool {
	switch string(ctx.QueryArgs().Peek(parameter)) {
	case "1", "true":
		return true
	}
	return false
}

// list makes an absent list an empty one: [], not null.
func list[T any](entries []T) []T {
	if entries == nil {
		return []T{}
	}
	return entries
}
