package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/host"
)

const (
	// queueTime is how long a call waits for a free instance when calls have
	// no timeout of their own.
	queueTime = 5 * time.Second
	// initTime bounds making an instance: a start function or _initialize that
	// loops. Toolchains' own initialisation takes milliseconds.
	initTime = 10 * time.Second
	// idleTime is how often instances that were not needed are closed.
	idleTime = 30 * time.Second
	// moduleOverhead and instanceOverhead are what the host holds for a module
	// and an instance beside code and memory, in bytes (BenchmarkFootprint).
	moduleOverhead   = 32 << 10
	instanceOverhead = 24 << 10
	// stackWords is the stack of a slot: enough for both ABIs as a rule.
	stackWords = 8
)

// module is a compiled build and its slots.
type module struct {
	compiled *compiled
	abi      abi
	pkg      *host.Package
	exports  []string // callable, sorted
	index    map[string]int
	pool     *pool
	initTime time.Duration // for making an instance

	life context.Context // of making instances; ends with Close
	end  context.CancelFunc
}

var _ host.Module = (*module)(nil)

func newModule(ctx context.Context, p *host.Package, c *compiled) (*module, error) {
	abi, err := detect(p, c.module)
	if err != nil {
		return nil, err
	}
	m := &module{compiled: c, abi: abi, pkg: p, index: map[string]int{}, initTime: initTime}
	m.life, m.end = context.WithCancel(context.Background())
	m.exports = callable(abi, c.module.ExportedFunctions())
	for i, name := range m.exports {
		m.index[name] = i
	}
	wait := p.Limits.Timeout
	if wait == 0 {
		wait = queueTime
	}
	m.pool = newPool(p.Limits.Instances, wait, idleTime, m.instantiate)
	first, err := m.pool.get(ctx)
	if err != nil {
		m.end()
		return nil, err
	}
	m.pool.put(first)
	return m, nil
}

// instantiate makes a slot: an instance, initialised.
func (m *module) instantiate(ctx context.Context) (*slot, error) {
	s := &slot{functions: make([]api.Function, len(m.exports)), stack: make([]uint64, stackWords), output: &output{}}
	if !m.compiled.deadlines {
		if err := m.initialise(ctx, s); err != nil {
			return nil, err
		}
		return s, nil
	}
	init := newDeadline(m.initTime)
	s.deadline = init // failure asks it for the cause
	stop := init.begin(ctx)
	closing := context.AfterFunc(m.life, func() { init.fire(errClosed) })
	err := m.initialise(init, s)
	intact := init.end(stop)
	intact = closing() && intact
	if err != nil {
		return nil, err
	} else if !intact { // wazero may be about to close the instance
		s.close()
		<-init.Done()
		return nil, m.initFailure(init.cause())
	}
	s.deadline = newDeadline(m.pkg.Limits.Timeout)
	return s, nil
}

// initialise makes the slot's instance. On an error nothing is left of it.
func (m *module) initialise(ctx context.Context, s *slot) error {
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions().WithStdout(s.output).WithStderr(s.output)
	instance, err := m.compiled.runtime.InstantiateModule(ctx, m.compiled.module, config)
	if err != nil {
		return m.linkFailure(s, err)
	}
	s.instance, s.memory = instance, memoryOf(instance)
	if initialize := instance.ExportedFunction("_initialize"); initialize != nil {
		if _, err := initialize.Call(ctx); err != nil {
			s.close()
			return m.initFailure(s.failure(err))
		}
	}
	if m.abi.name() == abiBerth {
		s.memory, s.alloc = instance.ExportedMemory("memory"), instance.ExportedFunction("alloc")
	}
	s.measure()
	return nil
}

// linkFailure says why wazero made no instance. What it cannot link is the
// build's fault.
func (m *module) linkFailure(s *slot, err error) error {
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

// Functions implements host.Module.
func (m *module) Functions() []string { return m.exports }

// Function implements host.Module.
func (m *module) Function(name string) (host.Function, error) {
	i, ok := m.index[name]
	if ok {
		return &function{module: m, name: name, index: i, encoding: m.pkg.Encoding(name, m.abi.encoding())}, nil
	}
	if f := m.compiled.module.ExportedFunctions()[name]; f != nil {
		_, want := m.abi.callable(name, f)
		return nil, host.Fail(host.CodeInvalid, "%s exports it as %s: the %s ABI needs %s", m.pkg.Wasm(), signature(f), m.abi.name(), want)
	}
	return nil, host.Fail(host.CodeInvalid, "%s does not export it; its functions are: %s", m.pkg.Wasm(), list(m.exports))
}

func list(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Status implements host.Module.
func (m *module) Status() host.ModuleStatus {
	live, busy, bytes := m.pool.usage()
	bytes += m.compiled.code + moduleOverhead + int64(live)*instanceOverhead
	return host.ModuleStatus{Form: m.compiled.form(m.abi.name()), Instances: live, Busy: busy, Memory: bytes}
}

// Close implements host.Module. When a guest that cannot be interrupted still
// runs at the end of ctx, what it needs is freed when it returns.
func (m *module) Close(ctx context.Context) error {
	m.end()
	if err := m.pool.close(ctx); err != nil {
		m.pool.whenEmpty(func() { _ = m.compiled.close(context.Background()) })
		return errors.Join(err, ctx.Err())
	}
	return m.compiled.close(context.WithoutCancel(ctx))
}

// function is one export.
type function struct {
	module   *module
	name     string
	index    int
	encoding host.Encoding
}

// Encoding implements host.Function.
func (f *function) Encoding() host.Encoding { return f.encoding }

// Call implements host.Function.
func (f *function) Call(ctx context.Context, dst, in []byte) ([]byte, error) {
	m := f.module
	s, err := m.pool.get(ctx)
	if err != nil {
		return dst, err
	}
	s.output.reset()
	run := ctx
	var stop func() bool
	if s.deadline != nil {
		stop = s.deadline.begin(ctx)
		run = s.deadline
	}
	returned := false
	defer func() {
		if !returned { // a panic of ours, which somebody above may recover
			m.pool.drop(s)
		}
	}()
	out, err := m.abi.call(run, s, s.function(f.index, f.name), &m.pkg.Limits, dst, in)
	returned = true
	intact := s.deadline == nil || s.deadline.end(stop)
	if err != nil {
		var b broken
		if errors.As(err, &b) {
			intact, err = false, b.error
		}
	}
	if !intact {
		m.pool.drop(s)
		return out, err
	}
	s.measure()
	m.pool.put(s)
	return out, err
}
