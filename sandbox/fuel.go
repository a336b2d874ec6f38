package sandbox

import (
	"github.com/tetratelabs/wazero/api"

	"berth/sandbox/meter"
)

// refuel fills the counters for a call of limited fuel: all of it is main's,
// the other modules tick when they need some.
func (r *run) refuel() {
	for _, counter := range r.fuel {
		counter.Set(0)
	}
	r.granted = 0
	if n := len(r.fuel); n > 0 {
		r.granted = min(quantum, r.limit)
		r.fuel[n-1].Set(uint64(r.granted))
	}
}

// account adds what was used since the last time.
func (r *run) account() {
	left := int64(0)
	for _, counter := range r.fuel {
		left += int64(counter.Get())
	}
	r.used.Add(r.granted - left)
	r.granted = left
}

// total is the fuel that was used ever. The slot's owner calls it.
func (r *run) total() int64 {
	r.account()
	return r.used.Load()
}

// count takes over the fuel counter of a new instance.
func (r *run) count(fuel api.MutableGlobal) {
	r.fuel = append(r.fuel, fuel)
	r.granted += meter.InitialFuel
}

// collect takes the fuel that lies in the counters of modules that do not need it
// now, and returns what was used since begin: the limit is for all together. The
// counter of the module that ticks is below zero.
func (r *run) collect() (used int64) {
	used = r.granted
	for _, counter := range r.fuel {
		left := int64(counter.Get())
		used -= left
		if left > 0 {
			r.granted -= left
			counter.Set(0)
		}
	}
	return used
}
