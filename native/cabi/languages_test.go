package cabi_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

// TestHeader: the header, and each helper in it, is clean in C and in C++.
func TestHeader(t *testing.T) {
	const text = `#include "berth_plugin.h"
		#include "berth_plugin.h"
		static int32_t f(void *self, berth_call *call) {
			const uint8_t *value;
			size_t length;
			(void)self;
			berth_log(call->host, BERTH_WARN, "text");
			if (berth_cancelled(call)) return BERTH_STOPPED;
			if (berth_config(call, "k", &value, &length) == BERTH_NONE || berth_get(call, "k", &value, &length) == BERTH_NONE) return berth_invalid(call, "%d", 1);
			if (berth_put(call, "k", "v", 1) != BERTH_OK || berth_remove(call, "k") != BERTH_OK) return berth_fail(call, "%s", "no");
			if (berth_text(call, "a") != BERTH_OK) return BERTH_FAILED;
			return berth_printf(call, "%.*s", (int)call->in_length, (const char *)call->in);
		}
		static const berth_function functions[] = {{"f", f, BERTH_JSON, 0}};
		BERTH_EXPORT const berth_plugin berth_plugin_v1 = {BERTH_ABI, sizeof(berth_plugin), "p", NULL, BERTH_SERIAL, NULL, NULL, functions, 1, NULL, 0, NULL, 0};
		`
	dir := t.TempDir()
	for _, c := range []string{
		"cc -std=c99 -x c", "cc -std=c11 -x c", "cc -std=gnu17 -x c -Wconversion", "c++ -std=c++11 -x c++", "c++ -std=c++17 -x c++ -Wconversion",
	} {
		source := filepath.Join(dir, "header.txt")
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append(strings.Fields(c), "-Wall", "-Wextra", "-pedantic", "-Wshadow", "-Werror", "-fsyntax-only", "-I", filepath.Join("..", "..", "sdk", "c"), source)
		if text, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", c, err, text)
		}
	}
}

func TestCPlusPlus(t *testing.T) {
	o := options(t, build(t, "c++", filepath.Join("testdata", "cpp.cpp"), "-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fno-gnu-unique"))
	l := open(t, o)
	for _, c := range []struct{ in, out string }{{"a", "1"}, {"b", "1"}, {"a", "2"}} {
		if out := call(t, l, "count", c.in); out != c.out {
			t.Errorf("count(%s) is %s, want %s", c.in, out, c.out)
		}
	}
	_, err := bind(t, l, "count").Call(t.Context(), nil, nil)
	enginetest.WantError(t, err, host.CodeInvalid, "an empty key") // thrown, and caught, inside
	if err := l.Close(t.Context()); err != nil || mapped(t, o.Path) != 0 {
		t.Errorf("%v, %d mappings are left", err, mapped(t, o.Path))
	}
}

// TestRust needs rustc, which no other part of the project needs.
func TestRust(t *testing.T) {
	rustc, err := exec.LookPath("rustc")
	if err != nil {
		t.Skip("there is no rustc on this machine")
	}
	path := filepath.Join(t.TempDir(), "Plugin.so")
	if text, err := exec.Command(rustc, "--edition=2021", "-O", "--crate-type=cdylib", "-D", "warnings", "-A", "dead_code", "-o", path, filepath.Join("testdata", "plugin.rs")).CombinedOutput(); err != nil {
		t.Fatalf("rustc: %v: %s", err, text)
	}
	l := open(t, options(t, path))
	if out := call(t, l, "reverse", "grüße"); out != "eßürg" {
		t.Errorf("%q", out)
	}
	_, err = bind(t, l, "reverse").Call(t.Context(), nil, []byte("\xff"))
	enginetest.WantError(t, err, host.CodeRejected, "the input is not UTF-8")
}
