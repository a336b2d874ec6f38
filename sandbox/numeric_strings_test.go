package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/host"
)

// TestStrings: texts are passed with a zero byte after them, or by pointer and
// length where the function takes one more parameter for each; numbers may stand
// among them.
func TestStrings(t *testing.T) {
	for _, c := range []struct{ function, in, want string }{
		{"length", `["hello"]`, "5"},
		{"length", ` [ "hello" ] ` + "\n", "5"},
		{"length", `[""]`, "0"},
		{"length", `["grüße"]`, "7"},        // bytes of UTF-8
		{"length", `["gr\u00fc"]`, "4"},     // escaped
		{"length", `["\ud83d\ude00"]`, "4"}, // a pair of surrogates
		{"length", `["\ud83d"]`, "3"},       // half of one is U+FFFD
		{"length", "[\"\xff\"]", "3"},       // and so is what is no UTF-8
		{"length", `["\"\\\/\b\f\n\r\t"]`, "8"},
		{"length", `["` + strings.Repeat("x", 50_000) + `"]`, "50000"},
		{"bytes", `["abc"]`, "294"},
		{"bytes", `[""]`, "0"},
		{"bytes", `["a\u0000b"]`, "195"}, // of known length, it may hold a zero byte
		{"pick", `["abc",1]`, "98"},
		{"pick", `["abc",3]`, "0"}, // the one behind it
		{"mixed", `[-2,"abc",0.5]`, "1.5"},
		{"mixed", `[9007199254740993,"",0]`, "9.007199254740992e+15"},
		{"two", `["same","same"]`, "1"},
		{"two", `["same","same "]`, "0"},
		{"two", `["",""]`, "1"},
		{"fit", `["four",7]`, "[4,7]"},
		{"fit", `["",7]`, "[0,7]"},
		{"fit", `[1,2,3]`, "[2,3]"}, // without texts it is a function of three numbers
		{"fit", `["x",2,3]`, "[2,3]"},
	} {
		m := loadGuest(t, "cstrings", nil)
		out, err := bind(t, m, c.function).Call(t.Context(), []byte("= "), []byte(c.in))
		if err != nil || string(out) != "= "+c.want {
			t.Errorf("%s(%.60s): %q, %v; want %q", c.function, c.in, out, err, c.want)
		}
	}
}

// TestStringArguments: what does not fit is refused, and says why; the next call
// is none the worse.
func TestStringArguments(t *testing.T) {
	m := loadGuest(t, "cstrings", nil)
	for _, c := range []struct {
		function, in string
		says         []string
	}{
		{"length", `["a\u0000b"]`, []string{"argument 1", "zero byte"}},
		{"two", `["a","b\u0000"]`, []string{"argument 2", "zero byte"}},
		{"length", `["a","b","c"]`, []string{"arguments given", "strings", "takes i32"}},
		{"length", `["a",1]`, []string{"2 arguments given, 1 of them strings"}},
		{"fit", `["a"]`, []string{"1 arguments given, 1 of them strings", "i32, i32, i32"}},
		{"fit", `["a","b"]`, []string{"2 arguments given, 2 of them strings"}},
		{"called", `["a"]`, []string{"1 arguments given", "takes none"}},
		{"real", `["a"]`, []string{`argument 1 is "a"`, "f64"}},
		{"mixed", `["a","b",1]`, []string{`argument 1 is "a"`, "i64"}},
		{"mixed", `[1,"b","c"]`, []string{`argument 3 is "c"`, "f64"}},
		{"mixed", `[1.5,"b",1]`, []string{"argument 1 is 1.5", "i64"}},
		{"pick", `["a",null]`, []string{"argument 2 is null"}},
		{"pick", `["a",["b"]]`, []string{`argument 2 is ["b"]`}},
		{"pick", `[{"a":1},0]`, []string{`argument 1 is {"a":1}`}},
		{"length", `"hello"`, []string{"JSON array"}},
		{"length", `{"a":"b"}`, []string{"JSON array"}},
		{"length", `["hello"`, []string{"JSON array"}},
		{"length", `["hello"]]`, []string{"JSON array"}},
		{"length", `["\x"]`, []string{"JSON array"}},
		{"length", `["` + strings.Repeat("x", 10_000) + `",1,2]`, []string{"arguments given"}},
	} {
		wantRefusal(t, m, c.function, c.in, c.says...)
		if out, err := call(t, m, "length", []byte(`["fine"]`)); err != nil || string(out) != "4" {
			t.Errorf("after %s(%.40s): %s, %v", c.function, c.in, out, err)
		}
	}
}

// TestStringsWithoutMalloc: a guest that exports none takes no strings, and says
// what it would take.
func TestStringsWithoutMalloc(t *testing.T) {
	m := loadGuest(t, "add", nil)
	_, err := call(t, m, "add", []byte(`["1",2]`))
	wantFailure(t, err, host.CodeInvalid, `argument 1 is "1"`, "malloc", "memory")
	if n := m.Status().Instances; n != 1 {
		t.Errorf("%d instances: a wrong argument should not cost one", n)
	}
}

// TestHostileMalloc: a malloc that lies, traps or never returns ends the call,
// nothing else. 1001 to 1005 are the sizes that it does so for.
func TestHostileMalloc(t *testing.T) {
	text := func(size int) []byte { return fmt.Appendf(nil, `["%s"]`, strings.Repeat("x", size)) }
	for form, change := range map[string]func(*host.Package){
		"compiled": func(*host.Package) {}, "interpreted": interpreted, "fresh": isolated("fresh"), "instance": isolated("instance"),
	} {
		t.Run(form, func(t *testing.T) {
			m := loadGuest(t, "cstrings", func(p *host.Package) { p.Limits.Timeout = 50 * time.Millisecond; change(p) })
			for _, c := range []struct {
				function string
				size     int // of the text
				code     host.Code
				says     []string
			}{
				{"length", 1000, host.CodeTooLarge, []string{"no room", "1000 bytes"}},
				{"length", 1001, host.CodeTrap, []string{"malloc(1002) returned 4294967280", "65536 bytes"}},
				{"length", 1002, host.CodeTrap, []string{"malloc(1003) returned 64536", "65536 bytes"}},
				{"length", 1003, host.CodeTrap, []string{"unreachable"}},
				{"length", 1004, host.CodeTimeout, []string{"50ms"}},
				{"bytes", 1001, host.CodeTooLarge, []string{"no room"}},
				{"bytes", 1002, host.CodeTrap, []string{"malloc(1002) returned 4294967280"}},
				{"length", 100_000, host.CodeTrap, []string{"malloc(100001) returned 1024"}}, // more than it has
			} {
				_, err := call(t, m, c.function, text(c.size))
				wantFailure(t, err, c.code, c.says...)
				if out, err := call(t, m, "length", text(999)); err != nil || string(out) != "999" {
					t.Errorf("after a text of %d: %s, %v", c.size, out, err)
				}
			}
		})
	}
}

// TestStringsUseAnInstanceOnce: nothing frees what a guest was given, so an
// instance that was given strings is not called again, unless it is reset. One
// that was given numbers is.
func TestStringsUseAnInstanceOnce(t *testing.T) {
	for mode, resets := range map[string]bool{"keep": false, "fresh": true, "instance": false} {
		t.Run(mode, func(t *testing.T) {
			m := loadGuest(t, "cstrings", isolated(mode))
			ask := func(function, in, want string) {
				t.Helper()
				if out, err := call(t, m, function, []byte(in)); err != nil || string(out) != want {
					t.Errorf("%s(%s): %s, %v; want %s", function, in, out, err, want)
				}
			}
			for range 3 {
				ask("where", `["x"]`, "1024") // malloc's first answer
				ask("called", `[]`, "0")
			}
			again := map[string]string{"keep": "2", "fresh": "1", "instance": "1"}[mode]
			ask("touch", `[10]`, "1")
			ask("touch", `[10]`, again)
			waitFor(t, func() bool { return m.Status().Busy == 0 })
			if n := m.Status().Instances; resets && n != 1 {
				t.Errorf("%d instances: one that is reset is used again", n)
			}
		})
	}
}

// TestMallocIsNoFunction: what strings are passed with is not called by users,
// and two plugins that have it do not claim one name.
func TestMallocIsNoFunction(t *testing.T) {
	m := loadGuest(t, "cstrings", nil)
	if got, want := strings.Join(m.Functions(), " "), "bytes called fit length mixed pick real touch two where"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	_, err := m.Function("malloc")
	wantFailure(t, err, host.CodeInvalid, "how strings are passed")
}

// TestWrongStringsKeepTheInstance: a call that is refused before the guest is
// asked for room costs nothing.
func TestWrongStringsKeepTheInstance(t *testing.T) {
	m := loadGuest(t, "cstrings", isolated("keep"))
	if _, err := call(t, m, "touch", []byte("[1]")); err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{`["a","b","c"]`, `["a\u0000b"]`, `[{"a":1}]`} {
		_, err := call(t, m, "length", []byte(in))
		wantFailure(t, err, host.CodeInvalid)
		if out, err := call(t, m, "called", nil); err != nil || string(out) != "1" {
			t.Errorf("after %s it counts %s, %v: it is another instance", in, out, err)
		}
	}
}

// TestStringsHugeInput: what is no call is not decoded at length.
func TestStringsHugeInput(t *testing.T) {
	m := loadGuest(t, "cstrings", nil)
	for name, in := range map[string]string{
		"many numbers": `["x"` + strings.Repeat(",1", 2<<20) + "]",
		"many texts":   `["x"` + strings.Repeat(`,""`, 1<<20) + "]",
	} {
		t.Run(name, func(t *testing.T) { wantCheapRefusal(t, m, "length", in) })
	}
	commas := `["` + strings.Repeat(",", 50_000) + `"]`
	if out, err := call(t, m, "length", []byte(commas)); err != nil || string(out) != "50000" {
		t.Errorf("a text of commas: %s, %v", out, err)
	}
}
