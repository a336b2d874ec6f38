package lookup

import (
	"time"

	"berth/host"
)

// weighEvery weighs until the table closes.
func (t *Table) weighEvery(interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.weigh()
		case <-t.stop:
			return
		}
	}
}

// weigh asks every activation what it holds now, and offers those that changed
// to the policy again at their new cost: one that grew has to be worth it, or
// goes.
func (t *Table) weigh() {
	for _, e := range t.snapshot() {
		cost := e.activation.Cost()
		if difference := max(cost-e.cost, e.cost-cost); difference <= e.cost/16 {
			continue
		}
		t.order.Lock()
		if !t.closed {
			t.countUses()
		}
		leaves := t.recost(e.activation, cost) && !t.offer(e.activation, cost, true)
		t.order.Unlock()
		if leaves {
			t.leave(e.activation)
		}
		t.garbage.turn(max(cost-e.cost, 0)) // what it took, others had to give
	}
}

func (t *Table) snapshot() []entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]entry, 0, len(t.held))
	for _, e := range t.held {
		all = append(all, e)
	}
	return all
}

// recost notes a new cost; false if the activation is not held any more.
func (t *Table) recost(a *host.Activation, cost int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	plugin := a.Plugin()
	e := t.held[plugin]
	if e.activation != a {
		return false
	}
	t.held[plugin] = entry{a, cost}
	t.bytes += cost - e.cost
	return true
}
