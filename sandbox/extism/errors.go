package extism

import "fmt"

// Trap ends a call: a host function could not do what the guest asked. It is
// found with errors.As in the error that the guest's function returned.
type Trap struct {
	Function string // name of the import
	Err      error
}

// Error implements error.
func (t *Trap) Error() string { return t.Function + ": " + t.Err.Error() }

// Unwrap returns the cause.
func (t *Trap) Unwrap() error { return t.Err }

// Denied is the cause of a Trap when the plugin has no right to what it asked
// for. A [Doer] may return one, too.
type Denied struct {
	Capability string // key of the manifest's "capabilities"
	Target     string // what the plugin wanted to reach
}

// Error implements error. It says how to get the right.
func (d *Denied) Error() string {
	return fmt.Sprintf("%q is not allowed: name it in the manifest's \"capabilities\": {%q: [%q]}, and have the operator's policy grant it", d.Target, d.Capability, d.Target)
}

// fault is an error without details, comparable with errors.Is.
type fault string

// Error implements error.
func (f fault) Error() string { return string(f) }

const (
	// ErrVarsDisabled is the cause of a Trap of var_set: the plugin has no variables.
	ErrVarsDisabled = fault("Vars are disabled by this host")
	// ErrVarsFull is the cause of a Trap of var_set: the limit is reached.
	ErrVarsFull = fault("Variable store is full")
	// ErrInputTooLarge is wrapped by what Begin returns.
	ErrInputTooLarge = fault("the input does not fit the arena")

	errOversize  = fault("oversize")
	errArenaFull = fault("the arena is full")
)
