package host

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

func newTestLog(t *testing.T, all *logs) *pluginLog {
	t.Helper()
	return all.open(slog.New(slog.DiscardHandler), id{Functions, "p"})
}

func texts(l *pluginLog) (texts []string) {
	for _, line := range l.lines().Lines {
		texts = append(texts, line.Text)
	}
	return texts
}

func TestLogLines(t *testing.T) {
	long := strings.Repeat("é", 3000)
	for in, want := range map[string][]string{
		"hello":                {"hello"},
		"":                     {""},
		"a\n":                  {"a"},
		"a\nb\n\nc":            {"a", "b", "", "c"},
		"a\r\n\x1b[31mred\x00": {"a ", " [31mred "},
		"\xff\u2028\u0085":     {"\ufffd  "},
		long:                   {strings.Repeat("é", 2046) + "…"},
	} {
		l := newTestLog(t, &logs{})
		l.Line(slog.LevelInfo, in)
		if got := texts(l); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%.50q becomes %.100q, want %.100q", in, got, want)
		}
	}
}

// TestLogKeepsNothingOfItsInput: a text may lie in memory that is used again.
func TestLogKeepsNothingOfItsInput(t *testing.T) {
	memory := []byte("same")
	copied := printable(unsafe.String(&memory[0], len(memory)))
	memory[0] = 'l'
	if copied != "same" {
		t.Errorf("not a copy: %q", copied)
	}
}

func TestLogBounds(t *testing.T) {
	all := &logs{}
	l := newTestLog(t, all)
	for i := range 5000 {
		l.Line(slog.LevelInfo, fmt.Sprint("line ", i))
	}
	kept := l.lines()
	if len(kept.Lines) != maxLogLines || kept.Dropped != 4000 || kept.Lines[0].Text != "line 4000" || kept.Lines[999].Text != "line 4999" {
		t.Errorf("%d lines, %d dropped, the first is %q", len(kept.Lines), kept.Dropped, kept.Lines[0].Text)
	}
	for range 5000 {
		l.Line(slog.LevelInfo, strings.Repeat("x", 10_000))
	}
	kept = l.lines()
	if l.size > maxLogSize || l.size < maxLogSize-maxLogLine-lineOverhead || all.size.Load() != l.size || kept.Dropped+uint64(len(kept.Lines)) != 10_000 {
		t.Errorf("%d bytes of %d, %d lines and %d dropped", l.size, all.size.Load(), len(kept.Lines), kept.Dropped)
	}
	l.Line(slog.LevelInfo, strings.Repeat("\n", maxLogLine))
	if len(l.lines().Lines) > maxLogLines {
		t.Error("a text of line feeds makes more lines than there may be")
	}
	l.close()
	l.Line(slog.LevelInfo, "late")
	if all.size.Load() != 0 || len(l.lines().Lines) != 0 {
		t.Errorf("closed, and it has %d bytes", all.size.Load())
	}
}

// TestLogsTogether: many plugins that flood their logs do not fill the memory,
// and none takes the room of another's last words.
func TestLogsTogether(t *testing.T) {
	all := &logs{}
	var open []*pluginLog
	for range 300 {
		l := newTestLog(t, all)
		for range 100 {
			l.Line(slog.LevelInfo, strings.Repeat("x", maxLogLine))
		}
		open = append(open, l)
	}
	if most := int64(maxLogsSize + 300*leastLogSize); all.size.Load() > most {
		t.Errorf("%d bytes, at most %d are allowed", all.size.Load(), most)
	}
	for i, l := range open {
		if len(l.lines().Lines) == 0 {
			t.Errorf("log %d lost everything", i)
		}
		l.close()
	}
	if all.size.Load() != 0 {
		t.Errorf("%d bytes are left", all.size.Load())
	}
}

func TestLogConcurrently(t *testing.T) {
	all := &logs{}
	l := newTestLog(t, all)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				l.Line(slog.LevelDebug, "x")
				_ = l.lines()
			}
		})
	}
	wg.Wait()
	if kept := l.lines(); kept.Dropped+uint64(len(kept.Lines)) != 4000 {
		t.Errorf("%d and %d", kept.Dropped, len(kept.Lines))
	}
}

func TestLogText(t *testing.T) {
	l := newTestLog(t, &logs{})
	l.Line(slog.LevelWarn, "watch out")
	l.Line(slog.LevelDebug-4, "deep")
	l.dropped = 3
	var b strings.Builder
	if n, err := l.lines().WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Error(n, err)
	}
	want := regexp.MustCompile(`^\(3 older lines were dropped\)\n\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARN watch out\n\S+ TRACE deep\n$`)
	if !want.MatchString(b.String()) {
		t.Errorf("%q", b.String())
	}
}

// TestLogGoesToHostsAtDebug: the host's own log has a guest's lines at debug
// level only.
func TestLogGoesToHostsAtDebug(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: false} {
		var b bytes.Buffer
		l := (&logs{}).open(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level})), id{Functions, "p"})
		l.Line(slog.LevelError, "boom")
		if got := strings.Contains(b.String(), "boom"); got != want {
			t.Errorf("at %v: %q", level, b.String())
		}
	}
}

func BenchmarkLogLine(b *testing.B) {
	l := (&logs{}).open(slog.New(slog.DiscardHandler), id{Functions, "p"})
	text := strings.Repeat("x", 80)
	b.ReportAllocs()
	for b.Loop() {
		l.Line(slog.LevelInfo, text)
	}
}
