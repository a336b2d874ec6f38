// Package extism is the host's side of the Extism plugin ABI: the 32 functions
// of "extism:host/env", as Go functions over one byte arena.
//
//	guest ── import "extism:host/env" ──► Instantiate: one host module a runtime
//	                                         │ find(ctx)
//	                                         ▼
//	                        Kernel, one an instance: input, output, error,
//	                        last response ── arena: []byte and a table of blocks
//
// A plugin of this ABI is called without parameters. It fetches its input from
// the arena, eight bytes an import call, and puts its output there:
//
//	k.Begin(input)              the arena is empty but for the input
//	rc, err := fn.Call(ctx)     the guest allocates, loads, stores
//	k.Result(rc)                did the guest say no?
//	k.Output()                  a view of the arena, until the next Begin
//
// # The arena
//
// A block's handle is the address of its first byte. Addresses begin at 1 GiB:
// above all that an arena can hold, so that a guest which stores at "0 + i" after
// a failed alloc hits nothing. Loads outside of the arena give 0 and stores there
// do nothing. What counts is the arena's bounds, not a block's: guests load and
// store eight bytes over the tail of a shorter block. At least eight bytes lie
// between one block and the next, so a tail store does not hit its neighbour.
//
// Blocks are made in ascending order, and a freed one is not used again before
// the next call: guests free twice, free what they made their output, and read
// what a host function freed. The limit of the arena is what bounds a call.
//
// A handle that is none (0, freed, inside a block, outside of the arena) reads
// as an empty block wherever a function takes a handle. A function that takes a
// message, a key, a value, a request or a body frees it.
//
// # What stays from one call to the next
//
// Variables, if the plugin has any ([Vars]), and the arena's memory: up to
// [KeepIdle], zeroed as far as it was written. Nothing that a guest can see
// depends on the calls before: not a byte, and neither a handle nor the arena's
// bounds.
//
// # Limits
//
// The arena with its block table: [Config.ArenaLimit], then alloc gives 0.
// Variables: the limit of [NewVars], then the call traps. The body of a
// response: [Config.MaxResponse], then the call traps. A request's description:
// [MaxRequest]; the headers of a response: [MaxHeaders]; a log message:
// [MaxLogMessage]; the text of an error: [MaxErrorText]. Work that a guest has
// done for it by the mebibyte (clearing, copying, logging) is no work of the
// guest's own and costs it no fuel: [Config.Check] is asked after each mebibyte
// of it.
package extism
