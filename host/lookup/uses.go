package lookup

import (
	"iter"
	"sync"
	"sync/atomic"
)

// use tells whether a plugin was used since the policy was last told so.
type use struct {
	plugin uint64
	noted  atomic.Bool // it is in uses.fresh
}

// maxCounted is how many uses the policy is told of at one time: those that came
// first, which are of the plugins that are called most. It would drop more.
const maxCounted = 16

// uses collects which plugins were used. Only that the policy has to decide about
// something makes time pass for it: until then a plugin counts as used once,
// however often it is. So a hit costs a look at a flag that nobody writes to, a
// plugin that is called between any two loads of others is worth more than all of
// these, and one that is not held, whose every call is a load, is worth as much
// as one that is held and called as often.
type uses struct {
	mu    sync.Mutex // guards what follows
	fresh []*use
	spare []*use // empty
}

// note notes a use. It allocates nothing in the long run.
func (u *uses) note(one *use) {
	if one.noted.Load() || one.noted.Swap(true) {
		return
	}
	u.mu.Lock()
	u.fresh = append(u.fresh, one)
	u.mu.Unlock()
}

// take returns the plugins that were used since the last time, the first
// maxCounted of them. One caller at a time may call it and range over what it
// returns.
func (u *uses) take() iter.Seq[uint64] {
	u.mu.Lock()
	taken := u.fresh
	u.fresh = u.spare
	u.mu.Unlock()
	return func(yield func(uint64) bool) {
		for i, one := range taken {
			one.noted.Store(false)
			if i < maxCounted && !yield(one.plugin) {
				return
			}
		}
		clear(taken)
		u.mu.Lock()
		u.spare = taken[:0]
		u.mu.Unlock()
	}
}
