package meter_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/sandbox/meter"
)

// What never ends, or not soon, is stopped.
func TestStops(t *testing.T) {
	g := mustStart(t, read(t, "testdata/guest.wasm"), 100_000)
	for _, c := range []struct {
		function string
		args     []uint64
	}{
		{"spin", nil}, {"spin-if", nil}, {"spin-table", []uint64{0}}, {"spin-table", []uint64{1}}, {"spin-table", []uint64{9}},
		{"spin-values", nil}, {"spin-operands", nil}, {"spin-leaf", nil}, {"spin-tails", nil}, {"spin-fill", nil},
		{"fib", []uint64{60}}, {"tree", []uint64{60}},
	} {
		_, used, err := g.call(c.function, c.args...)
		if !errors.Is(err, errStop) {
			t.Errorf("%s%v: %v", c.function, c.args, err)
		}
		if most := int64(101_000 + 16<<20/64); used > most {
			t.Errorf("%s%v used %d", c.function, c.args, used)
		}
	}
	if _, _, err := g.call("sum", 10); err != nil {
		t.Errorf("the instance is of no use any more: %v", err)
	}
}

// A loop of exceptions is stopped, and no catch clause sees what stops it.
func TestStopsExceptions(t *testing.T) {
	tag := section(13, []byte{0, 0})
	for name, body := range map[string][]byte{
		"thrown and caught": {0x03, 0x40, 0x02, 0x40, 0x1f, 0x40, 1, 0, 0, 0, 0x08, 0, 0x0b, 0x0b, 0x0c, 0, 0x0b},
		"catch_all":         {0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x0b, 0x0b},
		"to the loop":       {0x03, 0x40, 0x1f, 0x40, 1, 2, 0, 0x08, 0, 0x0b, 0x0b},
	} {
		wasm := module(section(1, []byte{0x60, 0, 0}), section(3, []byte{0}), tag,
			section(7, named("f", 0, 0)), section(10, code(body...)))
		if _, _, err := mustStart(t, wasm, 100_000).call("f"); !errors.Is(err, errStop) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The same call uses the same fuel, whatever runs it and in what portions the
// fuel comes.
func TestFuelIsDeterministic(t *testing.T) {
	calls := []struct {
		function string
		args     []uint64
	}{
		{"fib", []uint64{12}}, {"tree", []uint64{6}}, {"sum", []uint64{1000}}, {"early", []uint64{1}}, {"early", []uint64{4}},
		{"fill", []uint64{100_000}}, {"copy", []uint64{1 << 20}}, {"trap", nil},
	}
	var want []int64
	for _, config := range []wazero.RuntimeConfig{wazero.NewRuntimeConfigCompiler(), wazero.NewRuntimeConfigInterpreter()} {
		for _, quantum := range []int64{20, 1000, 1 << 40} {
			g, err := start(t, config, read(t, "testdata/guest.wasm"), &account{quantum: quantum})
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, c := range slices.Concat(calls, calls) {
				_, used, _ := g.call(c.function, c.args...)
				got = append(got, used)
			}
			if !slices.Equal(got[:len(calls)], got[len(calls):]) {
				t.Errorf("quantum %d: the second time it differs: %d", quantum, got)
			}
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Errorf("quantum %d: %d, elsewhere %d", quantum, got, want)
			}
		}
	}
}

// Fuel is at least the instructions executed, and not far from it.
func TestFuelIsHonest(t *testing.T) {
	g := mustStart(t, read(t, "testdata/guest.wasm"), 0)
	for _, c := range []struct {
		function    string
		arg         uint64
		least, most int64
	}{
		{"sum", 1000, 18_000, 20_100}, // 18 or 19 instructions a round, the function that some call included

		{"fill", 64 * 1000, 1000, 1010},
		{"fill", 16 << 20, 262_144, 262_154},
		{"copy", 640, 10, 20},
	} {
		if _, used, err := g.call(c.function, c.arg); err != nil || used < c.least || used > c.most {
			t.Errorf("%s(%d) used %d, not %d to %d: %v", c.function, c.arg, used, c.least, c.most, err)
		}
	}
}

// Code behind a test is paid for when it runs, not before.
func TestColdCodeIsPaidWhenRun(t *testing.T) {
	nops := slices.Repeat([]byte{0x01}, 1000)
	body := slices.Concat([]byte{0x20, 0, 0x04, 0x40}, nops, []byte{0x05}, nops[:300], []byte{0x0b})
	wasm := module(section(1, []byte{0x60, 1, 0x7f, 0}), section(3, []byte{0}), section(7, named("f", 0, 0)), section(10, code(body...)))
	g := mustStart(t, wasm, 0)
	if _, used, err := g.call("f", 1); err != nil || used < 1000 || used > 1010 {
		t.Errorf("the long way used %d: %v", used, err)
	}
	if _, used, err := g.call("f", 0); err != nil || used < 300 || used > 310 {
		t.Errorf("the short way used %d: %v", used, err)
	}
}

// A function without loops and calls, but of great length, still ticks.
func TestLongCodeTicks(t *testing.T) {
	nops := slices.Repeat([]byte{0x01}, 100_000)
	g := mustStart(t, function(nops...), 0)
	if _, _, err := g.call("f"); err != nil || g.account.ticks < 15 {
		t.Errorf("%d ticks: %v", g.account.ticks, err)
	}
	// Jumping over the places where a straight run ticks does not help.
	hop := slices.Concat([]byte{0x02, 0x40}, nops[:4000], []byte{0x0c, 0}, nops[:4000], []byte{0x0b})
	g = mustStart(t, function(slices.Repeat(hop, 15)...), 0)
	if _, used, err := g.call("f"); err != nil || g.account.ticks < 6 || used < 60_000 {
		t.Errorf("%d ticks, %d used: %v", g.account.ticks, used, err)
	}
}

func TestStartFunctionIsMetered(t *testing.T) {
	a := &account{quantum: 1000}
	g, err := start(t, wazero.NewRuntimeConfigCompiler(), read(t, "testdata/start.wasm"), a)
	if err != nil {
		t.Fatal(err)
	}
	if results, _, err := g.call("rounds"); err != nil || results[0] != 1000 || a.ticks < 8 {
		t.Errorf("%v rounds, %d ticks: %v", results, a.ticks, err)
	}
	a = &account{quantum: 1000, limit: 5000}
	if _, err = start(t, wazero.NewRuntimeConfigCompiler(), read(t, "testdata/start.wasm"), a); !errors.Is(err, errStop) {
		t.Errorf("it was not stopped: %v", err)
	}
}

// A trace names the functions as it does without a meter.
func TestNamesShift(t *testing.T) {
	ctx := context.Background()
	wasm := read(t, "testdata/guest.wasm")
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(allFeatures))
	defer r.Close(ctx)
	plain, err := r.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	_, want := plain.ExportedFunction("trap").Call(ctx)
	_, _, got := mustStart(t, wasm, 0).call("trap")
	if got == nil || want == nil || got.Error() != want.Error() || !strings.Contains(got.Error(), "unlucky") {
		t.Errorf("metered:\n%v\notherwise:\n%v", got, want)
	}
}

func TestInfo(t *testing.T) {
	_, info, err := meter.Instrument(read(t, "testdata/guest.wasm"), meter.Options{Globals: true})
	if err != nil || !slices.Equal(info.Globals, []uint32{0, 2}) || info.Resettable != "" || info.ImportedMutableGlobals {
		t.Errorf("%+v, %v", info, err)
	}
	if info.Functions != 23 || info.Loops != 9 || info.Instructions < 100 || info.LargestFunction < 20 {
		t.Errorf("%+v", info)
	}
	if _, info, _ = meter.Instrument(read(t, "testdata/guest.wasm"), meter.Options{}); info.Globals != nil {
		t.Errorf("globals exported without being asked for: %v", info.Globals)
	}
	imports := module(section(2, slices.Concat(named("env"), named("g", 3, 0x7f, 1))))
	if _, info, err = meter.Instrument(imports, meter.Options{}); err != nil || !info.ImportedMutableGlobals {
		t.Errorf("%+v, %v", info, err)
	}
	for _, c := range []struct {
		why  string
		wasm []byte
	}{
		{"table.set", function(0x41, 0, 0xd0, 0x70, 0x26, 0)},
		{"table.fill", function(0x41, 0, 0xd0, 0x70, 0x41, 0, 0xfc, 17, 0)},
		{"table.grow", function(0xd0, 0x70, 0x41, 0, 0xfc, 15, 0, 0x1a)},
		{"table.copy", function(0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 14, 0, 0)},
		{"table.init", function(0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 12, 0, 0)},
		{"elem.drop", function(0xfc, 13, 0)},
		{"data.drop", function(0xfc, 9, 0)},
		{"a mutable global of a reference type", module(section(6, []byte{0x70, 1, 0xd0, 0x70, 0x0b}))},
	} {
		if _, info, err := meter.Instrument(c.wasm, meter.Options{}); err != nil || info.Resettable != c.why {
			t.Errorf("%s: %q, %v", c.why, info.Resettable, err)
		}
	}
}

func TestExports(t *testing.T) {
	g := mustStart(t, read(t, "testdata/guest.wasm"), 0)
	kept := g.ExportedGlobal(meter.Global + "0").(api.MutableGlobal)
	if _, _, err := g.call("sum", 3); err != nil || kept.Get() != 6 {
		t.Errorf("global 0 is %d: %v", kept.Get(), err)
	}
	if g.ExportedGlobal(meter.Global+"1") != nil {
		t.Error("a constant global is exported")
	}
	if g.ExportedMemory(meter.Memory) == nil {
		t.Error("the memory is not exported")
	}
}
