package server

import (
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// pluginState is the answer of /plugins/{kind}/{name}/status. The keys status,
// errMsg and refCount are those of eKuiper's status of portable plugins.
type pluginState struct {
	Kind      string          `json:"kind"`
	Name      string          `json:"name"`
	Version   string          `json:"version"`
	Status    string          `json:"status"`   // a host.State; of portables, in eKuiper's words
	ErrMsg    string          `json:"errMsg"`   // why it could not be loaded, or cannot be called
	RefCount  map[string]int  `json:"refCount"` // by rule; there are none yet
	Engine    string          `json:"engine"`
	Refused   []host.Refusal  `json:"refused"` // engines that did not take it
	Digest    string          `json:"digest"`
	Source    string          `json:"source"`
	Installed time.Time       `json:"installed"`
	Warnings  []string        `json:"warnings,omitempty"`
	Module    *moduleState    `json:"module,omitempty"` // while it is loaded
	InFlight  int64           `json:"inFlight"`
	Calls     uint64          `json:"calls"`  // since the host started
	Errors    uint64          `json:"errors"` // of these
	LastError *host.CallError `json:"lastError,omitempty"`
	Functions []functionState `json:"functions"`

	Fuel         uint64           `json:"fuel,omitempty"`         // of all calls since the host started
	Capabilities *capabilityState `json:"capabilities,omitempty"` // if it asks for any

	Signature host.SignatureState `json:"signature"`          // when it was installed; "" if nobody looked
	SignedBy  string              `json:"signedBy,omitempty"` // the fingerprint of the key
}

type moduleState struct {
	Form      string `json:"form"`
	Instances int    `json:"instances"`
	Busy      int    `json:"busy"`
	Memory    int64  `json:"memory"` // bytes
	Pid       int    `json:"pid,omitempty"`

	Isolation    string   `json:"isolation,omitempty"`
	Interruption string   `json:"interruption,omitempty"`
	Notes        []string `json:"notes,omitempty"`
}

type functionState struct {
	Name   string            `json:"name"`
	Calls  uint64            `json:"calls"`
	Errors map[string]uint64 `json:"errors,omitempty"` // by the name of their code
	Mean   float64           `json:"meanMicros,omitempty"`
}

func (s *Server) pluginStatus(ctx *fasthttp.RequestCtx, kind host.Kind, name string) {
	if !s.checkedName(ctx, name) {
		return
	}
	status, err := s.host.Status(kind, name)
	if err != nil {
		s.fail(ctx, err, statusFailed(kind, name, err))
		return
	}
	s.writeJSON(ctx, stateOf(status))
}

func stateOf(status host.Status) pluginState {
	state := pluginState{
		Kind: status.Kind.String(), Name: status.Name, Version: strings.TrimPrefix(status.Version, "v"),
		Status: status.State.String(), RefCount: map[string]int{},
		Engine: status.Engine, Refused: list(status.Refused), Digest: status.Digest, Source: status.SourceShown(),
		Installed: status.Installed, Warnings: status.Warnings,
		InFlight: status.InFlight, LastError: status.LastError,
		Functions: []functionState{}, Fuel: status.Fuel,
		Capabilities: capabilityStateOf(status.Capabilities),
		Signature:    status.Signature, SignedBy: status.SignedBy,
	}
	state.Status, state.ErrMsg = health(status)
	if m := status.Module; m != nil {
		state.Module = &moduleState{Form: m.Form, Instances: m.Instances, Busy: m.Busy, Memory: m.Memory, Pid: m.Pid,
			Isolation: m.Isolation, Interruption: m.Interruption, Notes: m.Notes}
	}
	figures := map[string]host.FunctionFigures{}
	for _, f := range status.Figures {
		figures[f.Function] = f
	}
	for _, name := range status.Record.Functions {
		f := functionStateOf(name, figures[name])
		state.Calls += f.Calls
		for _, n := range f.Errors {
			state.Errors += n
		}
		state.Functions = append(state.Functions, f)
	}
	return state
}

// portableStates are eKuiper's words for the state of a portable plugin.
var portableStates = map[host.State]string{
	host.StateIdle: "stop", host.StateLoading: "initializing", host.StateActive: "running", host.StateFailed: "error",
}

// health is a plugin's state in a word, and what is wrong with it.
func health(status host.Status) (state, fault string) {
	is := status.State
	switch {
	case status.LoadError != nil:
		fault = clip(host.Cause(status.LoadError))
	case status.Module != nil && status.Module.Unavailable != "":
		is, fault = host.StateFailed, status.Module.Unavailable
	}
	if status.Kind == host.Portables {
		return portableStates[is], fault
	}
	return is.String(), fault
}

func functionStateOf(name string, f host.FunctionFigures) functionState {
	state := functionState{Name: name, Calls: f.Calls}
	for code, n := range f.Errors {
		if state.Errors == nil {
			state.Errors = map[string]uint64{}
		}
		state.Errors[code.String()] = n
	}
	if f.Latency.Count > 0 {
		state.Mean = float64(f.Latency.Sum) / float64(f.Latency.Count) / float64(time.Microsecond)
	}
	return state
}
