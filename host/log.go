package host

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// PluginLog takes what a plugin has to say. It is safe for concurrent use, and
// never waits for whoever reads it.
type PluginLog interface {
	// Line adds a line. It is cut at 4 KiB; line feeds in it begin lines of
	// their own, and other control characters become spaces. The text is not
	// kept.
	Line(level slog.Level, text string)
}

// The bounds of logs. A log that is full drops its oldest lines.
const (
	maxLogLine  = 4 << 10   // bytes
	maxLogLines = 1000      // of one plugin
	maxLogSize  = 256 << 10 // bytes of one plugin

	// maxLogsSize is for the lines of all plugins together. Beyond it, a plugin
	// that logs makes room by dropping its own, and keeps at least leastLogSize.
	maxLogsSize  = 32 << 20
	leastLogSize = 8 << 10

	lineOverhead = 64 // bytes that a line takes beside its text
)

// logs are the logs of all plugins.
type logs struct{ size atomic.Int64 }

// open returns an empty log. What comes into it goes to log, too, at debug level.
func (l *logs) open(log *slog.Logger, i id) *pluginLog {
	return &pluginLog{all: l, plugin: i, host: log}
}

// pluginLog is the end of what one plugin logged, in memory.
type pluginLog struct {
	all    *logs
	plugin id
	host   *slog.Logger

	mu      sync.Mutex // guards what follows; held for moments only
	kept    []LogLine  // the oldest first
	size    int64      // of kept
	dropped uint64
	closed  bool
}

// LogLine is a line that a plugin logged.
type LogLine struct {
	Time  time.Time
	Level slog.Level
	Text  string // printable, without a line feed
}

func (l LogLine) size() int64 { return int64(len(l.Text)) + lineOverhead }

// Lines is the end of a plugin's log.
type Lines struct {
	Dropped uint64 // lines before them that were dropped
	Lines   []LogLine
}

var _ PluginLog = (*pluginLog)(nil)

// Line implements PluginLog.
func (l *pluginLog) Line(level slog.Level, text string) {
	now := time.Now()
	if len(text) > maxLogLine {
		text = strings.ToValidUTF8(text[:maxLogLine-len(ellipsis)], "") + ellipsis
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		l.add(LogLine{now, level, printable(line)})
	}
}

const ellipsis = "…"

// printable makes a text fit for a line: valid UTF-8 without control characters,
// which could forge lines or move a reader's cursor. It is a copy.
func printable(text string) string {
	if isPlain(text) {
		return strings.Clone(text)
	}
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	return strings.Clone(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text))
}

// isPlain tells whether all of a text is ASCII that can be seen, as most is.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func (l *pluginLog) add(line LogLine) {
	if l.host.Enabled(context.Background(), slog.LevelDebug) {
		l.host.Debug("plugin says", "plugin", l.plugin.String(), "level", levelName(line.Level), "text", line.Text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.kept = append(l.kept, line)
	l.resize(line.size())
	for l.full() {
		first := l.kept[0]
		l.kept[0] = LogLine{} // append moves what is left, sooner or later
		l.kept = l.kept[1:]
		l.resize(-first.size())
		l.dropped++
	}
}

func (l *pluginLog) resize(by int64) {
	l.size += by
	l.all.size.Add(by)
}

func (l *pluginLog) full() bool {
	return len(l.kept) > maxLogLines || l.size > maxLogSize || l.size > leastLogSize && l.all.size.Load() > maxLogsSize
}

// lines copies what is kept.
func (l *pluginLog) lines() Lines {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Lines{Dropped: l.dropped, Lines: append([]LogLine(nil), l.kept...)}
}

// close forgets all lines, and those to come.
func (l *pluginLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.resize(-l.size)
	l.kept = nil
}

// WriteTo writes the lines as text, one a line: time, level and text. If lines
// were dropped, the first line says how many.
func (l Lines) WriteTo(w io.Writer) (n int64, err error) {
	var b strings.Builder
	if l.Dropped > 0 {
		fmt.Fprintf(&b, "(%d older lines were dropped)\n", l.Dropped)
	}
	for _, line := range l.Lines {
		b.WriteString(line.Time.UTC().Format("2006-01-02T15:04:05.000Z"))
		fmt.Fprintf(&b, " %s %s\n", levelName(line.Level), line.Text)
	}
	written, err := io.WriteString(w, b.String())
	return int64(written), err
}

// levelName is the level in words; slog has none for those below debug.
func levelName(level slog.Level) string {
	if level < slog.LevelDebug {
		return "TRACE"
	}
	return level.String()
}

type discard struct{}

// Line implements PluginLog.
func (discard) Line(slog.Level, string) {}
