// Package lookup keeps the functions of activated plugins at hand, within a
// budget of bytes.
//
//	Get ──► names: sync.Map, name → *host.Bound      every call: no lock, nothing allocated
//	          ▲                │ the first hit since the last decision
//	          │ in step        ▼
//	        held ◄──────── ristretto: plugin → activation, cost = bytes it holds
//	  plugin → activation   admits by frequency (TinyLFU), evicts the least used
//
// ristretto alone would answer Get, but a Get of it takes locks that two
// processors share (docs/performance.md). So it only decides, and the names
// follow.
//
// # What a use is worth
//
// Time passes for the policy when it has to decide: when an activation is
// offered. Between two decisions a plugin was used or was not, however often.
// So a plugin that is called now and then while others come and go is worth
// more than each of these, from the first decision on, and a scan over cold
// plugins takes only each other's places (see uses).
//
// # What the budget covers
//
// What is held, by what activations say that they hold, at any time: Put returns
// when the policy has decided, and what it let go has left. An evicted
// activation is garbage after its last call, and so is much of what it takes to
// load one; a cleaner keeps that at an eighth of the budget.
//
// # What ristretto does and does not
//
// A Set is queued and decided later by one goroutine; it is dropped when the
// queue is full; a Set of a key that is there replaces the value at once and its
// cost later, without making room. So a Table waits for each decision, and has
// its own account, held, of what it let in: whatever ristretto reports is checked
// against it, which also makes Evict happen once. For ristretto a successor is
// never an update: the predecessor's key is deleted and set anew, in one order
// for all (see Table.order), so that its size is weighed like any other's.
package lookup
