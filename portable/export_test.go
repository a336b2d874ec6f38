package portable

import "berth/host/elfinfo"

// NewFor returns an engine for programs for another machine.
func NewFor(system, arch string) *Engine {
	return &Engine{target: elfinfo.Target{OS: system, Arch: arch}}
}
