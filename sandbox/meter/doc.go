// Package meter rewrites WebAssembly modules so that they count what they do and
// can be stopped.
//
// wazero can neither stop a running guest cheaply nor let the garbage collector
// stop the world while one runs. A metered module does both by itself: it has a
// global with the fuel that is left. It takes from that as it runs, and when the
// fuel is below zero it calls the host, which gives more or ends the call.
//
// # Where fuel is taken
//
// At the entry of each function and in the header of each loop that something
// jumps back to, for the longest way through the code that follows: of the two
// arms of an if the longer one counts, and of the targets of a br_table the
// farthest. A loop pays for one round without the loops inside it; what follows
// a loop is paid by what is around it. Code that may be left out pays for itself
// where that is much: there, fuel is taken without a look at what is left. In a
// long run of instructions there is such a look every now and then.
//
// A loop of a few instructions that calls nothing is written with two rounds, and
// looks at the fuel once for both. Each is paid for when it begins all the same.
//
// So fuel is at least the number of instructions executed. It does not depend on
// the machine, on what the host gives at a time, or on what ran before. A few
// instructions cost more than 1, those that take long: calls of the host, to
// grow a memory or a table, to throw. Instructions with a length (memory.fill,
// memory.copy, memory.init, table.fill, table.copy, table.init) pay for it before
// they begin: 1 for 64 bytes, or for 8 elements of a table.
//
// A small function without calls and loops that is only ever called by name
// takes nothing: its callers pay for it. Every function that calls anything looks
// at the fuel when it is entered, so no recursion escapes, by tail calls neither.
//
// Between two looks, no more than about ten thousand instructions are executed,
// and one instruction with a length.
//
// # What else changes
//
// Two types, an import, a function and a global are added, each after what is
// there, and exports. So the functions that a module defines move up by one;
// whatever names them is changed to fit, the name section too. A name section
// that is malformed is left out. So are custom sections that hold places in the
// code: .debug_*, sourceMappingURL, external_debug_info, linking, reloc.* and
// metadata.code.* (branch hints). A module that defines no function gets the
// global and the exports only.
//
// A select with a type that takes more than one byte is written with one: wazero
// 1.12 runs the others as if the rest of the type were an instruction.
//
// # What may be compiled
//
// wazero takes minutes to compile some small modules, and gigabytes. So what
// matters for that is counted while the code is read, and a module with too much
// of it is refused: see MaxWork and the limits beside it.
//
// # What is not seen
//
// memory.atomic.wait sleeps in the host, and a function of the host takes the
// time that it takes: neither can be interrupted here.
package meter
