package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"berth/host"
	"berth/sandbox/egress"
	"berth/sandbox/extism"
	"berth/sandbox/meter"
	"berth/sandbox/snapshot"
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
	// stackWords is the stack of a slot: enough for all ABIs as a rule.
	stackWords = 8
)

// module is a compiled build and its slots.
type module struct {
	compiled  *compiled
	abi       abi
	pkg       *host.Package
	isolation string
	admission *admission
	world     *world
	vars      *extism.Vars // of the Extism ABI, unless each instance has its own
	http      *egress.Client
	functions []string       // sorted
	index     map[string]int // of a function: of its export in a slot
	exports   []string
	allocator *snapshot.Allocator // of linear memory that is reset; nil unless isolation is fresh
	pool      *pool
	initTime  time.Duration // for making an instance

	life context.Context // of making instances; ends with Close
	end  context.CancelFunc
}

var _ host.Module = (*module)(nil)

func newModule(ctx context.Context, p *host.Package, c *compiled, a *admission) (*module, error) {
	abi, err := detect(p, c)
	if err != nil {
		return nil, err
	}
	m := &module{compiled: c, abi: abi, pkg: p, admission: a, index: map[string]int{}, initTime: initTime}
	if err := checkImports(p, c, abi); err != nil {
		return nil, err
	}
	if m.isolation, err = isolation(p, c, abi); err != nil {
		return nil, err
	}
	if err := c.provide(ctx, abi, m.isolation); err != nil {
		return nil, err
	}
	m.name()
	if err := m.open(); err != nil {
		return nil, err
	}
	m.life, m.end = context.WithCancel(context.Background())
	wait := p.Limits.Timeout
	if wait == 0 {
		wait = queueTime
	}
	m.pool = newPool(p.Limits.Instances, wait, idleTime, m.instantiate)
	if m.disposable() {
		m.pool.keepReady(runtime.GOMAXPROCS(0))
	}
	first, err := m.pool.get(ctx)
	if err != nil {
		m.end()
		return nil, errors.Join(err, m.closeWorld())
	}
	m.pool.put(first)
	return m, nil
}

// name finds the plugin's functions.
func (m *module) name() {
	exports := map[string]int{}
	for function, export := range m.abi.functions(m.pkg, m.compiled.main().ExportedFunctions()) {
		i, ok := exports[export]
		if !ok {
			i = len(m.exports)
			exports[export] = i
			m.exports = append(m.exports, export)
		}
		m.index[function] = i
	}
	m.functions = slices.Sorted(maps.Keys(m.index))
}

// open opens what instances share.
func (m *module) open() (err error) {
	if m.world, err = newWorld(m.pkg); err != nil {
		return err
	}
	if grants := &m.pkg.Grants; len(grants.Hosts) > 0 {
		if m.http, err = egress.New(egress.Policy{Hosts: grants.Hosts, Addresses: grants.Addresses}); err != nil {
			return errors.Join(host.Fail(host.CodeInvalid, "\"capabilities.hosts\": %w", err), m.world.close())
		}
	}
	if m.isolation == isolationFresh {
		m.allocator = snapshot.NewAllocator()
	}
	m.vars = extism.NewVars(m.pkg.MaxVars())
	return nil
}

func (m *module) closeWorld() error {
	if m.allocator != nil {
		m.allocator.Close()
	}
	if m.http != nil {
		m.http.Close()
	}
	return m.world.close()
}

// instantiate makes a slot: an instance, initialised.
func (m *module) instantiate(ctx context.Context) (_ *slot, err error) {
	watched := !m.compiled.metered()
	s := &slot{functions: make([]api.Function, len(m.exports)), stack: make([]uint64, stackWords), run: newRun(m.initTime, m.admission, watched)}
	s.stdio = m.stdio(s.run)
	if err := s.run.begin(ctx, ""); err != nil {
		return nil, err
	}
	defer func() {
		if fault := recover(); fault != nil { // of wazero, or ours
			s.run.end()
			s.close()
			err = host.Fail(host.CodeInvalid, "%s could not be instantiated: %v", m.pkg.Wasm(), fault)
		}
	}()
	closing := context.AfterFunc(m.life, func() { s.run.interrupt(errClosed) })
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
		if fuel, ok := instance.ExportedGlobal(meter.Fuel).(api.MutableGlobal); ok {
			s.run.count(fuel)
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

// Functions implements host.Module.
func (m *module) Functions() []string { return m.functions }

// Function implements host.Module.
func (m *module) Function(name string) (host.Function, error) {
	i, ok := m.index[name]
	if ok {
		return &function{module: m, name: name, export: m.exports[i], index: i, encoding: m.pkg.Encoding(name, m.abi.encoding())}, nil
	}
	if f := m.compiled.main().ExportedFunctions()[name]; f != nil {
		_, want := m.abi.callable(name, f)
		return nil, host.Fail(host.CodeInvalid, "%s exports it as %s: the %s ABI needs %s", m.pkg.Wasm(), signature(f), m.abi.name(), want)
	}
	return nil, host.Fail(host.CodeInvalid, "%s does not export it; its functions are: %s", m.pkg.Wasm(), list(m.functions))
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
	u := m.pool.usage()
	u.bytes += m.compiled.code + moduleOverhead + int64(u.live)*instanceOverhead
	status := host.ModuleStatus{
		Form:         m.compiled.form(m.abi.name()),
		Instances:    u.live,
		Busy:         u.busy,
		Memory:       u.bytes,
		Interruption: "metered",
		Isolation:    m.isolation,
		Fuel:         uint64(u.fuel),
	}
	if why := m.compiled.build.unmetered; why != "" {
		status.Interruption = "close-on-context-done: " + why
	}
	return status
}

// Close implements host.Module. When a guest that cannot be interrupted still
// runs at the end of ctx, what it needs is freed when it returns.
func (m *module) Close(ctx context.Context) error {
	m.end()
	free := func(ctx context.Context) error { return errors.Join(m.compiled.close(ctx), m.closeWorld()) }
	if err := m.pool.close(ctx); err != nil {
		m.pool.whenEmpty(func() { _ = free(context.Background()) })
		return errors.Join(err, ctx.Err())
	}
	return free(context.WithoutCancel(ctx))
}

// function is one export.
type function struct {
	module   *module
	name     string
	export   string
	index    int
	encoding host.Encoding
}

// Encoding implements host.Function.
func (f *function) Encoding() host.Encoding { return f.encoding }

// Call implements host.Function.
func (f *function) Call(ctx context.Context, dst, in []byte) ([]byte, error) {
	m := f.module
	if err := m.admission.enter(ctx); err != nil {
		return dst, err
	}
	s, err := m.pool.get(ctx)
	if err != nil {
		return dst, err
	}
	returned := false
	defer func() {
		if !returned { // a panic of ours, which somebody above may recover
			s.run.end()
			m.pool.drop(s)
		}
	}()
	s.stdio.err.reset()
	out := dst
	if err = s.run.begin(ctx, f.name); err == nil {
		out, err = s.guest.call(s.function(f.index, f.export), dst, in)
	}
	intact := s.run.end()
	returned = true
	s.stdio.err.flush()
	if err != nil {
		var b broken
		if errors.As(err, &b) {
			intact, err = false, b.error
		}
	}
	if intact && m.renew(s) {
		s.measure()
		m.pool.put(s)
	} else {
		m.pool.drop(s)
	}
	return out, err
}
