// Package lookup keeps the functions of activated plugins at hand, within a
// budget of bytes.
//
//	Get ──► names: sync.Map, name → *host.Bound      every call: no lock, nothing allocated
//	          ▲                │ one hit in 64
//	          │ in step        ▼
//	        held ◄──────── ristretto: plugin → activation, cost = bytes it holds
//	  plugin → activation   admits by frequency (TinyLFU), evicts the least used
//
// ristretto alone would answer Get, but a Get of it takes locks that two
// processors share (docs/performance.md). So it only decides, and the names
// follow.
//
// # What ristretto does and does not
//
// A Set is queued and decided later by one goroutine; it is dropped when the
// queue is full; a Set of a key that the queue holds already is refused when
// its turn comes; a Set of a key that is there replaces the value at once and
// its cost later, without making room. So a Table has its own account, held, of
// what it let in: whatever ristretto reports is checked against it, which also
// makes Evict happen once. For ristretto a successor is never an update: the
// predecessor's key is deleted and set anew, in one order for all (see
// Table.order), so that its size is weighed like any other's.
package lookup
