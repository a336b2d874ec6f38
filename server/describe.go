package server

import (
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// description is eKuiper's of a native plugin; its version has no leading v. The
// functions are those of a functions plugin.
type description struct {
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	Functions *[]string `json:"functions,omitempty"`
}

// portableDescription is eKuiper's of a portable plugin, in its order.
type portableDescription struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Language   string   `json:"language"`
	Executable string   `json:"executable"` // an absolute path
	VirtualEnv string   `json:"virtualEnvType,omitempty"`
	Env        string   `json:"env,omitempty"`
	Sources    []string `json:"sources"`
	Sinks      []string `json:"sinks"`
	Functions  []string `json:"functions"`
}

// portableState is what describing one portable plugin also tells, which eKuiper
// promises in one place and answers in another.
type portableState struct {
	portableDescription
	RefCount map[string]int `json:"refCount"`
	Status   string         `json:"status"`
	ErrMsg   string         `json:"errMsg"`
	Pid      int            `json:"pid"` // 0: it has no process
}

// wasmDescription is eKuiper's, as of 1.8 to 1.14.
type wasmDescription struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	WasmFile  string   `json:"wasmFile"` // an absolute path
	Engine    string   `json:"wasmEngine"`
	Functions []string `json:"functions"`
}

// details is what lists have with ?detail=1, beside the description.
type details struct {
	Kind      string    `json:"kind"`
	Status    string    `json:"status"`
	ErrMsg    string    `json:"errMsg"`
	Engine    string    `json:"engine"`
	Digest    string    `json:"digest"`
	Source    string    `json:"source"`
	Installed time.Time `json:"installed"`
	Warnings  []string  `json:"warnings,omitempty"`
}

// listPlugins lists the plugins of a kind: names, where eKuiper does so, and
// objects otherwise or with ?detail=1.
func (s *Server) listPlugins(ctx *fasthttp.RequestCtx, kind host.Kind) {
	detailed := isSet(ctx, "detail")
	if isNative(kind) && !detailed {
		s.writeJSON(ctx, s.host.List(kind))
		return
	}
	all := []any{}
	for _, status := range s.host.Statuses() {
		switch {
		case status.Kind != kind:
		case detailed:
			all = append(all, s.detailed(status))
		default:
			all = append(all, s.described(status.Record))
		}
	}
	s.writeJSON(ctx, all)
}

func (s *Server) describePlugin(ctx *fasthttp.RequestCtx, kind host.Kind, name string) {
	if !s.checkedName(ctx, name) {
		return
	}
	status, err := s.host.Status(kind, name)
	if err != nil {
		s.fail(ctx, err, describeFailed(kind, name, err))
		return
	}
	if kind != host.Portables {
		s.writeJSON(ctx, s.described(status.Record))
		return
	}
	state := portableState{portableDescription: s.portable(status.Record), RefCount: map[string]int{}}
	state.Status, state.ErrMsg = health(status)
	if status.Module != nil {
		state.Pid = status.Module.Pid
	}
	s.writeJSON(ctx, state)
}

// described is a plugin as eKuiper describes those of its kind.
func (s *Server) described(r host.Record) any {
	switch r.Kind {
	case host.Portables:
		return s.portable(r)
	case host.Wasm:
		return s.wasm(r)
	}
	return native(r)
}

func native(r host.Record) description {
	d := description{Name: r.Name, Version: strings.TrimPrefix(r.Version, "v")}
	if r.Kind == host.Functions {
		functions := list(r.Functions)
		d.Functions = &functions
	}
	return d
}

func (s *Server) portable(r host.Record) portableDescription {
	return portableDescription{Name: r.Name, Version: r.Version, Language: r.Language, Executable: s.host.File(r, r.Executable),
		VirtualEnv: r.VirtualEnv, Env: r.Env, Sources: list(r.Sources), Sinks: list(r.Sinks), Functions: list(r.Functions)}
}

func (s *Server) wasm(r host.Record) wasmDescription {
	return wasmDescription{r.Name, r.Version, s.host.File(r, r.Executable), r.Engine, list(r.Functions)}
}

// detailed is a plugin with all that a list tells of it.
func (s *Server) detailed(status host.Status) any {
	r := status.Record
	d := details{Kind: r.Kind.String(), Engine: r.Engine, Digest: r.Digest, Source: r.SourceShown(), Installed: r.Installed, Warnings: slices.Clone(r.Warnings)}
	d.Status, d.ErrMsg = health(status)
	switch r.Kind {
	case host.Portables:
		return struct {
			portableDescription
			details
		}{s.portable(r), d}
	case host.Wasm:
		return struct {
			wasmDescription
			details
		}{s.wasm(r), d}
	}
	return struct {
		description
		details
	}{native(r), d}
}
