package server

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// configuration is eKuiper's of everything, of which Berth has the plugins. Their
// values are JSON in a string.
type configuration struct {
	Streams          map[string]string `json:"streams"`
	Tables           map[string]string `json:"tables"`
	Rules            map[string]string `json:"rules"`
	NativePlugins    map[string]string `json:"nativePlugins"`
	PortablePlugins  map[string]string `json:"portablePlugins"`
	SourceConfig     map[string]string `json:"sourceConfig"`
	SinkConfig       map[string]string `json:"sinkConfig"`
	ConnectionConfig map[string]string `json:"connectionConfig"`
	Service          map[string]string `json:"Service"`
	Schema           map[string]string `json:"Schema"`
	Uploads          map[string]string `json:"uploads"`
	Scripts          map[string]string `json:"scripts"`

	// WasmPlugins is Berth's own; eKuiper ignores it.
	WasmPlugins map[string]string `json:"wasmPlugins"`
}

func newConfiguration() configuration {
	var c configuration
	for _, part := range []*map[string]string{&c.Streams, &c.Tables, &c.Rules, &c.NativePlugins, &c.PortablePlugins, &c.SourceConfig,
		&c.SinkConfig, &c.ConnectionConfig, &c.Service, &c.Schema, &c.Uploads, &c.Scripts, &c.WasmPlugins} {
		*part = map[string]string{}
	}
	return c
}

// part is where the plugins of a kind are in the configuration, and the key of
// one there.
func (c *configuration) part(kind host.Kind, name string) (plugins map[string]string, key string) {
	switch kind {
	case host.Portables:
		return c.PortablePlugins, name
	case host.Wasm:
		return c.WasmPlugins, name
	}
	return c.NativePlugins, kind.String() + "_" + name
}

// export answers with what would install every plugin again, in eKuiper's shape
// and without its loss: lists of functions are kept.
func (s *Server) export(ctx *fasthttp.RequestCtx) {
	c := newConfiguration()
	for _, req := range s.host.Export() {
		script, err := json.Marshal(struct {
			Name       string   `json:"name"`
			File       string   `json:"file"`
			ShellParas []string `json:"shellParas"`
			Functions  []string `json:"functions,omitempty"`
			SHA256     string   `json:"sha256,omitempty"`
			Signature  string   `json:"signature,omitempty"`
		}{req.Name, req.File, list(req.ShellParas), req.Functions, req.SHA256, req.Signature})
		if err != nil {
			s.fail(ctx, host.Fail(host.CodeInternal, "encode: %w", err), "")
			return
		}
		plugins, key := c.part(req.Kind, req.Name)
		plugins[key] = string(script)
	}
	s.writeJSON(ctx, c)
	ctx.Response.Header.SetContentType(rawType)
	ctx.Response.Header.Set(fasthttp.HeaderContentDisposition, "Attachment")
}

// maxFault bounds what is said of one plugin that could not be imported, in bytes.
// How many there are, the size of the request bounds.
const maxFault = 1 << 10

// imported is eKuiper's answer: what could not be imported, by its key.
type imported struct {
	ErrorMsg       string        `json:"ErrorMsg"`
	ConfigResponse configuration `json:"ConfigResponse"`
}

// imports installs what an export holds. With ?partial=1 only what is not there
// yet; else what is not in the import is dropped. With ?stop=1 the host ends
// afterwards, as eKuiper does, although nothing here needs that.
func (s *Server) imports(ctx *fasthttp.RequestCtx) {
	var req struct {
		Content string `json:"content"`
		File    string `json:"file"`
	}
	err := decode(ctx.PostBody(), &req)
	fault := ""
	switch {
	case err != nil:
		fault = err.Error()
	case req.Content != "" && req.File != "":
		fault = bothGiven
	case req.Content == "" && req.File == "":
		fault = "must specify content or file"
	}
	if fault != "" {
		writeError(ctx, answerOf(host.CodeInvalid), "Invalid body: "+fault)
		return
	}
	content := []byte(req.Content)
	if req.File != "" {
		if content, err = s.host.FetchFile(s.life, req.File, s.config.MaxImport); err != nil {
			s.fail(ctx, err, "Invalid body: "+host.Cause(err))
			return
		}
	}
	var given configuration
	if err := decode(content, &given); err != nil {
		writeError(ctx, answerOf(host.CodeInvalid), "Invalid body: Error decoding the content: "+err.Error())
		return
	}
	faults := newConfiguration()
	requests, ok := given.requests(&faults)
	if ok {
		for ref, err := range s.host.Import(s.life, requests, isSet(ctx, "partial")) {
			ok = false
			plugins, key := faults.part(ref.Kind, ref.Name)
			plugins[key] = clipTo(s.part(err), maxFault)
		}
	}
	if !ok {
		text, err := json.Marshal(faults)
		if err != nil {
			s.fail(ctx, host.Fail(host.CodeInternal, "encode: %w", err), "")
			return
		}
		writeWhole(ctx, answerOf(host.CodeInvalid), string(text)) // cut, it were no JSON
		return
	}
	s.writeJSON(ctx, imported{ConfigResponse: faults})
	if isSet(ctx, "stop") && s.config.Stop != nil {
		s.config.Stop(exitAfterChange)
	}
}

// requests are the plugins of a configuration, sorted. What is wrong with one is
// put into faults, and nothing is to be imported then.
func (c *configuration) requests(faults *configuration) (all []host.Request, ok bool) {
	ok = true
	read := func(kind host.Kind, key, name, script string) {
		var body pluginRequest
		err := decode([]byte(script), &body)
		if err == nil && body.Name != "" && body.Name != name {
			err = fmt.Errorf("its key says %q, and its name is %q", name, body.Name)
		}
		if err != nil {
			plugins, _ := faults.part(kind, name)
			plugins[key], ok = clipTo(err.Error(), maxFault), false
			return
		}
		all = append(all, body.of(kind, name))
	}
	for _, key := range keys(c.NativePlugins) {
		text, name, _ := strings.Cut(key, "_") // names may have more of them
		kind, err := host.ParseKind(text)
		if err != nil || !isNative(kind) {
			faults.NativePlugins[key], ok = "a key is expected like functions_echo", false
			continue
		}
		read(kind, key, name, c.NativePlugins[key])
	}
	for _, name := range keys(c.PortablePlugins) {
		read(host.Portables, name, name, c.PortablePlugins[name])
	}
	for _, name := range keys(c.WasmPlugins) {
		read(host.Wasm, name, name, c.WasmPlugins[name])
	}
	return all, ok
}
