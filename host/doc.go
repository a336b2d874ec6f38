// Package host is the domain of Berth: what a plugin, a package, an engine and
// a function are, and how packages are installed, chosen, activated, called,
// drained and dropped.
//
//	request ──► Install / Update / Drop / Register        Invoke / Acquire ◄── call
//	                │                                          │
//	  fetch, unpack │ (host/archive)                           │ Cache (host/lookup):
//	  choose, load  │ (Engine)                                 │ name → bound function
//	  commit        │ (Store: host/store)                      │ miss: index → activate
//	                ▼                                          ▼
//	          index (copy-on-write) ──► plugin ──► Activation ──► Bound ──► Function
//	                                                 gate: calls in flight, drained
//	                                                 before the Module is closed
//
// The package imports the standard library and host/archive only. Engines
// (sandbox, ...), the store and the cache import it, and are handed to New by
// the command that wires them.
//
// # Concurrency
//
// A Host is safe for concurrent use. What is installed is an immutable index
// behind an atomic pointer: calls read it without a lock. Operations on one
// plugin are serialised; operations on different plugins never wait for each
// other. No lock is held across I/O or a call into a guest.
package host
