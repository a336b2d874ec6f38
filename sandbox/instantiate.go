package sandbox

import (
	"context"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"berth/host"
	"berth/sandbox/meter"
)

// instantiate makes a slot: an instance, initialised.
func (m *module) instantiate(ctx context.Context) (_ *slot, err error) {
	watched := !m.compiled.metered()
	s := &slot{functions: make([]api.Function, len(m.exports)), stack: make([]uint64, stackWords), run: newRun(m.initTime, m.admission, watched)}
	s.stdio = m.stdio(s.run)
	if err := s.run.begin(ctx, ""); err != nil {
		s.run.end()
		return nil, err
	}
	closing := context.AfterFunc(m.life, func() { s.run.interrupt(errClosed) })
	defer func() {
		if fault := recover(); fault != nil { // of wazero, or ours
			closing()
			s.run.end()
			s.close()
			err = host.Fail(host.CodeInvalid, "%s could not be instantiated: %v", m.pkg.Wasm(), fault)
		}
	}()
	err = m.initialise(s)
	unclosed := closing()
	if intact := s.run.end(); err == nil && !(intact && unclosed) {
		if err = s.run.cause(); err == nil {
			err = errClosed
		}
	}
	if err == nil {
		err = m.takeSnapshot(s)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.run.renew(m.pkg.Limits.Timeout, m.pkg.Limits.Fuel)
	s.measure()
	return s, nil
}

// initialise makes the slot's instances and initialises them. What it made is in
// the slot, also on an error.
func (m *module) initialise(s *slot) error {
	s.guest = m.abi.attach(m, s)
	config := m.world.config(s, m.args())
	s.memories = m.memories()
	for i, compiled := range m.compiled.modules {
		instance, err := m.compiled.runtime.InstantiateModule(m.linking(s), compiled, config)
		if err != nil {
			return m.linkFailure(s, err)
		}
		if i < len(m.compiled.modules)-1 {
			s.linked = append(s.linked, instance)
		} else {
			s.instance = instance
		}
		if m.compiled.metered() {
			s.run.count(instance.ExportedGlobal(meter.Fuel).(api.MutableGlobal))
		}
	}
	s.memory = memoryOf(s.instance)
	if err := s.guest.begin(); err != nil {
		return m.initFailure(s.failure(err))
	}
	return nil
}

// memories makes the linear memories of a slot; nil leaves it to wazero, which
// bounds one.
func (m *module) memories() *memories {
	switch {
	case m.allocator != nil:
		return &memories{make: m.allocator, left: int64(m.pkg.Limits.Memory)}
	case len(m.compiled.modules) > 1:
		return &memories{make: heap{}, left: int64(m.pkg.Limits.Memory)}
	}
	return nil
}

// linking is the context of making an instance, which may import from those
// before it in the slot.
func (m *module) linking(s *slot) context.Context {
	ctx := context.Context(s.run)
	if s.memories != nil {
		ctx = experimental.WithMemoryAllocator(ctx, s.memories)
	}
	if len(s.linked) == 0 {
		return ctx
	}
	return experimental.WithImportResolver(ctx, func(name string) api.Module {
		for i, linked := range s.linked {
			if m.compiled.build.parts[i].name == name {
				return linked
			}
		}
		return nil
	})
}

// linkFailure says why wazero made no instance. What it cannot link is the
// build's fault.
func (m *module) linkFailure(s *slot, err error) error {
	if why := s.run.cause(); why != nil {
		return m.initFailure(why)
	}
	if slices.ContainsFunc([]string{"not exported in module", "not instantiated", "signature mismatch"}, func(text string) bool { return strings.Contains(err.Error(), text) }) {
		return host.Fail(host.CodeInvalid, "%s imports what this host does not give: %w", m.pkg.Wasm(), err)
	}
	return m.initFailure(s.failure(err))
}

// initFailure says that an instance could not be initialised.
func (m *module) initFailure(failure error) error {
	code := host.CodeOf(failure)
	if code == host.CodeTrap {
		code = host.CodeInvalid
	}
	return host.Fail(code, "%s could not be initialised: %s", m.pkg.Wasm(), host.Cause(failure))
}

// args are the arguments of a program: its name and what the manifest says.
func (m *module) args() []string {
	return append([]string{m.pkg.Name}, m.pkg.Manifest.Wasm.Args...)
}

// stdio makes what a slot's guest reads and writes.
func (m *module) stdio(r *run) *stdio {
	io := &stdio{err: output{run: r}}
	if m.pkg.Log != nil {
		io.err.log = m.pkg.Log.Line
	}
	if _, ok := m.abi.(commandABI); ok {
		io.out = &answer{run: r, limit: m.pkg.Limits.Output}
	}
	return io
}
