package host

import (
	"fmt"
	"maps"
	"slices"
)

// List names the installed plugins of a kind, sorted.
func (h *Host) List(kind Kind) []string { return h.index.Load().names(kind) }

// Describe returns the record of an installed plugin. The error is
// CodeNotFound, or CodeInvalid for what cannot be a name.
func (h *Host) Describe(kind Kind, name string) (Record, error) {
	p, err := h.find("describe", kind, name)
	if err != nil {
		return Record{}, err
	}
	return p.record.clone(), nil
}

// FunctionNames lists every function of every installed plugin, sorted.
func (h *Host) FunctionNames() []string {
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(h.index.Load().functions))))
}

// FunctionPlugin tells which plugin a function belongs to. The error is
// CodeNotFound, or CodeInvalid for what cannot be a name.
func (h *Host) FunctionPlugin(function string) (Record, error) {
	if err := CheckName(function); err != nil {
		return Record{}, at(err, "describe", "", function)
	}
	p := h.index.Load().functions[function]
	if p == nil {
		return Record{}, &Error{Code: CodeNotFound, Op: "describe", Function: function, Err: ErrNotFound}
	}
	return p.record.clone(), nil
}

func (h *Host) find(op string, kind Kind, name string) (*plugin, error) {
	if err := CheckName(name); err != nil {
		return nil, at(err, op, name, "")
	}
	p := h.index.Load().plugins[id{kind, name}]
	if p == nil {
		return nil, &Error{Code: CodeNotFound, Op: op, Plugin: name, Err: ErrNotFound}
	}
	return p, nil
}

// State says whether a plugin is loaded.
type State uint8

// The states.
const (
	StateIdle    State = iota // not loaded: the next call loads it
	StateLoading              // being loaded
	StateActive               // loaded
	StateFailed               // not loaded, because the last try failed
	numStates
)

var stateNames = [numStates]string{StateIdle: "idle", StateLoading: "loading", StateActive: "active", StateFailed: "failed"}

// String returns the state's name in answers.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "unknown"
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if name == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("unknown state %q: use one of %v", text, stateNames)
}

// Status is what a plugin is and does now.
type Status struct {
	Record
	State     State
	LoadError error         // why the last load failed; nil if it did not
	Module    *ModuleStatus // nil when not loaded
	InFlight  int64
	LastError *CallError // of a call; nil if none failed
	Figures   []FunctionFigures
}

// Status tells the state of an installed plugin and its figures. The errors are
// those of Describe.
func (h *Host) Status(kind Kind, name string) (Status, error) {
	p, err := h.find("status", kind, name)
	if err != nil {
		return Status{}, err
	}
	s := h.status(p)
	for _, function := range p.record.Functions {
		if own := h.figures.lookup(function); own != nil {
			s.Figures = append(s.Figures, own.figures())
		}
	}
	return s, nil
}

// Statuses returns the status of every installed plugin, without the figures of
// its functions (Figures has them), sorted by kind and name.
func (h *Host) Statuses() []Status {
	plugins := h.index.Load().sorted()
	all := make([]Status, 0, len(plugins))
	for _, p := range plugins {
		all = append(all, h.status(p))
	}
	return all
}

func (h *Host) status(p *plugin) Status {
	s := Status{Record: p.record.clone()}
	p.mu.Lock()
	a, loading := p.active, p.loading
	s.LoadError, s.LastError = p.lastLoad, p.lastCall
	p.mu.Unlock()
	switch {
	case a != nil:
		module := a.module.Status()
		s.State, s.Module, s.InFlight = StateActive, &module, a.gate.inside()
	case loading != nil:
		s.State = StateLoading
	case s.LoadError != nil:
		s.State = StateFailed
	}
	return s
}

// Figures returns the figures of every function that has its own, sorted by
// name, and of all others together as OtherFunctions.
func (h *Host) Figures() []FunctionFigures {
	var all []FunctionFigures
	for _, s := range h.figures.all() {
		if f := s.figures(); f.Calls > 0 {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b FunctionFigures) int {
		switch {
		case a.Function < b.Function:
			return -1
		case a.Function > b.Function:
			return 1
		}
		return 0
	})
	return all
}
