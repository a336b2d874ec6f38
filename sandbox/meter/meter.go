package meter

import "fmt"

// The names that a metered module shares with its host. No module may use them
// for itself.
const (
	// Module is the name of the module that Tick is imported from.
	Module = "berth:meter"
	// Tick is the name of the imported function (fuel i64) -> i64. It gets what
	// is left, which is below zero, maybe far, and returns the new fuel, which is
	// from 0 to 1<<62: below that, some code ticks again at once. It does not
	// return where the call is to end: a Go panic, such as with a *sys.ExitError,
	// unwinds the guest, and no catch clause sees it.
	Tick = "tick"
	// Fuel is the name under which the mutable i64 with the fuel is exported.
	Fuel = "berth:fuel"
	// Global begins the names under which mutable globals are exported with
	// Options.Globals; the index that the global had follows, in decimal.
	Global = "berth:global:"
	// Memory is the name under which memory 0 is exported with Options.Memory.
	Memory = "berth:memory"

	// InitialFuel is what a new instance has. A start function runs before a
	// host can set the fuel, so it ticks with the first thing that it does.
	InitialFuel = 0

	reserved = "berth:" // begins the names that guests may not export
)

// Options tell what a metered module exports besides its fuel.
type Options struct {
	// Globals exports the mutable globals that the module defines, those of a
	// number type: with the memory, they are what a snapshot has to hold.
	Globals bool
	// Memory exports memory 0, where there is one.
	Memory bool
	// Used is what other modules of the same build take to compile, the sum of
	// their Info.Work: MaxWork is for all of them together.
	Used int64
}

// Info is what the rewriter learned about a module.
type Info struct {
	// Globals are the original indices of the globals exported, ascending.
	Globals []uint32
	// ImportedMutableGlobals is true where the module shares mutable globals
	// with others: a snapshot of this module does not hold them.
	ImportedMutableGlobals bool
	// Exceptions is true where a function catches exceptions.
	Exceptions bool
	// Resettable is empty, or says why it does not bring the module's state back
	// to restore its memory and the exported globals.
	Resettable string

	Functions       int // that the module defines
	Instructions    int // of all functions, before metering
	Loops           int
	LargestFunction int // in instructions, before metering
	MostBlocks      int // that wazero makes of a function, metered
	// Work estimates what it takes to compile, in microseconds. See MaxWork.
	Work int64
}

// Unknown is the error for a module with something in it that this rewriter does
// not know, be it new or wrong. The module may still run unmetered.
type Unknown struct {
	What string // the kind of thing, such as "opcode"
	Code uint32 // its number in the binary format
	// Bounded is set where it is not too much to compile all the same. A function
	// that is not all known counts as the worst that so many bytes can be: it has
	// to be below some five kilobytes, or two where it has fifty locals.
	Bounded bool
}

// Error names the unknown thing.
func (u *Unknown) Error() string { return fmt.Sprintf("meter: unknown %s %#x", u.What, u.Code) }

// Instrument returns the metered form of a module in the binary format, which
// has not been validated. The given bytes are not changed.
//
// The error is a *TooLarge where the module, or what the options say with it,
// would take too much to compile: the scan ends at the first function that is
// beyond a limit. It is an *Unknown where something in the module is not known
// here, and then Info.Work is set, if it is bounded. Any other error means that
// the module is malformed, or that it uses names that are reserved. The result of a module that is invalid is invalid, too; so
// whatever compiles it has to validate it.
//
// Time and memory are linear in the module's size. The result is a few percent
// larger than the module, and never more than about twelve times as large.
func Instrument(wasm []byte, o Options) ([]byte, Info, error) {
	m, err := parse(wasm)
	if err != nil {
		return nil, Info{}, err
	}
	if err := m.survey(MaxWork - o.Used); err != nil {
		return nil, Info{Work: m.info.Work}, err
	}
	out, err := m.write(o)
	if err != nil {
		return nil, Info{}, err
	}
	return out, m.info, nil
}
