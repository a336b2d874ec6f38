package extism_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"berth/sandbox/extism"
)

func TestVars(t *testing.T) {
	g := newGuest(t, "every", extism.Config{Vars: extism.NewVars(-1)})
	get := func(key, want string) {
		t.Helper()
		if got := g.text(g.call("var_get", g.put(key))); got != want {
			t.Errorf("%q is %q, want %q", key, got, want)
		}
	}
	g.begin("")
	key, value := g.put("a"), g.put("one")
	g.want(0, "var_get", g.put("a"))
	g.call("var_set", key, value)
	g.want(0, "length", key) // both were freed
	g.want(0, "length", value)
	get("a", "one")

	g.begin("")
	get("a", "one") // it outlives the call
	g.call("var_set", g.put("a"), g.put("two"))
	get("a", "two")
	g.call("var_set", g.put("b"), g.put("three"))
	g.call("var_set", g.put("a"), 0)
	g.want(0, "var_get", g.put("a"))
	get("b", "three")
	g.call("var_set", g.put("missing"), 0)
	g.call("var_set", g.put("b"), 12345) // no handle: an empty value
	g.want(0, "var_get", g.put("b"))

	g.call("var_set", 0, g.put("nameless"))
	if got := g.text(g.call("var_get", 0)); got != "nameless" {
		t.Errorf("%q", got)
	}
}

func TestVarsFull(t *testing.T) {
	const limit = 1000
	vars := extism.NewVars(limit)
	g := newGuest(t, "every", extism.Config{Vars: vars})
	g.begin("")
	fits := strings.Repeat("x", limit-extism.VarOverhead-1)
	full := func(key, value string) {
		t.Helper()
		_, err := g.try("var_set", g.put(key), g.put(value))
		trap := (*extism.Trap)(nil)
		if !errors.Is(err, extism.ErrVarsFull) || !errors.As(err, &trap) || trap.Error() != "var_set: Variable store is full" {
			t.Errorf("error %v", err)
		}
	}
	full("a", fits+"x")
	g.call("var_set", g.put("a"), g.put(fits))
	full("b", "x")
	full("a", fits+"x")
	g.call("var_set", g.put("a"), g.put(strings.ToUpper(fits))) // what is replaced does not count
	if got := vars.Size(); got != limit {
		t.Errorf("size %d, want %d", got, limit)
	}
	g.call("var_set", g.put("a"), 0)
	if got := vars.Size(); got != 0 {
		t.Errorf("size %d, want 0", got)
	}
	g.call("var_set", g.put("b"), g.put("x"))
	vars.Clear()
	if got := vars.Size(); got != 0 {
		t.Errorf("size %d, want 0", got)
	}
	g.want(0, "var_get", g.put("b"))
}

func TestVarsDisabled(t *testing.T) {
	for name, vars := range map[string]*extism.Vars{"none": nil, "zero": extism.NewVars(0)} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t, "every", extism.Config{Vars: vars})
			g.begin("")
			for _, value := range []uint64{0, g.put("v")} {
				_, err := g.try("var_set", g.put("k"), value)
				if !errors.Is(err, extism.ErrVarsDisabled) || !strings.Contains(err.Error(), "Vars are disabled by this host") {
					t.Errorf("error %v", err)
				}
			}
			g.want(0, "var_get", g.put("k"))
		})
	}
}

// One store serves all instances of a plugin, or each has its own.
func TestVarsShared(t *testing.T) {
	shared := extism.NewVars(-1)
	count := func(vars *extism.Vars) uint64 {
		g := newGuest(t, "plugin", extism.Config{Vars: vars})
		for range 2 {
			g.begin("")
			g.call("count")
		}
		return binary.LittleEndian.Uint64(g.kernel.Output())
	}
	if a, b := count(shared), count(shared); a != 2 || b != 4 {
		t.Errorf("shared: %d, %d", a, b)
	}
	if a, b := count(extism.NewVars(-1)), count(extism.NewVars(-1)); a != 2 || b != 2 {
		t.Errorf("private: %d, %d", a, b)
	}
}

func TestVarsConcurrently(t *testing.T) {
	vars := extism.NewVars(-1)
	var wg sync.WaitGroup
	for i := range 4 {
		g := newGuest(t, "plugin", extism.Config{Vars: vars})
		wg.Go(func() {
			for range 200 {
				if err := g.kernel.Begin(nil); err != nil {
					t.Error(err)
				}
				if _, err := g.module.ExportedFunction("count").Call(g.ctx); err != nil {
					t.Error(err)
				}
				if got := vars.Size(); got != 0 && got != int64(len("no luck")+8+extism.VarOverhead) {
					t.Error(fmt.Errorf("guest %d: size %d", i, got))
				}
			}
		})
	}
	wg.Wait()
}
