package server

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"path"
	"strings"

	"github.com/valyala/fasthttp"

	"berth/host"
)

const (
	// uploadField is the field of eKuiper's forms.
	uploadField = "uploadFile"

	// bothGiven is what eKuiper says of a body with both.
	bothGiven = "Cannot specify both content and file"
)

func (s *Server) listUploads(ctx *fasthttp.RequestCtx) {
	paths, err := s.host.Uploads()
	if err != nil {
		s.fail(ctx, err, host.Cause(err))
		return
	}
	s.writeJSON(ctx, paths)
}

// createUpload takes a file as eKuiper does, in a form or in JSON, and also as the
// body itself, with the name in the query.
func (s *Server) createUpload(ctx *fasthttp.RequestCtx) {
	if _, streamed := s.streamedLength(&ctx.Request.Header); !streamed {
		s.uploadJSON(ctx)
		return
	}
	kind, params, err := mime.ParseMediaType(string(ctx.Request.Header.ContentType()))
	if err != nil {
		writeError(ctx, httpAnswers[faultMalformed], "Content-Type: "+err.Error())
		return
	}
	name := string(ctx.QueryArgs().Peek("name"))
	s.stream(ctx, routeUploads, s.config.MaxPackage, s.config.PackageTimeout, func(body io.Reader) {
		if kind == multipartType {
			if name, body, err = formFile(body, params["boundary"]); err != nil {
				s.fail(ctx, &host.Error{Code: host.CodeInvalid, Err: err}, err.Error())
				return
			}
		}
		path, err := s.host.SaveUpload(s.life, name, body)
		s.uploaded(ctx, path, err)
	})
}

// formFile finds the file in a form. Its content is valid as long as the form is
// read.
func formFile(body io.Reader, boundary string) (name string, content io.Reader, err error) {
	form := multipart.NewReader(body, boundary)
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return "", nil, fmt.Errorf("the form has no file in the field %q", uploadField)
		case err != nil:
			return "", nil, fmt.Errorf("malformed form: %w", err)
		case part.FormName() == uploadField && part.FileName() != "":
			return path.Base(strings.ReplaceAll(part.FileName(), `\`, "/")), part, nil
		}
	}
}

// uploadJSON takes the content itself, or where it is to be fetched from.
func (s *Server) uploadJSON(ctx *fasthttp.RequestCtx) {
	var req struct {
		Name    string `json:"name"`
		Content string `json:"content"`
		File    string `json:"file"`
	}
	if err := decode(ctx.PostBody(), &req); err != nil {
		writeError(ctx, answerOf(host.CodeInvalid), "Invalid body: Error decoding the upload json: "+err.Error())
		return
	}
	switch {
	case req.Content != "" && req.File != "":
		writeError(ctx, answerOf(host.CodeInvalid), "Invalid body: "+bothGiven)
	case req.File != "":
		path, err := s.host.FetchUpload(s.life, req.Name, req.File)
		s.uploaded(ctx, path, err)
	default:
		path, err := s.host.SaveUpload(s.life, req.Name, strings.NewReader(req.Content))
		s.uploaded(ctx, path, err)
	}
}

func (s *Server) uploaded(ctx *fasthttp.RequestCtx, path string, err error) {
	if err != nil {
		s.fail(ctx, err, "upload error: "+host.Cause(err))
		return
	}
	ctx.Response.SetStatusCode(fasthttp.StatusCreated)
	ctx.Response.SetBodyString(path)
}

func (s *Server) deleteUpload(ctx *fasthttp.RequestCtx, name string) {
	if err := s.host.RemoveUpload(name); err != nil {
		s.fail(ctx, err, "delete upload error: "+host.Cause(err))
		return
	}
	ctx.Response.SetBodyString("ok")
}
