package enginetest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"berth/host"
)

func callCases() []testCase {
	return []testCase{
		{name: "call", run: testCall},
		{name: "empty input", run: testEmptyInput},
		{name: "big payload", run: testBigPayload},
		{name: "result is appended", run: testAppend},
		{name: "result is the caller's", run: testResultOwned},
		{name: "input is only read", run: testInputKept},
		{name: "concurrent calls", run: testConcurrentCalls},
		{name: "guest error", run: testGuestError},
		{name: "functions", run: testFunctions},
		{name: "unknown function", run: testUnknownFunction},
		{name: "status", run: testStatus},
	}
}

func testCall(t *testing.T, s Subject) {
	m := s.load(t, limits())
	f := bind(t, m, s.Functions.Echo)
	if got := f.Encoding(); got != host.EncodingRaw {
		t.Errorf("encoding %s, want raw", got)
	}
	for _, in := range []string{"x", "hello", "a\x00b\xff", "grüße"} {
		out, err := f.Call(t.Context(), nil, []byte(in))
		if err != nil || string(out) != in {
			t.Errorf("echo(%q): %q, %v", in, out, err)
		}
	}
}

func testEmptyInput(t *testing.T, s Subject) {
	f := bind(t, s.load(t, limits()), s.Functions.Echo)
	for _, in := range [][]byte{nil, {}} {
		out, err := f.Call(t.Context(), nil, in)
		if err != nil || len(out) != 0 {
			t.Errorf("echo(%#v): %q, %v", in, out, err)
		}
		out, err = f.Call(t.Context(), []byte("before"), in)
		if err != nil || string(out) != "before" {
			t.Errorf("echo(%#v) after %q: %q, %v", in, "before", out, err)
		}
	}
}

// pattern is n bytes that differ from place to place and from seed to seed.
func pattern(n, seed int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8 + i>>16 + seed)
	}
	return p
}

func testBigPayload(t *testing.T, s Subject) {
	f := bind(t, s.load(t, limits()), s.Functions.Echo)
	var out []byte
	for i, size := range []int{1 << 20, 1<<20 + 17, 64<<10 - 1, 4 << 20, 3} {
		in := pattern(size, i)
		var err error
		if out, err = f.Call(t.Context(), out[:0], in); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(out, in) {
			t.Errorf("%d bytes: the result (%d bytes) is not the input", size, len(out))
		}
	}
}

func testAppend(t *testing.T, s Subject) {
	m := s.load(t, limits())
	echo := bind(t, m, s.Functions.Echo)
	dst := append(make([]byte, 0, 64), "before:"...)
	out, err := echo.Call(t.Context(), dst, []byte("after"))
	if err != nil || string(out) != "before:after" {
		t.Fatalf("%q, %v; want %q", out, err, "before:after")
	}
	if &out[0] != &dst[0] {
		t.Error("dst had room for the result, and another array was allocated")
	}
	dst = []byte("full")
	if out, err = echo.Call(t.Context(), dst[:4:4], []byte(" and more")); err != nil || string(out) != "full and more" {
		t.Errorf("dst without room: %q, %v", out, err)
	}
	out, err = bind(t, m, s.Functions.Fail).Call(t.Context(), dst, []byte("no"))
	wantCode(t, err, host.CodeRejected)
	if string(out) != "full" || &out[0] != &dst[0] {
		t.Errorf("after an error dst is %q, want it as it was", out)
	}
	if out, err = bind(t, m, s.Functions.Fail).Call(t.Context(), nil, []byte("no")); err == nil || out != nil {
		t.Errorf("after an error a nil dst is %#v (%v), want nil", out, err)
	}
}

func testResultOwned(t *testing.T, s Subject) {
	l := limits()
	l.Instances = 1 // each call meets the memory of the one before
	echo := bind(t, s.load(t, l), s.Functions.Echo)
	for _, size := range []int{8, 4096, 1 << 20} {
		in, want := pattern(size, 1), pattern(size, 1)
		first, err := echo.Call(t.Context(), nil, in)
		if err != nil {
			t.Fatal(err)
		}
		clear(in)
		if !bytes.Equal(first, want) {
			t.Fatalf("%d bytes: the result changed with the input: it aliases it", size)
		}
		second, err := echo.Call(t.Context(), nil, pattern(size, 2))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, want) {
			t.Fatalf("%d bytes: a later call changed an earlier result", size)
		}
		clear(first)
		if !bytes.Equal(second, pattern(size, 2)) {
			t.Fatalf("%d bytes: two results share memory", size)
		}
	}
}

func testInputKept(t *testing.T, s Subject) {
	m := s.load(t, limits())
	names := []string{s.Functions.Echo, s.Functions.Fail}
	if s.Functions.Crash != "" && s.Traits.Survives {
		names = append(names, s.Functions.Crash)
	}
	for _, name := range names {
		whole := pattern(3000, 5)
		_, _ = bind(t, m, name).Call(t.Context(), nil, whole[1000:2000])
		if !bytes.Equal(whole, pattern(3000, 5)) {
			t.Errorf("%s changed its input, or what lies around it", name)
		}
	}
}

func testConcurrentCalls(t *testing.T, s Subject) {
	const callers, calls = 16, 1000
	echo := bind(t, s.load(t, limits()), s.Functions.Echo)
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			var out []byte
			for call := range calls {
				in := fmt.Appendf(nil, "caller %d call %d %s", caller, call, pattern(call%512, caller))
				var err error
				if out, err = echo.Call(t.Context(), out[:0], in); err != nil || !bytes.Equal(out, in) {
					t.Errorf("echo(%.40q): %.40q, %v", in, out, err)
					return
				}
			}
		})
	}
	group.Wait()
}

func testGuestError(t *testing.T, s Subject) {
	m := s.load(t, limits())
	fail := bind(t, m, s.Functions.Fail)
	for _, text := range []string{"the sensor is off", "größer als erlaubt: 100%", "%s %d %!"} {
		_, err := fail.Call(t.Context(), nil, []byte(text))
		wantCode(t, err, host.CodeRejected)
		if got := host.Cause(err); got != text {
			t.Errorf("the error's text is %q, want %q", got, text)
		}
		s.wantEcho(t, m)
	}
}

func testFunctions(t *testing.T, s Subject) {
	names := s.load(t, limits()).Functions()
	if len(names) == 0 {
		t.Skip("the form cannot tell")
	}
	if !slices.IsSorted(names) {
		t.Errorf("%q: not sorted", names)
	}
	for _, want := range []string{s.Functions.Echo, s.Functions.Fail, s.Functions.Crash, s.Functions.Spin} {
		if want != "" && !slices.Contains(names, want) {
			t.Errorf("%q: %q is not among them", names, want)
		}
	}
}

func testUnknownFunction(t *testing.T, s Subject) {
	m := s.load(t, limits())
	f, err := m.Function("no_such_function")
	wantCode(t, err, host.CodeInvalid)
	if f != nil {
		t.Errorf("a function beside the error: %v", f)
	}
	for _, name := range m.Functions() {
		if !bytes.Contains([]byte(err.Error()), []byte(name)) {
			t.Errorf("%q does not say that there is %q", err, name)
		}
	}
	s.wantEcho(t, m)
}

func testStatus(t *testing.T, s Subject) {
	m := s.load(t, limits())
	s.wantEcho(t, m)
	status := m.Status()
	if status.Form == "" {
		t.Error("no form")
	}
	if status.Instances < 1 || status.Instances > limits().Instances {
		t.Errorf("%d instances, want 1 to %d", status.Instances, limits().Instances)
	}
	if status.Busy != 0 {
		t.Errorf("%d instances busy, and no call is in flight", status.Busy)
	}
	if status.Memory <= 0 {
		t.Errorf("memory %d, want more than nothing", status.Memory)
	}
}
