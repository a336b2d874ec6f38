package extism_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"berth/sandbox/extism"
)

func TestLog(t *testing.T) {
	names := []string{"trace", "debug", "info", "warn", "error"}
	for level, from := range map[extism.Level]int{extism.LevelTrace: 0, extism.LevelDebug: 1, extism.LevelInfo: 2, extism.LevelWarn: 3, extism.LevelError: 4, extism.LevelOff: 5} {
		t.Run(level.String(), func(t *testing.T) {
			var got []string
			g := newGuest(t, "every", extism.Config{LogLevel: level, Log: func(l extism.Level, message string) {
				got = append(got, l.String()+": "+message)
			}})
			g.begin("")
			for _, name := range names {
				h := g.put("at " + name)
				g.call("log_"+name, h)
				g.want(0, "length", h) // freed, logged or not
			}
			var want []string
			for _, name := range names[from:] {
				want = append(want, name+": at "+name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("log %q, want %q", got, want)
			}
			g.want(uint64(level), "get_log_level")
		})
	}
}

func TestLogWithoutSink(t *testing.T) {
	g := newGuest(t, "every", extism.Config{})
	g.begin("")
	g.call("log_error", g.put("unheard"))
	g.want(0x7fffffff, "get_log_level")
}

func TestLogText(t *testing.T) {
	var got string
	g := newGuest(t, "every", extism.Config{Log: func(_ extism.Level, message string) { got = message }})
	long := strings.Repeat("ab€", extism.MaxLogMessage/5)
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"plain", "hello\n", "hello\n"},
		{"bad UTF-8", "a\xff\xfeb\xe2\x82", "a\uFFFDb\uFFFD"},
		{"as long as allowed", long + "abcd", long + "abcd"},
		{"only rubbish", strings.Repeat("\xff", extism.MaxLogMessage+1), "\uFFFD… (cut)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.t = t
			g.begin(c.text)
			got = "nothing"
			g.call("log_info", g.call("input_offset"))
			if got != c.want {
				t.Errorf("%d bytes, %.40q, want %.40q", len(got), got, c.want)
			}
		})
	}
	g.t = t
	for _, text := range []string{long + long, strings.Repeat("a\xff", extism.MaxLogMessage/2), strings.Repeat("€", 1<<20)} {
		g.begin(text)
		g.call("log_info", g.call("input_offset"))
		if len(got) > extism.MaxLogMessage || len(got) < extism.MaxLogMessage-20 || !utf8.ValidString(got) || !strings.HasSuffix(got, "… (cut)") {
			t.Errorf("%d bytes: %.10q … %q", len(got), got, got[max(len(got)-20, 0):])
		}
	}
	for _, h := range []uint64{0, 1, 1 << 31, 1 << 63} { // no handles: an empty message
		got = "nothing"
		g.call("log_info", h)
		if got != "" {
			t.Errorf("%q", got)
		}
	}
}
