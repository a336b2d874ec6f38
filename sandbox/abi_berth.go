package sandbox

import (
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/host"
)

// berthABI passes bytes through the guest's memory: see the package comment.
type berthABI struct{ bare }

var (
	berthParams  = []api.ValueType{api.ValueTypeI32, api.ValueTypeI32}
	berthResults = []api.ValueType{api.ValueTypeI64}
	allocParams  = []api.ValueType{api.ValueTypeI32}
	allocResults = []api.ValueType{api.ValueTypeI32}
)

const (
	// berthFailed is the bit of a result's length that marks an error.
	berthFailed = 1 << 31
	// maxErrorText bounds the text of a guest's error, in bytes.
	maxErrorText = 4 << 10
)

func (berthABI) name() string            { return abiBerth }
func (berthABI) encoding() host.Encoding { return host.EncodingRaw }

func (berthABI) callable(name string, f api.FunctionDefinition) (bool, string) {
	ok := name != "alloc" && slices.Equal(f.ParamTypes(), berthParams) && slices.Equal(f.ResultTypes(), berthResults)
	return ok, "(i32, i32) -> (i64)"
}

// berthFault says why a module does not have the ABI; empty if it does.
func berthFault(m wazero.CompiledModule) string {
	exports := m.ExportedFunctions()
	alloc := exports["alloc"]
	switch {
	case m.ExportedMemories()["memory"] == nil:
		return "it exports no memory named \"memory\""
	case alloc == nil:
		return "it exports no function \"alloc\""
	case !slices.Equal(alloc.ParamTypes(), allocParams) || !slices.Equal(alloc.ResultTypes(), allocResults):
		return "\"alloc\" is " + signature(alloc) + ", not (i32) -> (i32)"
	case len(callable(berthABI{}, exports)) == 0:
		return "it exports no function of type (i32, i32) -> (i64)"
	}
	return ""
}

func (a berthABI) functions(_ *host.Package, exports map[string]api.FunctionDefinition) map[string]string {
	return byName(callable(a, exports))
}

func (berthABI) attach(m *module, s *slot) guest {
	return &berthGuest{reactor: reactor{s}, limits: &m.pkg.Limits}
}

type berthGuest struct {
	reactor
	alloc  api.Function
	limits *host.Limits
}

func (g *berthGuest) begin() error {
	g.slot.memory, g.alloc = g.slot.instance.ExportedMemory("memory"), g.slot.instance.ExportedFunction("alloc")
	return g.reactor.begin()
}

func (g *berthGuest) call(fn api.Function, dst, in []byte) ([]byte, error) {
	s := g.slot
	s.stack[0] = uint64(len(in))
	if err := g.alloc.CallWithStack(s.run, s.stack); err != nil {
		return dst, broken{s.failure(err)}
	}
	ptr := uint32(s.stack[0])
	if len(in) > 0 {
		if ptr == 0 {
			return dst, host.Fail(host.CodeTooLarge, "the guest has no room for an input of %d bytes within its memory limit of %s", len(in), g.limits.Memory)
		}
		if !s.memory.Write(ptr, in) {
			return dst, broken{host.Fail(host.CodeTrap, "the guest broke the berth ABI: alloc(%d) returned %d, and that lies outside its memory of %d bytes", len(in), ptr, s.memory.Size())}
		}
	}
	s.stack[0], s.stack[1] = uint64(ptr), uint64(len(in))
	if err := fn.CallWithStack(s.run, s.stack); err != nil {
		return dst, broken{s.failure(err)}
	}
	view, failed, err := berthResult(s.memory, s.stack[0], g.limits.Output)
	switch {
	case err != nil:
		return dst, broken{err}
	case failed:
		return dst, rejected(view)
	}
	return append(dst, view...), nil
}

// rejected is the error with which a guest itself answered.
func rejected(text []byte) error {
	if len(text) == 0 {
		return host.Fail(host.CodeRejected, "the function answered with an error that says nothing")
	}
	return host.Fail(host.CodeRejected, "%s", strings.ToValidUTF8(string(text[:min(len(text), maxErrorText)]), "\uFFFD"))
}

// berthResult finds the bytes that a packed result stands for: a view of the
// guest's memory, valid until the guest runs again.
func berthResult(memory api.Memory, packed uint64, limit host.Bytes) (view []byte, failed bool, err error) {
	ptr, length := uint32(packed>>32), uint32(packed)
	failed = length&berthFailed != 0
	length &^= berthFailed
	if !failed && int64(length) > int64(limit) {
		return nil, failed, host.Fail(host.CodeTrap, "the guest returned %d bytes: at most %s are allowed by \"limits.output\"", length, limit)
	}
	if length == 0 { // an empty result may point anywhere
		return nil, failed, nil
	}
	view, ok := memory.Read(ptr, length)
	if !ok {
		return nil, failed, host.Fail(host.CodeTrap, "the guest broke the berth ABI: it returned %d bytes at %d, and they lie outside its memory of %d bytes", length, ptr, memory.Size())
	}
	return view, failed, nil
}
