package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// pluginRequest is the body of create and update. Its keys are eKuiper's, which
// reads them without regard to case and ignores others.
type pluginRequest struct {
	Name       string   `json:"name"`
	File       string   `json:"file"`
	ShellParas []string `json:"shellParas"`
	Functions  []string `json:"functions"`
}

func (r pluginRequest) of(kind host.Kind, name string) host.Request {
	return host.Request{Kind: kind, Name: name, File: r.File, Functions: r.Functions, ShellParas: r.ShellParas}
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

func (s *Server) listPlugins(ctx *fasthttp.RequestCtx) {
	s.writeJSON(ctx, s.host.List(host.Functions))
}

func (s *Server) createPlugin(ctx *fasthttp.RequestCtx) {
	const kind = host.Functions
	req, ok := decodePlugin(ctx, kind)
	if !ok {
		return
	}
	if err := host.CheckName(req.Name); err != nil {
		s.fail(ctx, err, host.Cause(err))
		return
	}
	if _, err := s.host.Install(s.life, req.of(kind, req.Name)); err != nil {
		s.fail(ctx, err, createWords(kind, err))
		return
	}
	ctx.Response.SetStatusCode(fasthttp.StatusCreated)
	ctx.Response.SetBodyString(fmt.Sprintf("%s plugin %s is created", kind, req.Name))
}

func (s *Server) updatePlugin(ctx *fasthttp.RequestCtx, name string) {
	const kind = host.Functions
	if err := host.CheckName(name); err != nil {
		s.fail(ctx, err, host.Cause(err))
		return
	}
	req, ok := decodePlugin(ctx, kind)
	if !ok {
		return
	}
	if err := s.checkUpdate(kind, name, req.Name); err != nil {
		s.fail(ctx, err, host.Cause(err))
		return
	}
	_, err := s.host.Update(s.life, req.of(kind, name))
	switch {
	case err == nil:
		ctx.Response.SetBodyString(fmt.Sprintf("plugin %s is updated and serves now.", name))
	case host.CodeOf(err) == host.CodeNotFound: // dropped meanwhile
		s.fail(ctx, err, updateAbsent(kind, name))
	default:
		s.fail(ctx, err, createWords(kind, err))
	}
}

// checkUpdate refuses what eKuiper refuses before it looks at the package, and
// a body about another plugin, which eKuiper would install in its place.
func (s *Server) checkUpdate(kind host.Kind, name, inBody string) error {
	if inBody != "" {
		if err := host.CheckName(inBody); err != nil {
			return err
		}
		if inBody != name {
			return host.Fail(host.CodeInvalid, "the body is about plugin %s, the path about plugin %s: make the two the same, or leave the name out of the body", inBody, name)
		}
	}
	if _, err := s.host.Describe(kind, name); err != nil {
		return host.Fail(host.CodeOf(err), "%s", updateAbsent(kind, name))
	}
	return nil
}

func (s *Server) deletePlugin(ctx *fasthttp.RequestCtx, name string) {
	const kind = host.Functions
	if err := host.CheckName(name); err != nil {
		s.fail(ctx, err, host.Cause(err))
		return
	}
	if err := s.host.Drop(s.life, kind, name); err != nil {
		s.fail(ctx, err, fmt.Sprintf("delete %s plugin %s error: %s", kind, name, host.Cause(err)))
		return
	}
	ctx.Response.SetBodyString(fmt.Sprintf("%s plugin %s is deleted.", kind, name))
}

// description is eKuiper's; its version has no leading v.
type description struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	Functions []string `json:"functions"`
}

func (s *Server) describePlugin(ctx *fasthttp.RequestCtx, name string) {
	const kind = host.Functions
	if err := host.CheckName(name); err != nil {
		s.fail(ctx, err, host.Cause(err))
		return
	}
	r, err := s.host.Describe(kind, name)
	if err != nil {
		s.fail(ctx, err, fmt.Sprintf("describe %s plugin %s error: %s", kind, name, host.Cause(err)))
		return
	}
	s.writeJSON(ctx, description{Name: r.Name, Version: strings.TrimPrefix(r.Version, "v"), Functions: list(r.Functions)})
}

func (s *Server) registerFunctions(ctx *fasthttp.RequestCtx, name string) {
	const kind = host.Functions
	if err := host.CheckName(name); err != nil {
		s.fail(ctx, err, host.Cause(err))
		return
	}
	if _, err := s.host.Describe(kind, name); err != nil { // eKuiper looks before it reads the body
		s.fail(ctx, err, fmt.Sprintf("register %s plugin %s error: %s", kind, name, host.Cause(err)))
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
		s.fail(ctx, err, fmt.Sprintf("function plugins %s register functions error: %s", name, host.Cause(err)))
		return
	}
	ctx.Response.SetBodyString(fmt.Sprintf("function plugin %s function list is registered", name))
}

func decodePlugin(ctx *fasthttp.RequestCtx, kind host.Kind) (req pluginRequest, ok bool) {
	if err := decode(ctx.PostBody(), &req); err != nil {
		writeError(ctx, answerOf(host.CodeInvalid), fmt.Sprintf("Invalid body: Error decoding the %s plugin json: %v", kind, err))
		return req, false
	}
	return req, true
}

func createWords(kind host.Kind, err error) string {
	return fmt.Sprintf("%s plugins create command error: %s", kind, host.Cause(err))
}

func updateAbsent(kind host.Kind, name string) string {
	return fmt.Sprintf("update %s plugin %s error, cannot delete old version: invalid name %s: not exist", kind, name, name)
}

// list makes an absent list an empty one: [], not null.
func list[T any](entries []T) []T {
	if entries == nil {
		return []T{}
	}
	return entries
}
