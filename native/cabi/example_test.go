package cabi_test

import (
	"path/filepath"
	"testing"

	"berth/host"
	"berth/host/enginetest"
	"berth/native/cabi"
)

// TestExample makes the calls of the README of the example.
func TestExample(t *testing.T) {
	source := filepath.Join("..", "..", "examples", "functions", "c-native", "smooth.c")
	o := options(t, build(t, "cc", source, "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-lm"))
	o.Package.Grants.Config = map[string]string{"weight": "0.2"}
	o.Functions = []string{"smooth", "rms"}
	l := open(t, o)
	for _, c := range []struct{ name, in, out string }{
		{"smooth", `["boiler",70]`, "70"},
		{"smooth", `["boiler",75]`, "71"},
		{"smooth", ` [ "roof" , -4.5e0 ] `, "-4.5"},
		{"smooth", `["boiler",71]`, "71"},
		{"rms", `[3,4]`, "3.53553"},
	} {
		if out := call(t, l, c.name, c.in); out != c.out {
			t.Errorf("%s(%s) is %s, want %s", c.name, c.in, out, c.out)
		}
	}
	for _, c := range []struct{ name, in, says string }{
		{"rms", `["warm"]`, "want numbers, at least one"}, {"rms", "[", "want numbers"}, {"rms", "[1", "does not end"}, {"rms", "", "want an array"},
		{"rms", "[1\x00]", "does not end"}, {"rms", "[1e999]", "want numbers"},
		{"smooth", `["",1]`, "want a sensor's name"}, {"smooth", `["a`, "want a sensor's name"}, {"smooth", `["a\"",1]`, "want a sensor's name"},
	} {
		_, err := bind(t, l, c.name).Call(t.Context(), nil, []byte(c.in))
		enginetest.WantError(t, err, host.CodeInvalid, c.says)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out := call(t, open(t, o), "smooth", `["boiler",71]`); out != "71" { // its state outlives it
		t.Errorf("after a restart: %s", out)
	}
	for _, weight := range []string{"", "0", "2", "nan", "half"} {
		o.Package.Grants.Config["weight"] = weight
		_, err := cabi.Open(t.Context(), o)
		enginetest.WantError(t, err, host.CodeInvalid, "the weight is '"+weight+"'")
	}
}
