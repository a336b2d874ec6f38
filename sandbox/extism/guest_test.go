package extism_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/sandbox/extism"
)

// callContext is what a host passes to Call: found with one type assertion.
type callContext struct {
	context.Context
	kernel *extism.Kernel
	waits  int // host functions that wait now
	waited int // and those that did in all
}

// guest is an instance of a module of testdata, and its kernel.
type guest struct {
	t      testing.TB
	ctx    *callContext
	kernel *extism.Kernel
	module api.Module

	functions map[string]api.Function
}

func newGuest(t testing.TB, name string, config extism.Config) *guest {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	k := extism.NewKernel(config)
	ctx := &callContext{Context: t.Context(), kernel: k}
	r := wazero.NewRuntime(ctx)
	t.Cleanup(func() { r.Close(context.Background()) })
	if _, err := extism.Instantiate(ctx, r, find, wait); err != nil {
		t.Fatal(err)
	}
	module, err := r.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	return &guest{t: t, ctx: ctx, kernel: k, module: module, functions: map[string]api.Function{}}
}

func find(ctx context.Context) *extism.Kernel { return ctx.(*callContext).kernel }

func wait(ctx context.Context) (context.Context, func()) {
	c := ctx.(*callContext)
	c.waits++
	c.waited++
	return c.Context, func() { c.waits-- }
}

// try calls an export; the result is 0 if it has none.
func (g *guest) try(name string, args ...uint64) (uint64, error) {
	g.t.Helper()
	f := g.functions[name]
	if f == nil {
		if f = g.module.ExportedFunction(name); f == nil {
			g.t.Fatalf("the guest has no export %q", name)
		}
		g.functions[name] = f
	}
	results, err := f.Call(g.ctx, args...)
	if err != nil || len(results) == 0 {
		return 0, err
	}
	if f.Definition().ResultTypes()[0] == api.ValueTypeI32 {
		return uint64(uint32(results[0])), nil // the upper half is undefined
	}
	return results[0], nil
}

// call is try where no error is expected.
func (g *guest) call(name string, args ...uint64) uint64 {
	g.t.Helper()
	result, err := g.try(name, args...)
	if err != nil {
		g.t.Fatalf("%s%v: %v", name, args, err)
	}
	return result
}

// want calls an export and checks the result.
func (g *guest) want(want uint64, name string, args ...uint64) {
	g.t.Helper()
	if got := g.call(name, args...); got != want {
		g.t.Errorf("%s%#x = %#x, want %#x", name, args, got, want)
	}
}

// begin starts a call.
func (g *guest) begin(input string) {
	g.t.Helper()
	if err := g.kernel.Begin([]byte(input)); err != nil {
		g.t.Fatal(err)
	}
}

// put makes a block of a text, as a guest does.
func (g *guest) put(text string) uint64 {
	g.t.Helper()
	h := g.call("alloc", uint64(len(text)))
	for i := range len(text) {
		g.call("store_u8", h+uint64(i), uint64(text[i]))
	}
	return h
}

// text reads a block, as a guest does.
func (g *guest) text(h uint64) string {
	g.t.Helper()
	text := make([]byte, g.call("length", h))
	for i := range text {
		text[i] = byte(g.call("load_u8", h+uint64(i)))
	}
	return string(text)
}
