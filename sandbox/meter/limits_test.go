package meter_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"berth/sandbox/meter"
)

// wide is a module like function's, whose second type has so many parameters and
// results, with so many i32 locals and a memory.
func wide(values, locals int, body ...byte) []byte {
	var group []byte
	if locals > 0 {
		group = append(binary.AppendUvarint(nil, uint64(locals)), 0x7f)
	}
	types := slices.Concat([]byte{0x60}, sized(slices.Repeat([]byte{0x7f}, values)), sized(slices.Repeat([]byte{0x7f}, values)))
	instructions := slices.Concat([]byte{byte(min(locals, 1))}, group, body, []byte{0x0b})
	return module(
		section(1, []byte{0x60, 0, 0}, types),
		section(3, []byte{0}),
		section(5, []byte{0, 1}),
		section(6, []byte{0x7f, 1, 0x41, 0, 0x0b}),
		section(7, named("f", 0, 0)),
		section(10, sized(instructions)))
}

// Parts of code: those with a load have an operand that wazero does not know.
var (
	push  = []byte{0x41, 0, 0x28, 2, 0}
	pop   = []byte{0x24, 0}
	leave = []byte{0x02, 0x40, 0x23, 0, 0x0d, 0, 0x0b}
	round = []byte{0x03, 0x40, 0x23, 0, 0x0d, 0, 0x0b}
)

// locals sets n locals to values of their own, and reads them.
func locals(n int) (set, get []byte) {
	for i := range n {
		set = binary.AppendUvarint(append(append(set, push...), 0x21), uint64(i))
		get = append(binary.AppendUvarint(append(get, 0x20), uint64(i)), pop...)
	}
	return set, get
}

func times(n int, b ...byte) []byte { return slices.Repeat(b, n) }

// brTable has n targets and the default.
func brTable(n int) []byte {
	return slices.Concat([]byte{0x41, 0, 0x0e}, binary.AppendUvarint(nil, uint64(n)), make([]byte, n+1))
}

// giants are functions of which more than n times something is too much.
var giants = []struct {
	name  string
	n     int    // how many are not too many
	what  string // the error says; empty: it is the work of all functions
	build func(n int) []byte
}{
	{"instructions", meter.MaxInstructions - 1, "instructions", func(n int) []byte { return function(times(n, 0x01)...) }},
	{"locals", meter.MaxLocals, "local variables", func(n int) []byte { return wide(0, n) }},
	{"branches", meter.MaxBlocks - 4, "basic blocks", func(n int) []byte { return function(times(n, 0x41, 0, 0x0d, 0)...) }},
	{"nested blocks", meter.MaxBlocks - 4, "basic blocks", func(n int) []byte { return function(append(times(n, 0x02, 0x40), times(n, 0x0b)...)...) }},
	{"ifs", (meter.MaxBlocks - 4) / 3, "basic blocks", func(n int) []byte { return function(times(n, 0x41, 0, 0x04, 0x40, 0x0b)...) }},
	{"loops", (meter.MaxBlocks - 4) / 4, "basic blocks", func(n int) []byte { return function(times(n, 0x03, 0x40, 0x0b)...) }},
	{"fills", (meter.MaxBlocks - 4) / 5, "basic blocks", func(n int) []byte { return wide(0, 0, times(n, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0)...) }},
	{"a br_table", meter.MaxTable, "targets of one br_table", func(n int) []byte { return function(brTable(n)...) }},
	{"br_tables", meter.MaxTargets / 1000, "targets of br_table", func(n int) []byte { return function(slices.Repeat(brTable(999), n)...) }},
	{"catch clauses", (meter.MaxBlocks - 7), "basic blocks", func(n int) []byte {
		return function(slices.Concat([]byte{0x1f, 0x40}, binary.AppendUvarint(nil, uint64(n)), times(n, 2, 0), []byte{0x0b})...)
	}},
	{"calls of 1,000 values", meter.MaxMoved / 2000, "values moved", func(n int) []byte { // call_ref
		return wide(1000, 0, slices.Concat(times(1000, 0x41, 0), times(n, 0xd0, 1, 0x14, 1), times(1000, 0x1a))...)
	}},
	{"blocks of 1,000 values", meter.MaxMoved / 3000, "values moved", func(n int) []byte {
		return wide(1000, 0, slices.Concat(times(1000, 0x41, 0), times(n, 0x02, 1, 0x0b), times(1000, 0x1a))...)
	}},
	{"loads and branches", 8940, "access to memory", func(n int) []byte {
		return wide(0, 0, times(n, 0x41, 0, 0x28, 2, 0, 0x0d, 0)...)
	}},
	{"dead branches do not join", 2300, "access to memory", func(n int) []byte {
		part := slices.Concat([]byte{0x02, 0x40, 0x23, 0, 0x04, 0x40, 0x00, 0x02, 0x40, 0x0c, 2, 0x0b, 0x0b}, times(3, push...), times(3, pop...), []byte{0x0b})
		return wide(0, 0, slices.Repeat(part, n)...)
	}},
	{"values below loops", 1900, "", func(n int) []byte {
		return wide(0, 0, slices.Concat(slices.Repeat(push, n), slices.Repeat(round, 1000), slices.Repeat(pop, n))...)
	}},
	{"values below branches", 3800, "", func(n int) []byte {
		return wide(0, 0, slices.Concat(slices.Repeat(push, n), slices.Repeat(leave, 1800), slices.Repeat(pop, n))...)
	}},
	{"locals across loops", 950, "", func(n int) []byte {
		set, get := locals(n)
		return wide(0, n, slices.Concat(set, slices.Repeat(round, 500), get)...)
	}},
	{"locals in nested loops", 105, "", func(n int) []byte {
		set, get := locals(n)
		return wide(0, n, slices.Concat(set, times(500, 0x03, 0x40), get, times(500, 0x23, 0, 0x0d, 0, 0x0b))...)
	}},
	{"parameters of nested loops", 104, "", func(n int) []byte {
		return wide(n, 0, slices.Concat(times(n, 0x41, 0), times(500, 0x03, 1), times(500, 0x0b), times(n, 0x1a))...)
	}},
}

// generous is far above what anything here takes.
const generous = 30 * time.Second

// TestGiants: what is beyond a limit is refused at once, with what there is too
// much of; what is not is metered. Where BERTH_GIANTS is set, it is compiled, too,
// which takes wazero minutes in all.
func TestGiants(t *testing.T) {
	for _, g := range giants {
		t.Run(g.name, func(t *testing.T) {
			wasm := g.build(g.n)
			metered, info, err := meter.Instrument(wasm, meter.Options{})
			if err != nil || info.Work > meter.MaxWork {
				t.Fatalf("%d: work %d: %v", g.n, info.Work, err)
			}
			begun := time.Now()
			for _, n := range []int{g.n + g.n/10 + 1, 50 * g.n} {
				_, _, err := meter.Instrument(g.build(n), meter.Options{})
				excess := (*meter.TooLarge)(nil)
				if !errors.As(err, &excess) {
					t.Errorf("%d: %v", n, err)
				} else if what := excess.What; n < 2*g.n && (!strings.Contains(what, g.what) || g.what == "" && what != "") {
					t.Errorf("%d: %v, not for its %s", n, err, g.what)
				}
			}
			if took := time.Since(begun); took > generous {
				t.Errorf("it took %s to refuse", took)
			}
			if os.Getenv("BERTH_GIANTS") == "" {
				return
			}
			begun = time.Now()
			compileGiant(t, metered)
			t.Logf("%d bytes, metered %d: estimated %.1f s, compiled in %.1f s", len(wasm), len(metered), float64(info.Work)/1e6, time.Since(begun).Seconds())
		})
	}
}

// TestSmallGiants: what has a fraction of what may be is compiled. So the giants
// are valid, and what refuses the larger ones is the limit.
func TestSmallGiants(t *testing.T) {
	for _, g := range giants {
		t.Run(g.name, func(t *testing.T) {
			metered, _, err := meter.Instrument(g.build(g.n/20), meter.Options{})
			if err != nil {
				t.Fatal(err)
			}
			compileGiant(t, metered)
		})
	}
}

func compileGiant(t *testing.T, wasm []byte) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(allFeatures))
	defer r.Close(ctx)
	provideTick(t, r, func(int64) int64 { return 0 })
	begun := time.Now()
	if _, err := r.CompileModule(ctx, wasm); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 4*generous {
		t.Errorf("it took %s to compile", took)
	}
}

// TestWorkIsOfAllFunctions: many functions that are not too large are too much,
// and so are several modules; the error names the one that takes most.
func TestWorkIsOfAllFunctions(t *testing.T) {
	one := times(5000, 0x41, 0, 0x0d, 0)
	bodies := slices.Concat(times(50, code()...), times(1, code(times(9000, 0x41, 0, 0x0d, 0)...)...), times(40, code(one...)...))
	many := module(
		section(1, []byte{0x60, 0, 0}),
		section(3, slices.Repeat([][]byte{{0}}, 91)...),
		raw(10, append([]byte{91}, bodies...)),
		raw(0, slices.Concat(sized([]byte("name")), []byte{1}, sized(slices.Concat([]byte{2, 3}, sized([]byte("f")), []byte{50}, sized([]byte("large")))))))
	_, _, err := meter.Instrument(many, meter.Options{})
	excess := (*meter.TooLarge)(nil)
	if !errors.As(err, &excess) || excess.What != "" || excess.Function != 50 || excess.Name != "large" || excess.Work < 1_600_000 {
		t.Fatalf("%+v: %v", excess, err)
	}
	if text := err.Error(); !strings.Contains(text, `function 50 ("large")`) || !strings.Contains(text, "more than 15s") {
		t.Error(text)
	}

	_, info, err := meter.Instrument(function(one...), meter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := meter.Instrument(function(one...), meter.Options{Used: meter.MaxWork - info.Work}); err != nil {
		t.Error(err)
	}
	if _, _, err := meter.Instrument(function(one...), meter.Options{Used: meter.MaxWork - info.Work + 1}); !errors.As(err, &excess) {
		t.Errorf("beyond what is left: %v", err)
	}
}

// TestUnknownIsBounded: code that is not known counts as the worst that it can be,
// and the functions behind it count, too.
func TestUnknownIsBounded(t *testing.T) {
	unknown := func(n int) []byte { return append([]byte{0x27}, times(n, 0x01)...) }
	for name, c := range map[string]struct {
		wasm     []byte
		unknown  bool
		bounded  bool
		tooLarge bool
	}{
		"small":                {function(unknown(3000)...), true, true, false},
		"large":                {function(unknown(10_000)...), false, false, true},
		"calls that move much": {wide(1000, 0, unknown(1000)...), false, false, true},
		"many locals":          {wide(0, 10_000, unknown(1000)...), false, false, true},
		"one behind it": {module(section(1, []byte{0x60, 0, 0}), section(3, []byte{0}, []byte{0}),
			section(10, code(0x27), code(times(meter.MaxInstructions, 0x01)...))), false, false, true},
		"section":         {module(raw(14, nil)), true, false, false},
		"type of a local": {module(section(1, []byte{0x60, 0, 0}), section(3, []byte{0}), section(10, sized([]byte{1, 1, 0x6e, 0x0b}))), true, false, false},
	} {
		_, info, err := meter.Instrument(c.wasm, meter.Options{})
		met, excess := (*meter.Unknown)(nil), (*meter.TooLarge)(nil)
		if errors.As(err, &met) != c.unknown || c.unknown && met.Bounded != c.bounded || errors.As(err, &excess) != c.tooLarge {
			t.Errorf("%s: %v", name, err)
		}
		if c.bounded && info.Work < 1_000_000 {
			t.Errorf("%s: counts as %d", name, info.Work)
		}
	}
}

// TestOperands: what takes more from the stack than there is, or leaves more, is
// refused, so that what is counted is what there is.
func TestOperands(t *testing.T) {
	for name, body := range map[string][]byte{
		"drop of nothing":          {0x1a},
		"from outside of a block":  {0x41, 0, 0x02, 0x40, 0x1a, 0x0b},
		"a value left":             {0x41, 0},
		"a value left in a block":  {0x02, 0x40, 0x41, 0, 0x0b},
		"none where there is one":  {0x02, 0x7f, 0x0b, 0x1a},
		"left behind a return":     {0x0f, 0x41, 0},
		"in one arm of an if":      {0x41, 0, 0x04, 0x40, 0x41, 0, 0x05, 0x0b},
		"behind a block that ends": {0x02, 0x40, 0x00, 0x0b, 0x1a},
	} {
		if compiles(function(body...)) {
			t.Errorf("%s: the case is wrong, wazero takes it", name)
		}
		if _, _, err := meter.Instrument(function(body...), meter.Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
