package host

import (
	"context"
	"errors"
	"fmt"
)

// Code says what kind of failure an Error is. The server maps each to a status
// in one table; docs/errors.md explains each to the operator.
type Code uint8

// The codes. A new one needs a name below, a status in the server's table and
// a row in docs/errors.md; tests walk the range.
const (
	CodeInternal    Code = iota // a fault of the host or the machine
	CodeInvalid                 // the request, the package or the manifest is wrong
	CodeConflict                // the name or a function name is taken
	CodeNotFound                // no such plugin or function
	CodeForbidden               // the operator's policy says no
	CodeTooLarge                // input over its limit
	CodeRejected                // the function itself answered with an error
	CodeTrap                    // the guest trapped, exited or broke the ABI
	CodeTimeout                 // the deadline passed
	CodeUnavailable             // no capacity now, draining, or the disk is full
	CodeCanceled                // the caller gave up
	numCodes
)

var codeNames = [numCodes]string{
	CodeInternal:    "internal",
	CodeInvalid:     "invalid",
	CodeConflict:    "conflict",
	CodeNotFound:    "not_found",
	CodeForbidden:   "forbidden",
	CodeTooLarge:    "too_large",
	CodeRejected:    "rejected",
	CodeTrap:        "trap",
	CodeTimeout:     "timeout",
	CodeUnavailable: "unavailable",
	CodeCanceled:    "canceled",
}

// Codes lists every code, in a fixed order.
func Codes() []Code {
	codes := make([]Code, numCodes)
	for i := range codes {
		codes[i] = Code(i)
	}
	return codes
}

// String returns the name used in logs and metrics.
func (c Code) String() string {
	if c < numCodes {
		return codeNames[c]
	}
	return fmt.Sprintf("Code(%d)", uint8(c))
}

// MarshalText implements encoding.TextMarshaler.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Code) UnmarshalText(text []byte) error {
	for i, name := range codeNames {
		if name == string(text) {
			*c = Code(i)
			return nil
		}
	}
	return fmt.Errorf("unknown code %q: use one of %v", text, codeNames)
}

// ErrNotFound is the cause of every CodeNotFound that eKuiper words as plain
// "not found".
var ErrNotFound = errors.New("not found")

// Error is the error of every operation of this package. Err is the cause,
// worded for the operator; Op, Plugin and Function say where it happened.
type Error struct {
	Code     Code
	Op       string // "install", "update", "drop", "register", "describe", "load", "call", ...
	Plugin   string // empty if none is meant
	Function string // empty if none is meant
	Err      error
}

// Error joins the operation, what it was about, and the cause.
func (e *Error) Error() string {
	where := e.Op
	if e.Plugin != "" {
		where += " plugin " + e.Plugin
	}
	if e.Function != "" {
		where += " function " + e.Function
	}
	if where == "" {
		return e.Err.Error()
	}
	return where + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail makes an Error with a formatted cause and no place; engines use it, and
// the host adds operation and plugin. %w wraps as in fmt.Errorf.
func Fail(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// CodeOf returns the code of the outermost Error in err's chain. The errors of
// contexts are CodeTimeout and CodeCanceled; any other is CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.DeadlineExceeded):
		return CodeTimeout
	case errors.Is(err, context.Canceled):
		return CodeCanceled
	}
	return CodeInternal
}

// Cause returns the text of err without the operation and plugin that an Error
// adds in front: what an answer shows whose own words already say them.
func Cause(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// at says where err happened. The innermost code stays; places that are set
// already stay too.
func at(err error, op, plugin, function string) error {
	if err == nil {
		return nil
	}
	out := &Error{Code: CodeOf(err), Op: op, Plugin: plugin, Function: function, Err: err}
	if e, ok := err.(*Error); ok {
		out.Err = e.Err
		if e.Plugin != "" {
			out.Plugin = e.Plugin
		}
		if e.Function != "" {
			out.Function = e.Function
		}
	}
	return out
}
