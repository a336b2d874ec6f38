package cabi_test

import (
	"os"
	"testing"

	"berth/host"
	"berth/host/enginetest"
	"berth/native/cabi"
)

// BenchmarkEcho is a 64-byte echo: a bare call of the C function, the same
// through the module, and through a host.
func BenchmarkEcho(b *testing.B) {
	path := conform(b, "BERTH_PARALLEL", "-O2")
	in, out := make([]byte, 64), make([]byte, 0, 64)
	b.Run("bare", func(b *testing.B) {
		bare, done := cabi.Bare(open(b, options(b, path)), "echo")
		defer done()
		spare := out[:cap(out)]
		b.ReportAllocs()
		for b.Loop() {
			if bare(in, spare) != 64 {
				b.Fatal("no echo")
			}
		}
	})
	for _, thread := range []string{"BERTH_SERIAL", "BERTH_OBJECT", "BERTH_PARALLEL"} {
		b.Run("function/"+thread, func(b *testing.B) {
			echo := bind(b, open(b, options(b, conform(b, thread, "-O2"))), "echo")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := echo.Call(b.Context(), out, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("invoke", func(b *testing.B) {
		h := installed(b, path)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Invoke(b.Context(), "echo", out, in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("invoke/grown", func(b *testing.B) { // the result does not fit
		h := installed(b, path)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Invoke(b.Context(), "echo", nil, in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// installed is a host with a library installed as the plugin "plugin".
func installed(t testing.TB, path string) *host.Host {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := enginetest.OpenHost(t, t.TempDir(), engine{})
	if _, err := h.Install(t.Context(), host.Request{Kind: host.Functions, Name: "plugin", File: enginetest.Pack(t, enginetest.Files{"Plugin.so": data})}); err != nil {
		t.Fatal(err)
	}
	return h
}
