package extism_test

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/sandbox/extism"
)

func TestAlloc(t *testing.T) {
	g := newGuest(t, "every", extism.Config{ArenaLimit: 1 << 20})
	g.begin("")
	g.want(0, "alloc", 0)
	a, b := g.call("alloc", 5), g.call("alloc", 1)
	if a == 0 || b < a+5+8 {
		t.Fatalf("handles %#x, %#x", a, b)
	}
	for _, n := range []uint64{1 << 20, 1<<20 - 80, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 5, 1 << 62, 1 << 63, math.MaxUint64 - 8, math.MaxUint64} {
		g.want(0, "alloc", n)
	}
	if g.call("alloc", 1<<19) == 0 {
		t.Error("there is no room left after the refusals")
	}
	g.want(5, "length", a)
	g.want(1, "length", b)
}

func TestFreeAndLength(t *testing.T) {
	g := newGuest(t, "every", extism.Config{})
	g.begin("input")
	in := g.call("input_offset")
	a, b := g.call("alloc", 100), g.call("alloc", 7)
	for _, length := range []string{"length", "length_unsafe"} {
		g.want(5, length, in)
		g.want(100, length, a)
		g.want(7, length, b)
		for _, h := range []uint64{0, 1, in - 1, a + 1, a + 99, a - 1, b + 7, 1 << 20, a + 1<<32, a + 1<<63, math.MaxUint64} {
			g.want(0, length, h)
		}
	}
	for _, h := range []uint64{0, 1, a + 1, b - 1, a + 1<<32, math.MaxUint64} { // none of these is a handle
		g.call("free", h)
	}
	g.want(100, "length", a)
	g.call("store_u8", a, 42)
	for range 2 {
		g.call("free", a)
		g.want(0, "length", a)
		g.want(0, "length_unsafe", a)
		g.want(42, "load_u8", a) // dead, but still there
	}
	if c := g.call("alloc", 100); c <= b {
		t.Errorf("a freed block was used again: %#x", c)
	}
	g.want(7, "length", b)

	g.call("free", b)
	g.want(5, "input_length")
	g.call("free", in)
	g.want(0, "input_length")
	g.want(in, "input_offset")
	g.want(0, "input_load_u8", 0)
	g.want('i', "load_u8", in)
}

func TestLoadAndStore(t *testing.T) {
	g := newGuest(t, "every", extism.Config{})
	g.begin("")
	h := g.call("alloc", 16)
	g.call("store_u64", h, 0x1122334455667788)
	g.want(0x88, "load_u8", h)
	g.want(0x11, "load_u8", h+7)
	g.want(0x112233445566, "load_u64", h+2) // not aligned
	g.call("store_u8", h+8, 0xabcdef01)     // the low bits count
	g.want(0x0111223344556677, "load_u64", h+1)
	g.want(1, "load_u64", h+8)

	first := h // the arena's first byte
	end := first + g.call("memory_bytes")
	for _, p := range []uint64{
		0, 1, 8, first - 1, first - 8, end, end + 1, 1 << 32, h + 1<<32, 1<<63 - 1, 1 << 63, h + 1<<63,
		math.MaxUint64 - 7, math.MaxUint64, // and what overflows when eight bytes are added
	} {
		g.call("store_u8", p, 0xff)
		g.call("store_u64", p, math.MaxUint64)
		g.want(0, "load_u8", p)
		g.want(0, "load_u64", p)
	}
	for _, p := range []uint64{first - 4, end - 7, end - 1} { // half in, half out
		g.call("store_u64", p, math.MaxUint64)
		g.want(0, "load_u64", p)
	}
	g.want(0x1122334455667788, "load_u64", h)
	g.want(0, "load_u64", end-8)
	g.call("store_u64", end-8, 5)
	g.want(5, "load_u64", end-8)
	g.call("store_u8", end-1, 6)
	g.want(6, "load_u8", end-1)
}

// The last words of two blocks overlap the space behind them, and nothing else.
func TestTails(t *testing.T) {
	g := newGuest(t, "every", extism.Config{})
	g.begin("hello")
	in := g.call("input_offset")
	g.want(0x6f6c6c6568, "load_u64", in)
	for n := uint64(1); n < 20; n++ {
		a, b := g.call("alloc", n), g.call("alloc", n)
		g.call("store_u64", b, 0x0123456789abcdef)
		g.call("store_u64", a+n-1, math.MaxUint64)
		g.want(math.MaxUint64, "load_u64", a+n-1)
		g.want(0x0123456789abcdef, "load_u64", b)
	}
}

func TestInput(t *testing.T) {
	g := newGuest(t, "every", extism.Config{})
	g.begin("")
	g.want(0, "input_length")
	g.want(0, "input_offset")
	g.want(0, "input_load_u8", 0)
	g.want(0, "input_load_u64", 0)

	g.begin("0123456789")
	in := g.call("input_offset")
	g.want(10, "input_length")
	g.want(10, "length", in)
	g.want('3', "load_u8", in+3)
	g.want('9', "input_load_u8", 9)
	g.want(0x3736353433323130, "input_load_u64", 0)
	g.want(0x3938373635343332, "input_load_u64", 2)
	for _, i := range []uint64{3, 9, 10, 11, 1 << 32, 1 << 63, math.MaxUint64 - 7, math.MaxUint64} {
		g.want(0, "input_load_u64", i)
	}
	for _, i := range []uint64{10, 1 << 32, 1<<32 + 1, 1 << 63, math.MaxUint64, -in} {
		g.want(0, "input_load_u8", i)
	}

	h := g.put("another input")
	g.call("input_set", h+8, 5)
	g.want(5, "input_length")
	g.want('i', "input_load_u8", 0)
	g.want(0, "input_load_u64", 0)                            // three bytes short
	for _, i := range []uint64{math.MaxUint64 - 7, -in, -h} { // before the input there is something, too
		g.want(0, "input_load_u8", i)
		g.want(0, "input_load_u64", i)
	}
	end := in + g.call("memory_bytes")
	for _, s := range [][2]uint64{{0, 0}, {0, 5}, {in - 1, 2}, {end, 0}, {end, 1}, {end - 4, 5}, {h, 1 << 32}, {h, 1 << 63}, {h, math.MaxUint64}, {h, -h}, {math.MaxUint64, 2}} {
		g.call("input_set", s[0], s[1])
		g.want(h+8, "input_offset")
		g.want(5, "input_length")
	}
	g.call("input_set", h+8, 8) // with the zeros behind the block
	g.want(0x7475706e69, "input_load_u64", 0)
	for _, i := range []uint64{1, math.MaxUint64, math.MaxUint64 - 7} {
		g.want(0, "input_load_u64", i)
	}
	g.call("input_set", end-4, 4)
	g.want(4, "input_length")
	g.call("input_set", h, 0)
	g.want(0, "input_length")
}

func TestOutput(t *testing.T) {
	g := newGuest(t, "every", extism.Config{})
	g.begin("some input")
	if g.kernel.Output() != nil {
		t.Error("there is an output before one is set")
	}
	h := g.put("an output")
	end := g.call("input_offset") + g.call("memory_bytes")
	output := func(want string) {
		t.Helper()
		if got := string(g.kernel.Output()); got != want {
			t.Errorf("output %q, want %q", got, want)
		}
	}
	g.call("output_set", h, 9)
	output("an output")
	for _, s := range [][2]uint64{{0, 0}, {0, 9}, {1, 1}, {end, 1}, {end - 8, 9}, {h, 1 << 32}, {h, 1<<32 + 1}, {h, 1 << 63}, {h, math.MaxUint64}, {h, -h}, {h + 1<<32, 1}, {math.MaxUint64, 1}} {
		g.call("output_set", s[0], s[1])
		output("an output")
	}
	g.want(9, "output_length")
	g.want(h, "output_offset")
	g.call("output_set", h+3, 3)
	output("out")
	g.call("store_u8", h+3, 'O') // bytes are read when the function has returned
	output("Out")
	g.call("free", h)
	g.call("alloc", 1<<20) // the arena moves
	output("Out")
	g.call("output_set", h, 0)
	output("")
	g.want(0, "output_length")
	in := g.call("input_offset")
	g.call("output_set", in+5, h+2-in-5) // across two blocks
	if got := string(g.kernel.Output()); !strings.HasPrefix(got, "input") || !strings.HasSuffix(got, "an") {
		t.Errorf("output %q", got)
	}
}

func TestErrorHandle(t *testing.T) {
	g := newGuest(t, "every", extism.Config{})
	g.begin("x")
	g.want(0, "error_get")
	h := g.put("it failed")
	g.call("error_set", h)
	g.want(h, "error_get")
	end := g.call("input_offset") + g.call("memory_bytes")
	for _, p := range []uint64{1, end, 1 << 32, h + 1<<32, math.MaxUint64} {
		g.call("error_set", p)
		g.want(h, "error_get")
	}
	if text, set := g.kernel.Error(); text != "it failed" || !set {
		t.Errorf("%q, %v", text, set)
	}
	g.call("error_set", h+1) // in the arena, and no handle
	g.want(h+1, "error_get")
	if text, set := g.kernel.Error(); text != "" || set {
		t.Errorf("%q, %v", text, set)
	}
	g.call("error_set", 0)
	g.want(0, "error_get")
}

func TestMemoryBytes(t *testing.T) {
	g := newGuest(t, "every", extism.Config{})
	g.begin("x")
	before := g.call("memory_bytes")
	g.call("alloc", 100_000)
	if after := g.call("memory_bytes"); after < before+100_000-4096 || after > 110_000 {
		t.Errorf("%d bytes, then %d", before, after)
	}
	g.begin("x")
	g.want(before, "memory_bytes") // the size of the call before does not show
}

func TestConfigGet(t *testing.T) {
	g := newGuest(t, "every", extism.Config{Config: map[string]string{"unit": "°C", "empty": "", "big": strings.Repeat("x", 10_000)}})
	g.begin("")
	key := g.put("unit")
	h := g.call("config_get", key)
	if got := g.text(h); got != "°C" {
		t.Errorf("value %q", got)
	}
	g.want(0, "length", key) // it was freed
	if got := g.text(g.call("config_get", g.put("big"))); len(got) != 10_000 {
		t.Errorf("value of %d bytes", len(got))
	}
	g.want(0, "config_get", g.put("empty"))
	g.want(0, "config_get", g.put("missing"))
	for _, h := range []uint64{0, key, h + 1, math.MaxUint64} {
		g.want(0, "config_get", h)
	}
}

func TestSignature(t *testing.T) {
	wasm, err := os.ReadFile("testdata/every.wasm")
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntime(t.Context())
	defer r.Close(t.Context())
	module, err := r.CompileModule(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	imports := module.ImportedFunctions()
	if len(imports) != 32 {
		t.Fatalf("the guest imports %d functions", len(imports))
	}
	for _, f := range imports {
		from, name, _ := f.Import()
		params, results, known := extism.Signature(name)
		if from != extism.Module || !known || !slices.Equal(params, f.ParamTypes()) || !slices.Equal(results, f.ResultTypes()) {
			t.Errorf("%s %s: %v -> %v, %v", from, name, params, results, known)
		}
	}
	for _, name := range []string{"", "stream_open", "ALLOC", "extism_alloc", "extism_context"} {
		if extism.Known(name) {
			t.Errorf("%q is known", name)
		}
	}
	if !extism.Known("http_request") {
		t.Error("http_request is unknown")
	}
}

func TestUnknownImportIsRefused(t *testing.T) {
	wasm, err := os.ReadFile("testdata/unknown.wasm")
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntime(t.Context())
	defer r.Close(t.Context())
	closer, err := extism.Instantiate(t.Context(), r, find, wait)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Instantiate(t.Context(), wasm); err == nil || !strings.Contains(err.Error(), "stream_open") {
		t.Errorf("error %v", err)
	}
	if _, err := extism.Instantiate(t.Context(), r, find, wait); err == nil {
		t.Error("the module is there twice")
	}
	if err := closer.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// The interpreter calls host functions in its own way.
func TestInterpreter(t *testing.T) {
	wasm, err := os.ReadFile("testdata/plugin.wasm")
	if err != nil {
		t.Fatal(err)
	}
	k := extism.NewKernel(extism.Config{})
	ctx := &callContext{Context: t.Context(), kernel: k}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	if _, err := extism.Instantiate(ctx, r, find, wait); err != nil {
		t.Fatal(err)
	}
	module, err := r.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Begin([]byte("interpreted")); err != nil {
		t.Fatal(err)
	}
	results, err := module.ExportedFunction("upper").Call(ctx)
	if err != nil || api.DecodeI32(results[0]) != 0 || string(k.Output()) != "INTERPRETED" {
		t.Errorf("%v, %v, %q", results, err, k.Output())
	}
}
