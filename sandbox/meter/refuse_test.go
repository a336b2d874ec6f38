package meter_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"berth/sandbox/meter"
)

func TestReservedNames(t *testing.T) {
	for name, wasm := range map[string][]byte{
		"import": module(section(1, []byte{0x60, 1, 0x7e, 1, 0x7e}), section(2, slices.Concat(named(meter.Module), named(meter.Tick, 0, 0)))),
		"export": module(section(5, []byte{0, 1}), section(7, named(meter.Fuel, 2, 0))),
		"prefix": module(section(5, []byte{0, 1}), section(7, named("berth:anything", 2, 0))),
	} {
		_, _, err := meter.Instrument(wasm, meter.Options{})
		if unknown := new(meter.Unknown); err == nil || errors.As(err, &unknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknown(t *testing.T) {
	for name, wasm := range map[string][]byte{
		"opcode":              function(0x27),
		"legacy exceptions":   function(0x06, 0x40, 0x0b),
		"misc":                function(0xfc, 18),
		"misc of two bytes":   function(0xfc, 0x80, 2),
		"relaxed SIMD":        function(0xfd, 0x80, 2),
		"vector, not minimal": function(0xfd, 0x8c, 0),
		"atomic":              function(0xfe, 0x4f),
		"section":             module(raw(14, nil)),
		"form of type":        module(section(1, []byte{0x5f, 0})),
		"type of value":       module(section(1, []byte{0x60, 1, 0x6e, 0})),
		"64-bit memory":       module(section(5, []byte{4, 1})),
		"constant":            module(section(6, []byte{0x7f, 0, 0x45, 0x0b})),
	} {
		_, _, err := meter.Instrument(wasm, meter.Options{})
		if unknown := new(meter.Unknown); !errors.As(err, &unknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is one beyond what the module has is not found among what is added.
func TestIndicesBeyondTheModule(t *testing.T) {
	types := section(1, []byte{0x60, 0, 0})
	functions, exports := section(3, []byte{0}), section(7, named("f", 0, 0))
	table := section(4, []byte{0x70, 0, 1})
	global := section(6, []byte{0x7e, 1, 0x42, 0, 0x0b})
	body := func(b ...byte) []byte {
		return module(types, functions, table, global, exports, section(10, code(b...)))
	}
	one := section(10, code())
	for name, wasm := range map[string][]byte{
		"global.get":              body(0x23, 1, 0x1a),
		"global.set":              body(0x42, 0, 0x24, 1),
		"call":                    body(0x42, 0, 0x10, 1, 0x1a),
		"call of the tick":        body(0x10, 2),
		"return_call":             body(0x12, 1),
		"ref.func":                body(0xd2, 1, 0x1a),
		"call_indirect":           body(0x42, 0, 0x41, 0, 0x11, 1, 0, 0x1a),
		"call_indirect, second":   body(0x41, 0, 0x11, 2, 0),
		"call_ref":                body(0xd0, 2, 0x14, 2),
		"block":                   body(0x02, 2, 0x0b),
		"loop":                    body(0x03, 2, 0x0b),
		"block of references":     body(0x02, 0x63, 2, 0xd0, 2, 0x0b, 0x1a),
		"ref.null":                body(0xd0, 1, 0x1a),
		"label":                   body(0x02, 0x40, 0x0c, 2, 0x0b),
		"local.get":               body(0x20, 0, 0x1a),
		"local beside a fill":     module(types, functions, section(5, []byte{0, 1}), exports, section(10, code(0x20, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0))),
		"type of a local":         module(types, functions, section(10, sized([]byte{1, 1, 0x63, 1, 0x0b}))),
		"export of a function":    module(types, functions, section(7, named("g", 0, 1)), one),
		"export of a global":      module(global, section(7, named("g", 3, 1))),
		"start":                   module(types, functions, section(7, named("g", 0, 0)), raw(8, []byte{2}), one),
		"element":                 module(types, functions, table, section(9, []byte{0, 0x41, 0, 0x0b, 1, 1}), one),
		"element as expression":   module(types, functions, table, section(9, []byte{4, 0x41, 0, 0x0b, 1, 0xd2, 1, 0x0b}), one),
		"type of a function":      module(types, section(3, []byte{1}), section(10, code())),
		"type of an import":       module(types, section(2, slices.Concat(named("a"), named("b", 0, 1)))),
		"global of a global":      module(section(6, []byte{0x7e, 0, 0x23, 1, 0x0b})),
		"global of a data offset": module(section(5, []byte{0, 1}), global, section(11, []byte{0, 0x23, 1, 0x0b, 0})),
	} {
		if out, _, err := meter.Instrument(wasm, meter.Options{}); err == nil {
			if compiles(out) {
				t.Errorf("%s: accepted", name)
			}
			t.Errorf("%s: left for wazero to refuse", name)
		}
		if compiles(wasm) {
			t.Errorf("%s: the case is wrong, wazero takes it", name)
		}
	}
}

func compiles(wasm []byte) bool {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(allFeatures))
	defer r.Close(ctx)
	_, err := r.CompileModule(ctx, wasm)
	return err == nil
}

// Whatever is claimed is not made room for, nothing recurs, and the result is
// bounded.
func TestHostileShapes(t *testing.T) {
	for _, id := range []byte{1, 2, 3, 4, 5, 6, 7, 9, 10, 11} {
		if _, _, err := meter.Instrument(module(raw(id, []byte{0xff, 0xff, 0xff, 0xff, 0x0f})), meter.Options{}); err == nil {
			t.Errorf("section %d: a count of 2^32-1 is taken", id)
		}
	}
	locals := module(section(1, []byte{0x60, 0, 0}), section(3, []byte{0}),
		section(10, sized([]byte{2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 1, 0x7f, 0x0b})))
	if _, _, err := meter.Instrument(locals, meter.Options{}); err == nil {
		t.Errorf("%d locals are taken", uint64(math.MaxUint32)+1)
	}

	const n = 5000
	for name, body := range map[string][]byte{
		"nested blocks":   slices.Concat(slices.Repeat([]byte{0x02, 0x40}, n), slices.Repeat([]byte{0x0b}, n)),
		"nested loops":    slices.Concat(slices.Repeat([]byte{0x03, 0x40}, n), slices.Repeat([]byte{0x0c, 0, 0x0b}, n)),
		"loops in a row":  slices.Repeat([]byte{0x03, 0x40, 0x0c, 0, 0x0b}, n),
		"calls":           slices.Repeat([]byte{0x10, 0}, n),
		"fills":           slices.Repeat([]byte{0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0}, n/2),
		"branches":        slices.Concat([]byte{0x03, 0x40}, slices.Repeat([]byte{0x0c, 0}, n), []byte{0x0b}),
		"one big table":   slices.Concat([]byte{0x41, 0, 0x0e, 0x88, 0x27}, make([]byte, n+1)),
		"nested tries":    slices.Concat(slices.Repeat([]byte{0x1f, 0x40, 1, 2, 0}, n), slices.Repeat([]byte{0x0b}, n)),
		"nothing of that": slices.Repeat([]byte{0x0f}, n),
	} {
		wasm := function(body...)
		out, _, err := meter.Instrument(wasm, meter.Options{})
		if err != nil || len(out) > 12*len(wasm) {
			t.Errorf("%s: %d bytes become %d: %v", name, len(wasm), len(out), err)
		}
	}
}

// Every opcode that wazero takes with some immediate is known here.
func TestOpcodes(t *testing.T) {
	immediates := [][]byte{
		{}, {0}, {0, 0}, {0, 0, 0}, {1, 0}, {2, 0}, {3, 0}, {0x40, 0x0b}, {0x40, 0, 0x0b}, {1, 0x7f}, {0x70}, make([]byte, 4), make([]byte, 8), make([]byte, 16),
	}
	var opcodes [][]byte
	for op := range 256 {
		opcodes = append(opcodes, []byte{byte(op)}, []byte{0xfc, byte(op)}, []byte{0xfe, byte(op)})
		if op < 128 {
			opcodes = append(opcodes, []byte{0xfd, byte(op)})
		} else {
			opcodes = append(opcodes, []byte{0xfd, byte(op), 1})
		}
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(allFeatures))
	defer r.Close(ctx)
	valid := func(wasm []byte) (err error) {
		defer func() { // wazero panics where a body ends within a try_table
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		c, err := r.CompileModule(ctx, wasm)
		if err == nil {
			c.Close(ctx)
		}
		return err
	}
	known := map[string]bool{}
	for _, opcode := range opcodes {
		for _, immediate := range immediates {
			body := slices.Concat([]byte{0x00}, opcode, immediate, []byte{0x00})
			wasm := module(section(1, []byte{0x60, 0, 0}), section(3, []byte{0}), section(4, []byte{0x70, 0, 1}),
				section(5, []byte{3, 1, 1}), section(13, []byte{0, 0}), section(6, []byte{0x7f, 1, 0x41, 0, 0x0b}),
				section(7, named("f", 0, 0)), section(9, []byte{1, 0, 1, 0}), raw(12, []byte{1}),
				section(10, sized(slices.Concat([]byte{1, 1, 0x7f}, body, []byte{0x0b}))), section(11, []byte{1, 0}))
			err := valid(wasm)
			metered, _, refused := meter.Instrument(wasm, meter.Options{})
			switch {
			case err == nil && refused != nil:
				t.Errorf("%#x %#x: %v", opcode, immediate, refused)
			case err == nil:
				known[fmt.Sprint(opcode)] = true
				if err := valid(metered); err != nil {
					t.Errorf("%#x %#x: metered: %v", opcode, immediate, err)
				}
			case refused == nil && valid(metered) == nil:
				t.Errorf("%#x %#x: it became valid: %v", opcode, immediate, err)
			}
		}
	}
	if len(known) < 500 {
		t.Errorf("only %d opcodes were tried", len(known))
	}
	t.Logf("%d opcodes", len(known))
}
