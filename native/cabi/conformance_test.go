package cabi_test

import (
	"context"
	"os"
	"testing"

	"berth/host"
	"berth/host/enginetest"
	"berth/native/cabi"
)

// engine loads libraries of the C ABI and nothing else.
type engine struct{}

func (engine) Name() string               { return "cabi" }
func (engine) Accept(*host.Package) error { return nil }
func (engine) Load(ctx context.Context, p *host.Package) (host.Module, error) {
	l, err := cabi.Open(ctx, cabi.Options{Path: p.Path("Plugin.so"), Package: p, State: &state{}})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// TestEngine is what holds of every engine. Spin asks whether anybody waits: the
// library is interrupted as far as it lets itself be.
func TestEngine(t *testing.T) {
	for _, thread := range []string{"BERTH_SERIAL", "BERTH_OBJECT", "BERTH_PARALLEL"} {
		data, err := os.ReadFile(conform(t, thread))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(thread, func(t *testing.T) {
			enginetest.Run(t, enginetest.Subject{
				Engine: func(testing.TB) host.Engine { return engine{} },
				Package: func(tb testing.TB, limits host.Limits) *host.Package {
					p := enginetest.Unpack(tb, host.Functions, "plugin", enginetest.Files{"Plugin.so": data})
					p.Limits, p.Log = limits, &lines{}
					return p
				},
				Functions: enginetest.Functions{Echo: "echo", Fail: "fail", Spin: "spin"},
				Traits:    enginetest.Traits{Interruptible: true},
			})
		})
	}
}
