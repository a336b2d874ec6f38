package host

import (
	"context"
	"errors"
	"fmt"
)

// ErrNoBuild is what Engine.Accept returns, wrapped in an Error with CodeInvalid,
// when the package holds nothing of the engine's form. Engines finish the
// sentence: "no build for the sandbox: ...".
var ErrNoBuild = errors.New("no build")

// Engine runs packages of one form. It is safe for concurrent use.
type Engine interface {
	// Name is a short constant: "wasm", "native", "portable".
	Name() string

	// Accept says whether the engine can run the package at all: nil, or an
	// error that tells why not (ErrNoBuild, wrong target, a capability this
	// host cannot grant). It reads the package's files but runs nothing.
	Accept(p *Package) error

	// Load makes the package ready to be called. ctx bounds loading only, not
	// the life of the module. The caller owns the module and closes it.
	//
	// # Errors
	//
	// CodeInvalid when the build itself is at fault, CodeTimeout when ctx
	// ended, CodeInternal for anything else.
	Load(ctx context.Context, p *Package) (Module, error)
}

// Module is one loaded plugin. Its methods are safe for concurrent use.
type Module interface {
	// Functions lists the names that the build itself exports as functions,
	// sorted; empty if the form cannot tell.
	Functions() []string

	// Function binds one function. The error (CodeInvalid) says what is there
	// instead. The result is valid until Close.
	Function(name string) (Function, error)

	// Status tells what the module holds now.
	Status() ModuleStatus

	// Close ends the module. The host calls it when no call is in flight any
	// more, or when draining took too long: then calls that still run are
	// interrupted where the form can, and Close waits for them until ctx ends.
	// Calls made after it fail. It is idempotent.
	Close(ctx context.Context) error
}

// Function is one function of a module. It is called concurrently.
type Function interface {
	// Encoding tells what Call takes and returns.
	Encoding() Encoding

	// Call appends the result for in to dst and returns the extended slice, so
	// that a caller can reuse a buffer; on an error dst is returned as it was.
	// in is only read, and only until Call returns, and must not overlap dst's
	// spare capacity; the result is the caller's.
	//
	// # Errors
	//
	// CodeRejected: the function answered with an error of its own.
	// CodeInvalid: the arguments do not fit it. CodeTooLarge: in does not fit
	// its memory. CodeTrap: it trapped, exited, or broke its ABI.
	// CodeTimeout, CodeCanceled: the deadline of the plugin passed or ctx
	// ended. CodeUnavailable: every instance is busy, or the module is closed.
	Call(ctx context.Context, dst, in []byte) ([]byte, error)
}

// ModuleStatus is what a module holds.
type ModuleStatus struct {
	Form      string // in words: "wasm, berth ABI, compiled"
	Instances int    // instances alive
	Busy      int    // of them in a call
	Memory    int64  // bytes: compiled code and the memories of the instances
	Pid       int    // of the plugin's process; 0 if it has none of its own

	// Interruption is how calls that take too long are ended: "metered", or
	// "close-on-context-done: <why it is not metered>". Empty: they are not, or
	// the form has one way only.
	Interruption string
	// Isolation is what callers share: "keep", "fresh" or "instance". Empty if
	// the form knows no such choice.
	Isolation string
	// Fuel is what all calls of this module so far used, the failed ones too; 0
	// if it is not metered. It never falls, and can be read after Close.
	Fuel uint64
	// Unavailable is why no call can be answered although the module is loaded;
	// empty: they can.
	Unavailable string
	// Notes are what else the operator should know of how the module runs, each
	// a sentence without a full stop. They are for reading, not for programs.
	Notes []string
}

// Encoding says how a function takes its input and gives its result.
type Encoding uint8

// The encodings.
const (
	// EncodingRaw passes bytes as they are.
	EncodingRaw Encoding = iota
	// EncodingJSON takes a JSON array of arguments and gives one JSON value.
	EncodingJSON
	numEncodings
)

var encodingNames = [numEncodings]string{EncodingRaw: "raw", EncodingJSON: "json"}

// String returns the name used in manifests: "raw" or "json".
func (e Encoding) String() string {
	if e < numEncodings {
		return encodingNames[e]
	}
	return fmt.Sprintf("Encoding(%d)", uint8(e))
}

// ParseEncoding is the inverse of String.
func ParseEncoding(s string) (Encoding, error) {
	for i, name := range encodingNames {
		if name == s {
			return Encoding(i), nil
		}
	}
	return 0, fmt.Errorf("unknown encoding %q: use \"json\" or \"raw\"", s)
}

// MarshalText implements encoding.TextMarshaler.
func (e Encoding) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *Encoding) UnmarshalText(text []byte) error {
	parsed, err := ParseEncoding(string(text))
	if err != nil {
		return err
	}
	*e = parsed
	return nil
}
