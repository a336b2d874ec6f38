package sandbox_test

import (
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"

	"berth/host"
)

func TestNumeric(t *testing.T) {
	for _, c := range []struct{ function, in, want string }{
		{"add", "[1,2]", "3"},
		{"add", " [ 1 , 2 ] \n", "3"},
		{"add", "[-1,1e2]", "99"},
		{"add", "[2.0,-0]", "2"},
		{"add", "[2147483647,1]", "-2147483648"}, // wraps, and is written signed
		{"add", "[4294967295,0]", "-1"},          // unsigned in
		{"add", "[-2147483648,0]", "-2147483648"},
		{"add64", "[9007199254740993,0]", "9007199254740993"}, // 2^53+1
		{"add64", "[9007199254740993,9007199254740993]", "18014398509481986"},
		{"add64", "[9223372036854775807,0]", "9223372036854775807"},
		{"add64", "[-9223372036854775808,0]", "-9223372036854775808"},
		{"add64", "[18446744073709551615,0]", "-1"}, // unsigned in
		{"add64", "[9223372036854775807,1]", "-9223372036854775808"},
		{"add64", "[1e3,2.0]", "1002"},
		{"mulf32", "[0.1,3]", "0.3"},
		{"mulf32", "[3.4028234663852886e38,1]", "3.4028235e+38"},
		{"mulf32", "[3e38,10]", "null"}, // infinity
		{"divf64", "[1,3]", "0.3333333333333333"},
		{"divf64", "[1,0]", "null"},
		{"divf64", "[0,0]", "null"},
		{"divf64", "[-0.0,1]", "-0"},
		{"divf64", "[1e308,1]", "1e+308"},
		{"divf64", "[1e-400,1]", "0"},
		{"swap", "[1,2]", "[2,1]"},
		{"swap", "[-1,9007199254740993]", "[9007199254740993,-1]"},
		{"nothing", "[]", "null"},
		{"nothing", "", "null"},
		{"nothing", " \n", "null"},
		{"nothing", "null", "null"},
		{"const_nan", "[]", "null"},
		{"answer", "[]", "42"},
		{"answer", "", "42"},
	} {
		m := loadGuest(t, "add", nil)
		out, err := bind(t, m, c.function).Call(t.Context(), []byte("= "), []byte(c.in))
		if err != nil || string(out) != "= "+c.want {
			t.Errorf("%s(%s): %q, %v; want %q", c.function, c.in, out, err, c.want)
			continue
		}
		if !json.Valid(out[2:]) {
			t.Errorf("%s(%s): %q is not JSON", c.function, c.in, out[2:])
		}
	}
}

func TestNumericArguments(t *testing.T) {
	m := loadGuest(t, "add", nil)
	for _, c := range []struct {
		function, in string
		says         []string
	}{
		{"add", "[1]", []string{"1 arguments given, 2 expected", "i32, i32"}},
		{"add", "[]", []string{"0 arguments given, 2 expected"}},
		{"add", "[1,2,3]", []string{"3 arguments given, 2 expected"}},
		{"answer", "[1]", []string{"1 arguments given, 0 expected", "none"}},
		{"add", "", []string{"JSON array of 2 numbers"}},
		{"add", "1", []string{"JSON array of 2 numbers"}},
		{"add", `{"a":1}`, []string{"JSON array of 2 numbers"}},
		{"add", "[1,2", []string{"JSON array of 2 numbers"}},
		{"add", "[1,2]]", []string{"JSON array of 2 numbers"}},
		{"add", "[01,2]", []string{"JSON array of 2 numbers"}},
		{"add", "[0x10,2]", []string{"JSON array of 2 numbers"}},
		{"add", "[NaN,2]", []string{"JSON array of 2 numbers"}},
		{"add", "[+1,2]", []string{"JSON array of 2 numbers"}},
		{"nothing", "nonsense", []string{"JSON array of 0 numbers"}},
		{"add", "null", []string{"0 arguments given, 2 expected"}},
		{"add", "[1.5,2]", []string{"argument 1 is 1.5", "i32"}},
		{"add", "[1,4294967296]", []string{"argument 2 is 4294967296", "i32"}},
		{"add", "[-2147483649,0]", []string{"argument 1 is -2147483649", "i32"}},
		{"add", "[1,null]", []string{"argument 2 is null", "i32"}},
		{"add", "[true,1]", []string{"argument 1 is true", "i32"}},
		{"add", `["1",2]`, []string{`argument 1 is "1"`, "i32"}},
		{"add", "[[1],2]", []string{"argument 1 is [1]", "i32"}},
		{"add", `[{"a":1},2]`, []string{`argument 1 is {"a":1}`, "i32"}},
		{"add", "[1e400,2]", []string{"argument 1 is 1e400", "i32"}},
		{"add64", "[1,18446744073709551616]", []string{"argument 2 is 18446744073709551616", "i64"}},
		{"add64", "[-9223372036854775809,0]", []string{"argument 1 is -9223372036854775809", "i64"}},
		{"add64", "[0.5,0]", []string{"argument 1 is 0.5", "i64"}},
		{"add64", "[1e30,0]", []string{"argument 1 is 1e30", "i64"}},
		{"swap", `[1,"x"]`, []string{`argument 2 is "x"`, "i64"}},
		{"mulf32", "[1e39,1]", []string{"argument 1 is 1e39", "f32"}},
		{"mulf32", `["NaN",1]`, []string{`argument 1 is "NaN"`, "f32"}},
		{"divf64", "[1,1e400]", []string{"argument 2 is 1e400", "f64"}},
		{"divf64", "[null,1]", []string{"argument 1 is null", "f64"}},
		{"add", `["` + strings.Repeat("x", 10_000) + `",1]`, []string{"argument 1 is", "i32"}},
	} {
		wantRefusal(t, m, c.function, c.in, c.says...)
	}
	if n := m.Status().Instances; n != 1 {
		t.Errorf("%d instances: a wrong argument should not cost one", n)
	}
}

// wantRefusal checks that arguments are refused, with dst as it was and a message
// that is no longer than it need be.
func wantRefusal(t *testing.T, m host.Module, function, in string, says ...string) {
	t.Helper()
	out, err := bind(t, m, function).Call(t.Context(), []byte("kept"), []byte(in))
	wantFailure(t, err, host.CodeInvalid, says...)
	if string(out) != "kept" {
		t.Errorf("%s(%.40s): dst is %q, want it as it was", function, in, out)
	}
	if err != nil && len(err.Error()) > 500 {
		t.Errorf("%s(%.40s): a message of %d bytes", function, in, len(err.Error()))
	}
}

func TestNumericFunctions(t *testing.T) {
	m := loadGuest(t, "add", nil)
	want := []string{"add", "add64", "answer", "const_nan", "divf64", "mulf32", "nothing", "swap"}
	if got := m.Functions(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, name := range want {
		if got := bind(t, m, name).Encoding(); got != host.EncodingJSON {
			t.Errorf("%s: encoding %s, want json", name, got)
		}
	}
}

// TestNumericHugeInput: what is no call is not decoded at length.
func TestNumericHugeInput(t *testing.T) {
	m := loadGuest(t, "add", nil)
	for name, in := range map[string]string{
		"many numbers": "[1" + strings.Repeat(",1", 2<<20) + "]",
		"a long text":  `["` + strings.Repeat(",", 4<<20) + `",1]`,
		"deep":         strings.Repeat("[", 4<<20),
	} {
		t.Run(name, func(t *testing.T) { wantCheapRefusal(t, m, "add", in) })
	}
}

// wantCheapRefusal checks that arguments are refused, and that this takes no more
// memory than a few times what they are.
func wantCheapRefusal(t *testing.T, m host.Module, function, in string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := call(t, m, function, []byte(in))
	runtime.ReadMemStats(&after)
	wantFailure(t, err, host.CodeInvalid)
	if took := after.TotalAlloc - before.TotalAlloc; took > 4*uint64(len(in)) {
		t.Errorf("%d bytes allocated for an input of %d", took, len(in))
	}
}

// TestNumericWithoutMemory: a guest needs no memory, and may take and give more
// values than a slot's stack holds.
func TestNumericWithoutMemory(t *testing.T) {
	for _, change := range []func(*host.Package){nil, interpreted} {
		m := loadGuest(t, "nomem", change)
		if m.Status().Memory <= 0 {
			t.Errorf("%+v: there is code at least", m.Status())
		}
		for range 3 {
			out, err := call(t, m, "wide", []byte("[1,2,3,4,5,6,7,8,9,10]"))
			if err != nil || string(out) != "[10,9,8,7,6,5,4,3,2,1]" {
				t.Errorf("%q, %v", out, err)
			}
			if out, err = call(t, m, "add", []byte("[1,2]")); err != nil || string(out) != "3" {
				t.Errorf("%q, %v", out, err)
			}
		}
	}
}

// TestEncodingOverride: the manifest's word on the encoding is passed on.
func TestEncodingOverride(t *testing.T) {
	m := loadGuest(t, "echo", func(p *host.Package) {
		p.Manifest.Encoding = map[string]host.Encoding{"upper": host.EncodingJSON}
	})
	if got := bind(t, m, "upper").Encoding(); got != host.EncodingJSON {
		t.Errorf("upper: encoding %s, want json", got)
	}
	if got := bind(t, m, "echo").Encoding(); got != host.EncodingRaw {
		t.Errorf("echo: encoding %s, want raw", got)
	}
}
