package host

import (
	"fmt"
	"maps"
	"path/filepath"
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

// File is the absolute path of a file of an installed plugin's package
// (slash-separated), whether it is there or not.
func (h *Host) File(r Record, file string) string {
	return filepath.Join(h.layout.files(r.id(), r.folder()), filepath.FromSlash(file))
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

	// Fuel is what the calls of the plugin used since the host started.
	Fuel uint64

	// Capabilities are nil if the package cannot be read.
	Capabilities *CapabilityReport
}

// CapabilityReport is what a plugin asks for and what came of it: as it is
// loaded, else as it would be. It must not be changed.
type CapabilityReport struct {
	Asked   Capabilities
	Granted Grants
	Denied  []Denial
}

func (p *Package) report() CapabilityReport {
	return CapabilityReport{Asked: p.Manifest.Capabilities, Granted: p.Grants, Denied: p.Denied}
}

// Status tells the state of an installed plugin and its figures. The errors are
// those of Describe.
func (h *Host) Status(kind Kind, name string) (Status, error) {
	p, err := h.find("status", kind, name)
	if err != nil {
		return Status{}, err
	}
	s := h.status(p)
	s.Capabilities = h.capabilities(p)
	for _, function := range p.record.Functions {
		if own := h.figures.lookup(function); own != nil {
			s.Figures = append(s.Figures, own.figures())
		}
	}
	return s, nil
}

// capabilities reads the manifest of a plugin that is not loaded.
func (h *Host) capabilities(p *plugin) *CapabilityReport {
	p.mu.Lock()
	a := p.active
	p.mu.Unlock()
	if a != nil {
		return &a.report
	}
	i := p.record.id()
	m, err := readManifest(h.layout.files(i, p.record.folder()), i.name)
	if err != nil {
		return nil // loading it says why
	}
	report := CapabilityReport{Asked: m.Capabilities}
	if report.Granted, report.Denied, err = h.config.Policy.grant(m.Capabilities, h.layout.state(i, p.record.Data), false); err != nil {
		return nil
	}
	return &report
}

// Logs returns the lines that an installed plugin logged last, the newest last:
// see PluginLog. The errors are those of Describe.
func (h *Host) Logs(kind Kind, name string) (Lines, error) {
	p, err := h.find("logs", kind, name)
	if err != nil {
		return Lines{}, err
	}
	return p.lasting.log.lines(), nil
}

// Statuses returns the status of every installed plugin, without the figures of
// its functions (Figures has them) and its capabilities, sorted by kind and name.
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
	s.Fuel = p.lasting.fuel.Load()
	live := slices.Collect(maps.Keys(p.live))
	p.mu.Unlock()
	for _, other := range live {
		s.Fuel += other.module.Status().Fuel
	}
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
