package cabi_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
	"berth/native/cabi"
)

func TestCalls(t *testing.T) {
	l := open(t, options(t, conform(t, "BERTH_OBJECT")))
	for _, c := range []struct{ name, in, out string }{
		{"echo", "a\x00b", "a\x00b"},
		{"sum", "[1.5,2]", "3.5"},
		{"named", "", "named"},
		{"version", "", "v1"},
		{"left", "", "5000"},
	} {
		if out := call(t, l, c.name, c.in); out != c.out {
			t.Errorf("%s(%q) is %q, want %q", c.name, c.in, out, c.out)
		}
	}
	if e := bind(t, l, "sum").Encoding(); e != host.EncodingJSON {
		t.Errorf("sum is %s", e)
	}
	for _, c := range []struct {
		name, in string
		code     host.Code
		says     string
	}{
		{"fail", "the sensor is off", host.CodeRejected, "the sensor is off"},
		{"fail", "not UTF-8: \xff", host.CodeRejected, "not UTF-8: \uFFFD"},
		{"mute", "", host.CodeRejected, "says nothing"},
		{"invalid", "four", host.CodeInvalid, "4 bytes are none of my arguments"},
		{"sum", "[]", host.CodeInvalid, "want two numbers"},
		{"lie", "", host.CodeTrap, "where there is room for"},
		{"code", "3\x00", host.CodeTrap, "BERTH_NONE"},
		{"code", "4\x00", host.CodeTrap, "BERTH_END"},
		{"code", "5\x00", host.CodeTrap, "there was time left"},
		{"code", "-7\x00", host.CodeTrap, "returned -7, which is none of the codes"},
	} {
		dst := append(make([]byte, 0, 256), "kept"...)
		out, err := bind(t, l, c.name).Call(t.Context(), dst, []byte(c.in))
		enginetest.WantError(t, err, c.code, c.says)
		if string(out) != "kept" {
			t.Errorf("%s: dst is %q", c.name, out)
		}
	}
}

func TestEncodingOfTheManifest(t *testing.T) {
	o := options(t, conform(t, "BERTH_OBJECT"))
	o.Package.Manifest.Encoding = map[string]host.Encoding{"echo": host.EncodingJSON}
	if e := bind(t, open(t, o), "echo").Encoding(); e != host.EncodingJSON {
		t.Errorf("echo is %s", e)
	}
}

// TestOutput: what does not fit the caller's buffer grows, in steps of any size,
// up to the limit and not beyond.
func TestOutput(t *testing.T) {
	o := options(t, conform(t, "BERTH_OBJECT"))
	o.Package.Limits.Output = 1 << 20
	l := open(t, o)
	many := bind(t, l, "many")
	want := func(n int) []byte {
		text := make([]byte, n)
		for i := range text {
			text[i] = byte('a' + i%26)
		}
		return text
	}
	for _, room := range []int{0, 1, 100, 5000, 1 << 20} {
		for _, size := range []int{0, 1, 99, 100, 101, 4096, 4097, 100_000, 1 << 20} {
			for _, step := range []int{7, 8192} {
				dst := append(make([]byte, 0, 6+room), "before"...)
				out, err := many.Call(t.Context(), dst, fmt.Appendf(nil, "%d %d", size, step))
				if err != nil || string(out[:6]) != "before" || !bytes.Equal(out[6:], want(size)) {
					t.Errorf("%d bytes in steps of %d, room for %d: %d bytes, %v", size, step, room, len(out), err)
				}
			}
		}
		for _, over := range []string{"1048577 8192", "1048577 7", "20000000 8192"} {
			out, err := many.Call(t.Context(), append(make([]byte, 0, 6+room), "before"...), []byte(over))
			enginetest.WantError(t, err, host.CodeTrap, `at most 1MiB are allowed by "limits.output"`)
			if string(out) != "before" {
				t.Errorf("dst has %d bytes", len(out))
			}
		}
	}
	long := strings.Repeat("long ", 1000)
	o.Package.Limits.Output = 16
	_, err := bind(t, open(t, o), "fail").Call(t.Context(), nil, []byte(long))
	enginetest.WantError(t, err, host.CodeRejected, long) // an error is no result
}

// hold lets n calls in, and out when all are inside.
func hold(t *testing.T, l *cabi.Library, n int) {
	t.Helper()
	for range n {
		done, release := held(t, l)
		defer func() {
			release()
			if r := receive(t, done); r.err != nil || r.out != "held" {
				t.Errorf("a held call: %q, %v", r.out, r.err)
			}
		}()
	}
	if status := l.Status(); status.Busy != n {
		t.Errorf("%+v, want %d busy", status, n)
	}
}

func figures(t *testing.T, l *cabi.Library) (libraryMost, objectMost, objects int) {
	t.Helper()
	if _, err := fmt.Sscan(call(t, l, "figures", ""), &libraryMost, &objectMost, &objects); err != nil {
		t.Fatal(err)
	}
	return
}

// TestThreadSafety: a library is entered as it says that it may be.
func TestThreadSafety(t *testing.T) {
	for _, c := range []struct {
		thread                              string
		hold                                int // calls at one time
		libraryMost, objectMost, objectsMax int
	}{
		{"BERTH_SERIAL", 1, 1, 1, 1},
		{"BERTH_OBJECT", 3, 3, 1, 3},
		{"BERTH_PARALLEL", 7, 32, 32, 1},
	} {
		t.Run(c.thread, func(t *testing.T) {
			o := options(t, conform(t, c.thread))
			o.Package.Limits.Instances, o.Package.Limits.Timeout = 3, generous
			l := open(t, o)
			hold(t, l, c.hold)
			var group sync.WaitGroup
			for range 16 {
				group.Go(func() {
					for range 50 {
						if out, err := bind(t, l, "hold").Call(t.Context(), nil, nil); err != nil || string(out) != "held" {
							t.Errorf("%q, %v", out, err)
						}
					}
				})
			}
			group.Wait()
			libraryMost, objectMost, objects := figures(t, l)
			if libraryMost < c.hold || libraryMost > c.libraryMost || objectMost > c.objectMost || objects > c.objectsMax {
				t.Errorf("%d calls in the library and %d in an object at once, %d objects", libraryMost, objectMost, objects)
			}
			if status := l.Status(); status.Instances != objects || status.Busy != 0 {
				t.Errorf("%+v, and the library has %d objects", status, objects)
			}
		})
	}
}

// TestBusy: waiting for an object ends with the plugin's timeout, with the
// caller's context, or with the object.
func TestBusy(t *testing.T) {
	for thread, says := range map[string]string{"BERTH_SERIAL": "takes one call at a time, and was busy for 50ms", "BERTH_OBJECT": "all 2 objects of the plugin were busy for 50ms"} {
		o := options(t, conform(t, thread))
		o.Package.Limits.Instances, o.Package.Limits.Timeout = 2, 50*time.Millisecond
		l := open(t, o)
		first, release := held(t, l)
		if thread == "BERTH_OBJECT" {
			_, also := held(t, l)
			defer also()
		}
		echo := bind(t, l, "echo")
		_, err := echo.Call(t.Context(), nil, nil)
		enginetest.WantError(t, err, host.CodeUnavailable, says)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err = echo.Call(ctx, nil, nil)
		enginetest.WantError(t, err, host.CodeTimeout, "the caller's deadline passed")
		cancel()
		_, err = echo.Call(ctx, nil, nil)
		if code := host.CodeOf(err); code != host.CodeTimeout {
			t.Errorf("%v", err)
		}
		release()
		if r := receive(t, first); r.err != nil || r.out != "held" { // it was over its deadline, and answers when it returns
			t.Errorf("%q, %v", r.out, r.err)
		}
		if out := call(t, l, "echo", "again"); out != "again" {
			t.Errorf("%q", out)
		}
	}
}

// TestWaiterIsServed: whoever waits gets the object when it is free.
func TestWaiterIsServed(t *testing.T) {
	o := options(t, conform(t, "BERTH_SERIAL"))
	o.Package.Limits.Timeout = generous
	l := open(t, o)
	done, release := held(t, l)
	echo := bind(t, l, "echo")
	waiting := make(chan result, 8)
	for range cap(waiting) {
		go func() {
			out, err := echo.Call(context.Background(), nil, []byte("in"))
			waiting <- result{string(out), err}
		}()
	}
	release()
	for range cap(waiting) {
		if r := receive(t, waiting); r.err != nil || r.out != "in" {
			t.Errorf("%q, %v", r.out, r.err)
		}
	}
	receive(t, done)
}

func TestServices(t *testing.T) {
	o := options(t, conform(t, "BERTH_OBJECT"))
	log, kept := &lines{}, &state{}
	o.Package.Log, o.State = log, kept
	o.Package.Grants.Config = map[string]string{"unit": "°C", "empty": ""}
	l := open(t, o)
	if want := `DEBUG {"empty":"","unit":"°C"}`; !slices.Contains(log.text, want) {
		t.Errorf("open was not given the configuration: %q", log.all())
	}
	for _, c := range []struct{ name, in, out string }{
		{"config", "unit", "°C"}, {"config", "empty", ""}, {"config", "other", "(none)"},
		{"get", "kept", "(none)"}, {"put", "one\x00two", ""}, {"get", "kept", "one\x00two"}, {"twice", "", "°Cone\x00two"},
		{"put", "", ""}, {"get", "kept", ""}, {"drop", "kept", ""}, {"drop", "kept", ""}, {"get", "kept", "(none)"},
		{"log", "two\nlines", ""}, {"null", "", "1 1 1"},
		{"log", strings.Repeat("x", 1<<20), ""},
	} {
		if out := call(t, l, c.name, c.in); out != c.out {
			t.Errorf("%s(%.20q) is %q, want %q", c.name, c.in, out, c.out)
		}
	}
	for _, line := range []string{"DEBUG two\nlines", "ERROR two\nlines"} {
		if !slices.Contains(log.text, line) {
			t.Errorf("the log has no %q", line)
		}
	}
	for _, line := range log.text {
		if len(line) > 5000 {
			t.Errorf("a line of %d bytes came through", len(line))
		}
	}
	for _, c := range []struct{ name, in, says string }{
		{"get", "", "a key of 0 bytes"}, {"get", strings.Repeat("k", 1025), "a key of 1025 bytes: 1 to 1024"}, {"drop", "", "a key of 0 bytes"},
	} {
		_, err := bind(t, l, c.name).Call(t.Context(), nil, []byte(c.in))
		enginetest.WantError(t, err, host.CodeRejected)
		if !strings.Contains(log.all(), c.says) {
			t.Errorf("the log does not say %q", c.says)
		}
	}
	kept.broken = errBroken
	for name, in := range map[string]string{"get": "kept", "put": "value", "drop": "kept"} {
		_, err := bind(t, l, name).Call(t.Context(), nil, []byte(in))
		enginetest.WantError(t, err, host.CodeRejected)
	}
	if n := strings.Count(log.all(), errBroken.Error()); n != 3 {
		t.Errorf("the log tells of %d failures of the state, want 3", n)
	}
	kept.broken = nil
	o.Package.Limits.Output = 10
	_, err := bind(t, l, "put").Call(t.Context(), nil, []byte("eleven bytes"))
	enginetest.WantError(t, err, host.CodeRejected, "put")
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.all(), "INFO closed") {
		t.Error("the object was not closed")
	}
}

// TestPanicOfTheState: what panics in the host while a library calls it must not
// cross the library.
func TestPanicOfTheState(t *testing.T) {
	log := &lines{}
	o := options(t, compileText(t, `
		static int32_t put(void *self, berth_call *call) {
			(void)self;
			return berth_printf(call, "%d", (int)berth_put(call, "panic", "x", 1));
		}
		static const berth_function functions[] = {{"put", put, BERTH_RAW, 0}};
		BERTH_EXPORT const berth_plugin berth_plugin_v1 = {BERTH_ABI, sizeof(berth_plugin), "p", NULL, BERTH_PARALLEL, NULL, NULL, functions, 1, NULL, 0, NULL, 0};`))
	o.Package.Log = log
	l := open(t, o)
	if out := call(t, l, "put", ""); out != "1" {
		t.Errorf("put is %q, want BERTH_FAILED", out)
	}
	if !strings.Contains(log.all(), "of the state") {
		t.Errorf("the log: %q", log.all())
	}
}

func TestWithoutState(t *testing.T) {
	o := options(t, conform(t, "BERTH_OBJECT"))
	o.State = nil
	l := open(t, o)
	for _, name := range []string{"get", "put", "drop"} {
		_, err := bind(t, l, name).Call(t.Context(), nil, []byte("kept"))
		enginetest.WantError(t, err, host.CodeRejected)
	}
	if log := o.Package.Log.(*lines).all(); strings.Count(log, "keeps no state") != 3 {
		t.Errorf("%q", log)
	}
}

func TestRemaining(t *testing.T) {
	o := options(t, conform(t, "BERTH_PARALLEL"))
	o.Package.Limits.Timeout = 0
	l := open(t, o)
	if out := call(t, l, "left", ""); out != "2147483647" {
		t.Errorf("without a deadline %s ms are left", out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	out, err := bind(t, l, "left").Call(ctx, nil, nil)
	if s := string(out); err != nil || !strings.HasPrefix(s, "3599") && s != "3600000" {
		t.Errorf("of an hour %s ms are left, %v", out, err)
	}
}

// TestGC: buffers stay where they are while a library has them, and what it is
// handed is right, whatever the collector does meanwhile.
func TestGC(t *testing.T) {
	l := open(t, options(t, conform(t, "BERTH_PARALLEL")))
	echo := bind(t, l, "echo")
	var group sync.WaitGroup
	for caller := range 4 {
		group.Go(func() {
			for i := range 3000 {
				in := bytes.Repeat([]byte{byte(caller), byte(i)}, 1+i%700)
				out, err := echo.Call(t.Context(), make([]byte, 0, i%2000), in)
				if err != nil || !bytes.Equal(out, in) {
					t.Errorf("%d bytes: %d, %v", len(in), len(out), err)
					return
				}
			}
		})
	}
	stop := make(chan struct{})
	var collector sync.WaitGroup
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				enginetest.HeapInUse()
			}
		}
	})
	group.Wait()
	close(stop)
	collector.Wait()
}
