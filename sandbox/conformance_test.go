package sandbox_test

import (
	"testing"

	"berth/host"
	"berth/host/enginetest"
	"berth/sandbox"
)

func TestEngine(t *testing.T) {
	for name, change := range map[string]func(*host.Package){"compiled": func(*host.Package) {}, "interpreted": interpreted} {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, enginetest.Subject{
				Engine: func(testing.TB) host.Engine { return sandbox.New() },
				Package: func(tb testing.TB, limits host.Limits) *host.Package {
					p := guestPackage(tb, "conform")
					p.Limits = limits
					change(p)
					return p
				},
				Functions: enginetest.Functions{Echo: "echo", Fail: "fail", Crash: "crash", Spin: "spin"},
				Traits:    enginetest.Traits{Interruptible: true, Survives: true, Bounded: true},
			})
		})
	}
}
