package server

import (
	"maps"
	"net/netip"
	"slices"

	"berth/host"
)

// capabilityState is what a plugin asks for and what came of it. Of the
// environment and the configuration it shows the names only: what they are set
// to may be secret.
type capabilityState struct {
	Asked   askedState    `json:"asked"`
	Granted grantedState  `json:"granted"`
	Denied  []host.Denial `json:"denied"`
}

type askedState struct {
	Hosts  []string          `json:"hosts,omitempty"`
	Paths  map[string]string `json:"paths,omitempty"`
	Env    []string          `json:"env,omitempty"`
	Config []string          `json:"config,omitempty"`
	Clock  bool              `json:"clock,omitempty"`
	Random bool              `json:"random,omitempty"`
}

type grantedState struct {
	Hosts     []string       `json:"hosts,omitempty"`
	Addresses []netip.Prefix `json:"addresses,omitempty"`
	Paths     []pathState    `json:"paths,omitempty"`
	Env       []string       `json:"env,omitempty"`
	Config    []string       `json:"config,omitempty"`
	Clock     bool           `json:"clock,omitempty"`
	Random    bool           `json:"random,omitempty"`
}

type pathState struct {
	Host     string `json:"host"`
	Guest    string `json:"guest"`
	ReadOnly bool   `json:"readOnly"`
}

// capabilityStateOf returns nil for a plugin that asks for nothing.
func capabilityStateOf(report *host.CapabilityReport) *capabilityState {
	if report == nil || len(report.Asked.Asked()) == 0 {
		return nil
	}
	asked, granted := report.Asked, report.Granted
	state := &capabilityState{
		Asked: askedState{Hosts: asked.Hosts, Paths: asked.Paths, Env: keys(asked.Env), Config: keys(asked.Config), Clock: asked.Clock, Random: asked.Random},
		Granted: grantedState{Hosts: granted.Hosts, Addresses: granted.Addresses, Env: keys(granted.Env), Config: keys(granted.Config),
			Clock: granted.Clock, Random: granted.Random},
		Denied: list(report.Denied),
	}
	for _, p := range granted.Paths {
		state.Granted.Paths = append(state.Granted.Paths, pathState{p.Host, p.Guest, p.ReadOnly})
	}
	return state
}

func keys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
