package extism

import (
	"math"
	"strings"
	"unicode/utf8"
)

// MaxLogMessage bounds a log message, in bytes; a longer one is cut, and says so.
const MaxLogMessage = 16 << 10

// cutMark ends a text that was cut.
const cutMark = "… (cut)"

// Level is the weight of a log message, in the ABI's own numbers.
type Level int32

// The levels. A plugin that reads LevelOff logs nothing.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
	LevelOff Level = math.MaxInt32
)

// String returns the level's name.
func (l Level) String() string {
	switch l {
	case LevelTrace:
		return "trace"
	case LevelDebug:
		return "debug"
	case LevelInfo:
		return "info"
	case LevelWarn:
		return "warn"
	case LevelError:
		return "error"
	}
	return "off"
}

// logLevel is the import "get_log_level".
func (k *Kernel) logLevel() Level {
	if k.config.Log == nil {
		return LevelOff
	}
	return k.config.LogLevel
}

// log is the import "log_" and the level's name.
func (k *Kernel) log(level Level, message uint64) error {
	text := k.take(message)
	if level < k.logLevel() {
		return nil
	}
	k.config.Log(level, readable(text, MaxLogMessage))
	return k.spend(callWork + min(len(text), MaxLogMessage))
}

// readable makes valid UTF-8 of at most limit bytes of a guest's text.
func readable(p []byte, limit int) string {
	text := strings.ToValidUTF8(string(p[:min(len(p), limit)]), "\uFFFD")
	if len(p) <= limit && len(text) <= limit {
		return text
	}
	end := min(len(text), limit-len(cutMark))
	for 0 < end && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cutMark
}
