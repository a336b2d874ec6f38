package sandbox

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
)

// stdio is what a guest reads and writes during one call.
type stdio struct {
	in  bytes.Reader
	out *answer // nil: standard output is treated as standard error is
	err output
}

func (s *stdio) stdout() io.Writer {
	if s.out != nil {
		return s.out
	}
	return &s.err
}

// output keeps the beginning of what a guest writes during one call, where the
// reason of a panic stands, and its end, where that of an exit stands; every line
// goes to the plugin's log.
type output struct {
	run  *run
	log  func(slog.Level, string)
	head []byte
	tail []byte
	line []byte
}

const (
	maxOutput = 1 << 10 // of head and tail each
	maxLine   = 4 << 10
)

// Write implements io.Writer. It never fails: a guest may write what it likes.
func (o *output) Write(p []byte) (int, error) {
	o.run.spend(len(p))
	if room := maxOutput - len(o.head); room > 0 {
		o.head = append(o.head, p[:min(len(p), room)]...)
	}
	if len(p) >= maxOutput {
		o.tail = append(o.tail[:0], p[len(p)-maxOutput:]...)
	} else {
		if over := len(o.tail) + len(p) - maxOutput; over > 0 {
			o.tail = append(o.tail[:0], o.tail[over:]...)
		}
		o.tail = append(o.tail, p...)
	}
	o.lines(p)
	return len(p), nil
}

func (o *output) lines(p []byte) {
	if o.log == nil {
		return
	}
	for {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		if room := maxLine - len(o.line); room > 0 {
			o.line = append(o.line, line[:min(len(line), room)]...)
		}
		if !ended {
			return
		}
		o.run.spend(0)
		o.flush()
		p = rest
	}
}

// flush ends a line.
func (o *output) flush() {
	if len(o.line) > 0 && o.log != nil {
		o.log(slog.LevelInfo, strings.ToValidUTF8(string(o.line), "\uFFFD"))
	}
	o.line = o.line[:0]
}

// reset forgets what a call wrote.
func (o *output) reset() {
	if len(o.tail) == 0 {
		return
	}
	o.flush()
	o.head, o.tail = o.head[:0], o.tail[:0]
}

// said is the first line written, to follow a message.
func (o *output) said() string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(o.head), []byte("\n"))
	return saying(line)
}

// last is the last line written, to follow a message.
func (o *output) last() string {
	text := bytes.TrimSpace(o.tail)
	return saying(text[bytes.LastIndexByte(text, '\n')+1:])
}

func saying(line []byte) string {
	if len(line) == 0 {
		return ""
	}
	const limit = 300
	return "; it wrote: " + strings.ToValidUTF8(string(line[:min(len(line), limit)]), "\uFFFD")
}
