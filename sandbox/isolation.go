package sandbox

import (
	"slices"
	"strconv"

	"github.com/tetratelabs/wazero/api"

	"berth/host"
	"berth/sandbox/meter"
)

// What callers of one plugin share, by the names in manifests.
const (
	isolationKeep     = "keep"     // an instance keeps its state between calls
	isolationFresh    = "fresh"    // its memory and globals are put back after each call
	isolationInstance = "instance" // each call has an instance of its own
)

// isolation is the one that the manifest asks for, unless it cannot be had.
func isolation(p *host.Package, c *compiled, a abi) (string, error) {
	switch asked := p.Manifest.Wasm.Isolation; {
	case a.once():
		return isolationInstance, nil
	case asked == "":
		return isolationKeep, nil
	case asked != isolationFresh:
		return asked, nil
	}
	why := c.build.resettable()
	if len(p.Grants.Paths) > 0 {
		why = "it may open files"
	}
	if !c.metered() {
		why = "it cannot be rewritten: " + c.build.unmetered
	}
	if why != "" {
		return "", host.Fail(host.CodeInvalid, "\"wasm.isolation\" is \"fresh\", but the state of its instances is more than memory and globals: %s; use \"instance\"", why)
	}
	return isolationFresh, nil
}

// disposable tells whether an instance is good for one call only.
func (m *module) disposable() bool { return m.isolation == isolationInstance }

// takeSnapshot keeps the state of an initialised instance.
func (m *module) takeSnapshot(s *slot) error {
	if m.isolation != isolationFresh {
		return nil
	}
	var memories []api.Memory
	for i, instance := range s.instances() {
		var globals []api.MutableGlobal
		for _, index := range m.compiled.build.parts[i].info.Globals {
			globals = append(globals, instance.ExportedGlobal(meter.Global+strconv.FormatUint(uint64(index), 10)).(api.MutableGlobal))
		}
		memory := instance.ExportedMemory(meter.Memory)
		if slices.Contains(memories, memory) {
			memory = nil // of an instance before it
		}
		memories = append(memories, memory)
		taken, err := m.allocator.Take(memory, globals)
		if err != nil {
			return host.Fail(host.CodeInvalid, "\"wasm.isolation\" is \"fresh\", but the state of an instance cannot be kept: %w; use \"instance\"", err)
		}
		s.snapshots = append(s.snapshots, taken)
	}
	s.fake.save()
	return nil
}

// renew makes the slot fit for the next call. It returns false if it cannot be.
func (m *module) renew(s *slot) bool {
	if s.gone {
		return false
	}
	switch m.isolation {
	case isolationInstance:
		return false
	case isolationFresh:
		s.guest.wipe()
		s.stdio.err.reset()
		s.fake.reset()
		for _, taken := range s.snapshots {
			if !taken.Restore() {
				return false
			}
		}
		s.spent = false
	}
	return !s.spent
}
