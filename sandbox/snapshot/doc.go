// Package snapshot puts an instance back to the state it had after its
// initialisation, so that no call finds what another call left behind.
//
//	Allocator.Allocate ── linear memory, outside Go's heap
//	Allocator.Take     ── Snapshot: the content of the memory, the globals
//	Snapshot.Restore   ── after each call
//
// # How memory is restored
//
// Where the system is Linux, on 64 bits, and tells which pages a process has
// written to, Take moves the content of the memory into a file that lies in
// memory, and maps it into its own place, copy-on-write. A page that the guest
// writes to becomes a private one; /proc/self/pagemap tells a private page from
// one of the file. Restore reads that list and copies the private pages that
// differ from the file back. They stay private: the next call that writes to
// them causes no page fault, and a page fault costs more than copying ten pages.
// Private pages that calls have stopped changing are given back in the end, see
// [cowImage].
//
// A page that no call writes to exists once. So a snapshot of each instance is
// affordable, and it is the only one that is right without knowing the guest: two
// instances differ after initialisation where the guest asks for the time or for
// random numbers.
//
// Elsewhere memories lie in Go's heap, and Restore copies all of the content.
//
// Memory that grew during a call shrinks to its former size, except when it has
// reached its maximum: see [Snapshot.Restore].
//
// # What is not restored
//
// Tables, dropped data and element segments, and what the host holds for the
// guest, such as open files. Who uses this package keeps modules away that change
// these after initialisation. Every call finds the guest's random number
// generator in the same state, too: fresh is fresh.
package snapshot
