package meter_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
)

// engines run guests in ways of their own.
func engines() map[string]wazero.RuntimeConfig {
	return map[string]wazero.RuntimeConfig{"compiled": wazero.NewRuntimeConfigCompiler(), "interpreted": wazero.NewRuntimeConfigInterpreter()}
}

var loopShapes = []string{"until", "while", "if", "result", "value", "continue", "table", "return", "nested"}

// A small loop gives the right result after any number of rounds, and each round
// takes the same fuel, in whatever portions it comes. So much is enough, and one
// less is not.
func TestLoops(t *testing.T) {
	const most = 9
	for name, config := range engines() {
		used := map[string][]int64{}
		for _, quantum := range []int64{1, 2, 13, 20, 100, 1 << 40} {
			g, err := start(t, config, read(t, "testdata/loops.wasm"), &account{quantum: quantum})
			if err != nil {
				t.Fatal(err)
			}
			for _, shape := range loopShapes {
				var all []int64
				for n := uint64(1); n <= most; n++ {
					g.account.limit = 0
					result, fuel, err := g.call(shape, n)
					if err != nil || result[0] != n*(n+1)/2 {
						t.Errorf("%s, quantum %d: %s(%d) = %d, %v", name, quantum, shape, n, result, err)
					}
					all = append(all, fuel)
					g.account.limit = fuel
					if _, _, err := g.call(shape, n); err != nil {
						t.Errorf("%s, quantum %d: %s(%d) with just its fuel of %d: %v", name, quantum, shape, n, fuel, err)
					}
					g.account.limit = fuel - 1
					if _, _, err := g.call(shape, n); quantum == 1 && !errors.Is(err, errStop) {
						t.Errorf("%s: %s(%d) with less than its fuel of %d: %v", name, shape, n, fuel, err)
					}
				}
				if used[shape] == nil {
					used[shape] = all
				}
				if !slices.Equal(all, used[shape]) {
					t.Errorf("%s, quantum %d: %s used %d, and %d before", name, quantum, shape, all, used[shape])
				}
			}
		}
		for shape, all := range used {
			for n := 2; n < most; n++ {
				if round := all[1] - all[0]; round < 5 || all[n]-all[n-1] != round {
					t.Errorf("%s: %s used %d: not the same for each round", name, shape, all)
				}
			}
		}
	}
}

// A small loop that traps has done what came before, and nothing else, and has
// paid for that.
func TestLoopsTrap(t *testing.T) {
	for name, config := range engines() {
		var used []int64
		for n := uint64(0); n < 7; n++ {
			g, err := start(t, config, read(t, "testdata/loops.wasm"), &account{quantum: 30})
			if err != nil {
				t.Fatal(err)
			}
			_, fuel, err := g.call("trap", n)
			if got := class(err); got != "wasm error: out of bounds memory access" {
				t.Errorf("%s: %q", name, got)
			}
			if rounds := g.ExportedGlobal("rounds").Get(); rounds != n+1 {
				t.Errorf("%s: it trapped in round %d, not %d", name, rounds, n+1)
			}
			for i := uint64(0); i < n; i++ {
				if got, ok := g.Memory().ReadUint32Le(uint32(0x10000 - (n-i)<<8)); !ok || got != uint32(i+1) {
					t.Errorf("%s: round %d stored %d", name, i+1, got)
				}
			}
			used = append(used, fuel)
		}
		for n := 2; n < len(used); n++ {
			if used[n]-used[n-1] != used[1]-used[0] {
				t.Errorf("%s: it used %d: not the same for each round", name, used)
			}
		}
	}
}

// A function with so many small loops that it would be too large with two rounds
// of each is metered: not all are written twice.
func TestManyLoops(t *testing.T) {
	const n = 2200
	g := mustStart(t, wide(0, 0, slices.Repeat(round, n)...), 0)
	if _, used, err := g.call("f"); err != nil || used < 3*n || used > 4*n {
		t.Errorf("it used %d: %v", used, err)
	}
}
