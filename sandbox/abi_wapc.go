package sandbox

import (
	"context"
	"log/slog"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/host"
)

// wapcABI calls guests of waPC (https://wapc.io/docs/spec/): one export,
// __guest_call, takes the name of an operation and a request. The operations are
// the functions that the manifest or the request names; without a list there is
// one, of the plugin's name. Calls of the guest to its host are answered with an
// error: this host offers no operations.
type wapcABI struct{ bare }

const (
	wapcModule = "wapc"
	wapcCall   = "__guest_call"
)

func (wapcABI) name() string            { return abiWapc }
func (wapcABI) encoding() host.Encoding { return host.EncodingRaw }

func (wapcABI) gives(module, name string) bool {
	if module != wapcModule {
		return false
	}
	for _, f := range wapcFunctions() {
		if f.name == name {
			return true
		}
	}
	return false
}

func (wapcABI) advice() string {
	return "build it without them (" + wapcModule + " and " + wasiModule + " are given)"
}

func (wapcABI) callable(string, api.FunctionDefinition) (bool, string) {
	return false, "operations of " + wapcCall + ", which the manifest's \"functions\" names"
}

func (wapcABI) functions(p *host.Package, _ map[string]api.FunctionDefinition) map[string]string {
	operations := map[string]string{}
	for _, name := range p.Manifest.Functions {
		operations[name] = wapcCall
	}
	if len(operations) == 0 {
		operations[p.Name] = wapcCall
	}
	return operations
}

// wapcFault says why a module does not have the ABI; empty if it does.
func wapcFault(m wazero.CompiledModule) string {
	call := m.ExportedFunctions()[wapcCall]
	switch {
	case call == nil || signature(call) != "(i32, i32) -> (i32)":
		return "it exports no function " + wapcCall + " of type (i32, i32) -> (i32)"
	case len(m.ExportedMemories()) == 0:
		return "it exports no memory"
	}
	return ""
}

func (wapcABI) attach(m *module, s *slot) guest {
	g := &wapcGuest{slot: s, limits: &m.pkg.Limits}
	if m.pkg.Log != nil {
		g.log = m.pkg.Log.Line
	}
	s.run.wapc = g
	return g
}

// wapcGuest is an instance, and what passes between it and the host during one
// call.
type wapcGuest struct {
	slot    *slot
	limits  *host.Limits
	log     func(slog.Level, string)
	request []byte
	result  []byte // what the guest answered
	failure []byte // what it said went wrong
	refusal string // what the host said to the guest's last call
	excess  bool
}

func (g *wapcGuest) begin() error {
	for _, instance := range g.slot.instances() {
		for _, name := range []string{"_start", "_initialize", "wapc_init"} {
			if err := g.slot.callIfThere(instance, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *wapcGuest) call(fn api.Function, dst, in []byte) ([]byte, error) {
	s := g.slot
	g.wipe()
	g.request = in
	s.stack[0], s.stack[1] = uint64(len(s.run.function)), uint64(len(in))
	err := fn.CallWithStack(s.run, s.stack)
	g.request = nil
	switch {
	case err != nil:
		return dst, broken{s.failure(err)}
	case g.excess:
		return dst, broken{host.Fail(host.CodeTrap, "the guest returned more than the %s that are allowed by \"limits.output\"", g.limits.Output)}
	case uint32(s.stack[0]) != 1:
		return dst, rejected(g.failure)
	}
	return append(dst, g.result...), nil
}

func (g *wapcGuest) wipe() {
	g.result, g.failure, g.refusal, g.excess = g.result[:0], g.failure[:0], "", false
}

func (g *wapcGuest) held() int64 { return int64(cap(g.result) + cap(g.failure)) }

// memory is the guest's. While the instance is made there is none yet.
func (g *wapcGuest) memory() api.Memory {
	if g.slot.memory == nil {
		panic(host.Fail(host.CodeTrap, "the guest broke the wapc ABI: it called the host before it was there"))
	}
	return g.slot.memory
}

// read copies bytes out of the guest's memory. Where they do not lie in it, the
// guest is ended.
func (g *wapcGuest) read(dst []byte, ptr, length uint64, limit int) []byte {
	g.slot.run.spend(min(int(uint32(length)), limit))
	view, ok := g.memory().Read(uint32(ptr), uint32(length))
	if !ok {
		panic(host.Fail(host.CodeTrap, "the guest broke the wapc ABI: %d bytes at %d lie outside its memory of %d bytes", uint32(length), uint32(ptr), g.slot.memory.Size()))
	}
	return append(dst[:0], view[:min(len(view), limit)]...)
}

// write copies bytes into the guest's memory.
func (g *wapcGuest) write(ptr uint64, bytes string) {
	g.slot.run.spend(len(bytes))
	if !g.memory().WriteString(uint32(ptr), bytes) {
		panic(host.Fail(host.CodeTrap, "the guest broke the wapc ABI: %d bytes at %d do not fit its memory of %d bytes", len(bytes), uint32(ptr), g.slot.memory.Size()))
	}
}

// wapcFunction is a host function of the module "wapc".
type wapcFunction struct {
	name            string
	params, results int // all i32
	call            func(g *wapcGuest, stack []uint64)
}

func wapcFunctions() []wapcFunction {
	return []wapcFunction{
		{"__guest_request", 2, 0, func(g *wapcGuest, stack []uint64) {
			g.write(stack[0], g.slot.run.function)
			g.slot.run.spend(len(g.request))
			if !g.memory().Write(uint32(stack[1]), g.request) {
				g.write(stack[1], string(g.request)) // says what is wrong
			}
		}},
		{"__guest_response", 2, 0, func(g *wapcGuest, stack []uint64) {
			g.excess = uint64(uint32(stack[1])) > uint64(g.limits.Output)
			g.result = g.read(g.result, stack[0], stack[1], int(g.limits.Output))
		}},
		{"__guest_error", 2, 0, func(g *wapcGuest, stack []uint64) {
			g.failure = g.read(g.failure, stack[0], stack[1], maxErrorText)
		}},
		{"__host_call", 8, 1, func(g *wapcGuest, stack []uint64) {
			var names [3]string // binding, namespace, operation
			for i := range names {
				names[i] = strings.ToValidUTF8(string(g.read(nil, stack[2*i], stack[2*i+1], 200)), "\uFFFD")
			}
			g.refusal = "this host offers no operation " + strings.Join(names[:], "/")
			stack[0] = 0
		}},
		{"__host_response_len", 0, 1, func(_ *wapcGuest, stack []uint64) { stack[0] = 0 }},
		{"__host_response", 1, 0, func(*wapcGuest, []uint64) {}},
		{"__host_error_len", 0, 1, func(g *wapcGuest, stack []uint64) { stack[0] = uint64(len(g.refusal)) }},
		{"__host_error", 1, 0, func(g *wapcGuest, stack []uint64) { g.write(stack[0], g.refusal) }},
		{"__console_log", 2, 0, func(g *wapcGuest, stack []uint64) {
			text := g.read(nil, stack[0], stack[1], maxLine)
			if g.log != nil {
				g.log(slog.LevelInfo, strings.ToValidUTF8(string(text), "\uFFFD"))
			}
		}},
	}
}

func (wapcABI) provide(ctx context.Context, r wazero.Runtime) error {
	i32s := make([]api.ValueType, 8)
	for i := range i32s {
		i32s[i] = api.ValueTypeI32
	}
	builder := r.NewHostModuleBuilder(wapcModule)
	for _, f := range wapcFunctions() {
		call := func(ctx context.Context, stack []uint64) { f.call(runOf(ctx).wapc, stack) }
		builder.NewFunctionBuilder().WithGoFunction(api.GoFunc(call), i32s[:f.params], i32s[:f.results]).Export(f.name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}
