package goplugin

import (
	"fmt"
	"log/slog"

	"berth/host"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// logger writes to the log of a plugin.
type logger struct{ to host.PluginLog }

var _ api.Logger = logger{}

func newLogger(to host.PluginLog) logger {
	if to == nil {
		to = silent{}
	}
	return logger{to}
}

type silent struct{}

// Line implements host.PluginLog.
func (silent) Line(slog.Level, string) {}

func (l logger) print(level slog.Level, args []any) { l.to.Line(level, fmt.Sprint(args...)) }

func (l logger) printf(level slog.Level, format string, args []any) {
	l.to.Line(level, fmt.Sprintf(format, args...))
}

// Debug implements api.Logger, and so do the others.
func (l logger) Debug(args ...any) { l.print(slog.LevelDebug, args) }

// Info logs.
func (l logger) Info(args ...any) { l.print(slog.LevelInfo, args) }

// Warn logs.
func (l logger) Warn(args ...any) { l.print(slog.LevelWarn, args) }

// Error logs.
func (l logger) Error(args ...any) { l.print(slog.LevelError, args) }

// Debugf logs.
func (l logger) Debugf(format string, args ...any) { l.printf(slog.LevelDebug, format, args) }

// Infof logs.
func (l logger) Infof(format string, args ...any) { l.printf(slog.LevelInfo, format, args) }

// Warnf logs.
func (l logger) Warnf(format string, args ...any) { l.printf(slog.LevelWarn, format, args) }

// Errorf logs.
func (l logger) Errorf(format string, args ...any) { l.printf(slog.LevelError, format, args) }
