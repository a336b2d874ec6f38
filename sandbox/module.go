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

	"berth/host"
	"berth/sandbox/egress"
	"berth/sandbox/extism"
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
	u.bytes += m.compiled.held(u.live)
	status := host.ModuleStatus{
		Form:         m.compiled.form(m.abi.name()),
		Instances:    u.live,
		Busy:         u.busy,
		Memory:       u.bytes,
		Interruption: "metered",
		Isolation:    m.isolation,
		Fuel:         uint64(u.fuel),
	}
	if m.compiled.build.catches() {
		status.Notes = append(status.Notes, "it catches exceptions, and is interpreted therefore: wazero's compiler would copy the stack each time")
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
