package lookup

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dgraph-io/ristretto/v2"

	"berth/host"
)

// Options of New. The zero value is fine.
type Options struct {
	// Weigh is how often every activation is asked anew what it holds, since a
	// plugin grows with its calls; 0: 1 s.
	Weigh time.Duration
	// Log is told of plugins that are over the whole budget; nil: discarded.
	Log *slog.Logger
}

const (
	defaultWeigh = time.Second

	// ristretto wants ten times as many counters as keys fit. A loaded plugin
	// takes 64 KiB at the least (one page of guest memory), so budget/64 KiB of
	// them fit at most. A counter is about 5 bytes. The bounds: a thousand cost
	// nothing and still tell the hot from the cold when a small host has many
	// plugins; a million (100,000 plugins) are 5 MB.
	leastActivation = 64 << 10
	minCounters     = 1_000
	maxCounters     = 1_000_000

	// countBatch is how many uses ristretto collects before they count.
	countBatch = 1

	// maxRefused bounds the list of plugins that were reported as too big.
	maxRefused = 1024
)

// Table is a host.Cache. It is safe for concurrent use. Make one with New, end
// it with Close, after the host.
//
// An activation that alone is over the budget is refused: its plugin is loaded
// for each call and closed after it, which the log says once. Anything else
// that was refused counts as used each time it is tried, so a plugin that is
// called more often than those that are kept takes the place of one of them.
//
// The budget is kept by what is let in: when Put returns, what had to go for it
// was evicted, and what evicted activations left behind is an eighth of the
// budget at most, or else Put had it collected (see cleaner). An activation
// that must go holds its memory until its last call is over; and one that grows
// is noticed when it is next weighed (Options.Weigh).
type Table struct {
	names   sync.Map // string → *named; changed with mu held
	uses    uses
	policy  *ristretto.Cache[uint64, *host.Activation]
	garbage *cleaner
	log     *slog.Logger

	// order is held while held and policy are told of a change, and until the
	// policy has decided about it, so that both see the same changes in the
	// same order. ristretto's callbacks do not take it: they are what is waited
	// for. It is taken before mu, and guards closed.
	order  sync.Mutex
	closed bool

	// mu guards what follows, and the changes of names. No other lock is taken
	// with it held.
	mu      sync.Mutex
	held    map[uint64]entry // by plugin
	bytes   int64            // the sum of held's costs
	refused map[uint64]struct{}

	closing sync.Once
	stop    chan struct{}
	stopped sync.WaitGroup
}

type entry struct {
	activation *host.Activation
	cost       int64
}

// named is what Get finds under a name.
type named struct {
	bound *host.Bound
	use   *use
}

var _ host.Cache = (*Table)(nil)

// New returns an empty table that keeps activations of at most budget bytes in
// all; budget is at least 1.
func New(budget int64, options Options) (*Table, error) {
	if budget < 1 {
		return nil, fmt.Errorf("lookup: a budget of %d bytes: at least 1 is needed", budget)
	}
	if options.Weigh < 0 {
		return nil, errors.New("lookup: a negative Weigh")
	}
	if options.Weigh == 0 {
		options.Weigh = defaultWeigh
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	t := &Table{
		log:     options.Log,
		held:    map[uint64]entry{},
		refused: map[uint64]struct{}{},
		garbage: newCleaner(budget / garbageShare),
		stop:    make(chan struct{}),
	}
	gone := func(item *ristretto.Item[*host.Activation]) { t.leave(item.Value) }
	policy, err := ristretto.NewCache(&ristretto.Config[uint64, *host.Activation]{
		NumCounters:        min(max(10*(budget/leastActivation), minCounters), maxCounters),
		MaxCost:            budget,
		BufferItems:        countBatch,
		IgnoreInternalCost: true,
		OnEvict:            gone,
		OnReject:           gone,
		// Never replace in place: see the package's comment. This matters
		// when the key of a predecessor was deleted, and its Set, decided just
		// before, brings it back for a moment.
		ShouldUpdate: func(_, _ *host.Activation) bool { return false },
	})
	if err != nil {
		return nil, fmt.Errorf("lookup: %w", err)
	}
	t.policy = policy
	t.stopped.Go(func() { t.weighEvery(options.Weigh) })
	return t, nil
}

// Get returns the function bound under a name. It does not keep name, and
// allocates nothing.
func (t *Table) Get(name string) (*host.Bound, bool) {
	value, ok := t.names.Load(name)
	if !ok {
		return nil, false
	}
	n := value.(*named)
	t.uses.note(n.use)
	return n.bound, true
}

// Put offers an activation. It is there for Get at once, and gone again, with
// Evict, when the policy refused it; when Put returns, that is decided. An
// activation of the same plugin that is there already is evicted: this is its
// successor.
func (t *Table) Put(a *host.Activation) {
	cost := a.Cost()
	t.order.Lock()
	if !t.closed {
		t.policy.Get(a.Plugin()) // a use: counts also if it is refused
		t.countUses()
	}
	before := t.replace(a, cost)
	leaves := !t.offer(a, cost, before != nil)
	t.order.Unlock()
	if before != nil && before != a {
		before.Evict()
	}
	if leaves {
		t.leave(a)
	}
	t.garbage.turn(cost)
}

// countUses tells the policy which plugins were used since the last time. The
// caller holds order; the table is not closed.
func (t *Table) countUses() {
	for plugin := range t.uses.take() {
		t.policy.Get(plugin)
	}
}

// offer asks the policy to take an activation that is in held, and waits until
// it has decided: what it refuses, or lets go to make room, has left by then.
// false if it was not asked, and the activation has to leave. known tells that
// the policy may have the plugin. The caller holds order.
func (t *Table) offer(a *host.Activation, cost int64, known bool) bool {
	if t.closed {
		return false
	}
	plugin := a.Plugin()
	if known {
		t.policy.Del(plugin)
	}
	if cost > t.policy.MaxCost() {
		t.tooBig(a, cost)
		return false
	}
	if !t.policy.Set(plugin, a, cost) {
		return false
	}
	t.policy.Wait()
	return true
}

// Remove forgets an activation without evicting it, for good: also one that the
// policy has not decided about yet.
func (t *Table) Remove(a *host.Activation) {
	t.order.Lock()
	defer t.order.Unlock()
	if t.drop(a) && !t.closed {
		t.policy.Del(a.Plugin())
	}
}

// leave evicts an activation that the policy lets go, unless it is gone from
// the table already. nil is nothing: the policy's word for what was deleted
// while it decided.
func (t *Table) leave(a *host.Activation) {
	if a != nil && t.drop(a) {
		a.Evict()
	}
}

// replace puts an activation and its names in the place of what is held of its
// plugin, and returns that.
func (t *Table) replace(a *host.Activation, cost int64) (before *host.Activation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	plugin := a.Plugin()
	old := t.held[plugin]
	t.held[plugin] = entry{a, cost}
	t.bytes += cost - old.cost
	use := &use{plugin: plugin}
	for name, bound := range a.Bound() {
		t.names.Store(name, &named{bound, use})
	}
	if old.activation != nil && old.activation != a {
		t.unname(old.activation)
	}
	return old.activation
}

// drop takes an activation out of held, with its names; false if it is not
// there, or no longer. Whoever gets true is the only one to.
func (t *Table) drop(a *host.Activation) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	plugin := a.Plugin()
	e := t.held[plugin]
	if e.activation != a {
		return false
	}
	delete(t.held, plugin)
	t.bytes -= e.cost
	t.unname(a)
	return true
}

// unname removes the activation's names, where they are still its own. The
// caller holds mu.
func (t *Table) unname(a *host.Activation) {
	for name, bound := range a.Bound() {
		if value, ok := t.names.Load(name); ok && value.(*named).bound == bound {
			t.names.Delete(name)
		}
	}
}

// tooBig logs, once per plugin, that an activation does not fit the budget.
func (t *Table) tooBig(a *host.Activation, cost int64) {
	plugin := a.Plugin()
	t.mu.Lock()
	_, known := t.refused[plugin]
	if !known && len(t.refused) >= maxRefused {
		clear(t.refused)
	}
	t.refused[plugin] = struct{}{}
	t.mu.Unlock()
	if known {
		return
	}
	functions := make([]string, 0, len(a.Bound()))
	for name := range a.Bound() {
		functions = append(functions, name)
	}
	t.log.Warn("a plugin holds more memory than all plugins together may: it is loaded anew for each call; raise the budget or lower its limits",
		"functions", functions, "bytes", cost, "budget", t.policy.MaxCost())
}

// Usage tells how many activations are held, and the bytes they had when they
// were last weighed.
func (t *Table) Usage() (activations int, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.held), t.bytes
}

// Close evicts what is still held and ends the table's goroutines. After it Get
// finds nothing and Put evicts. It is idempotent; all callers return when the
// first is done.
func (t *Table) Close() {
	t.closing.Do(func() {
		t.order.Lock()
		t.closed = true
		t.order.Unlock()
		close(t.stop)
		t.stopped.Wait()
		// It hands everything that it has or has queued to leave.
		t.policy.Close()
	})
}
