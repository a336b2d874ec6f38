package host

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Cache keeps the functions of activated plugins at hand, within a budget.
// What it says is never trusted: a bound function is acquired before use, and
// that fails once its plugin was dropped, replaced or evicted.
//
// All methods are safe for concurrent use.
type Cache interface {
	// Get returns the function bound under a name. It is on the hot path.
	// The cache must not keep name.
	Get(name string) (*Bound, bool)

	// Put offers an activation. The cache may refuse it, now or later, or
	// make room by letting others go: for each activation that it lets go it
	// calls Evict, exactly once, and may do so before Put returns.
	Put(*Activation)

	// Remove forgets an activation without evicting it.
	Remove(*Activation)
}

// Activation is one loaded plugin: its module, its bound functions and the
// calls inside. It ends when the plugin is dropped or replaced, or when the
// cache evicts it; the next call then makes a new one.
type Activation struct {
	host    *Host
	plugin  *plugin
	module  Module
	report  CapabilityReport
	bound   map[string]*Bound
	gate    gate
	publish sync.Once
	inTurn  bool // it has one of Host.turns until it was offered to the cache
	end     sync.Once
	ended   chan struct{} // closed when the module is
}

// Bound is one function of an activation.
type Bound struct {
	activation *Activation
	function   Function
	name       string
	input      int64 // limit, bytes
	stats      *stats
}

// Activation returns what the function belongs to.
func (b *Bound) Activation() *Activation { return b.activation }

// Plugin identifies the plugin among all that this process ever installed; it
// stays the same when the plugin is evicted, updated and activated again, so a
// cache can count its popularity by it.
func (a *Activation) Plugin() uint64 { return a.plugin.lasting.serial }

// Bound returns the activation's functions by name. It must not be changed.
func (a *Activation) Bound() map[string]*Bound { return a.bound }

func (a *Activation) encodings() map[string]Encoding {
	encodings := make(map[string]Encoding, len(a.bound))
	for name, b := range a.bound {
		encodings[name] = b.function.Encoding()
	}
	return encodings
}

// Cost is what the activation holds now, in bytes; at least 1.
func (a *Activation) Cost() int64 { return max(a.module.Status().Memory, 1) }

// Evict is called by the cache when it lets the activation go. It returns at
// once; the module is closed after its last call.
func (a *Activation) Evict() {
	a.gate.close()
	a.plugin.forget(a)
	a.host.background(a.close) // if it is too late for that, Host.Close closes it
}

// close shuts the gate, waits for the calls inside until the host's drain time
// is over or the context of Host.Close ends, and closes the module. All callers
// return when that is done.
func (a *Activation) close() {
	a.end.Do(func() {
		a.gate.close()
		ctx, cancel := context.WithTimeout(a.host.patience, a.host.config.Drain)
		defer cancel()
		if err := a.gate.wait(ctx); err != nil {
			a.host.log.Warn("calls still run after the drain time: interrupting them",
				"plugin", a.plugin.record.id().String(), "calls", a.gate.inside(), "drain", a.host.config.Drain)
		}
		// An interrupted call gets a moment to end.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
		defer cancel()
		if err := a.module.Close(grace); err != nil {
			a.host.log.Error("closing a plugin's module failed", "plugin", a.plugin.record.id().String(), "error", err)
		}
		fuel := a.module.Status().Fuel
		a.plugin.mu.Lock()
		delete(a.plugin.live, a)
		a.plugin.lasting.fuel.Add(fuel) // together: nobody sees it in both places, or in none
		a.plugin.mu.Unlock()
		close(a.ended)
	})
}

// plugin is one installed version of a plugin, activated or not.
type plugin struct {
	record  Record // never changed
	lasting *lasting

	mu       sync.Mutex // guards what follows; never held across I/O
	active   *Activation
	live     map[*Activation]struct{} // active, and evicted ones that are not closed yet
	loading  *loading
	retired  bool      // dropped or replaced: nothing is activated any more
	lastLoad error     // why the last activation failed; nil if it did not
	failedAt time.Time // when that was
	lastCall *CallError
}

// maxLive is how many modules of one plugin there may be at one time. There is
// more than one when the cache evicts an activation that calls are still inside
// of: what it holds is on nobody's account, so it must not be many.
const maxLive = 2

// loading is an activation under way, however many wait for it.
type loading struct {
	cancel  context.CancelFunc
	done    chan struct{}
	waiters int   // guarded by plugin.mu
	err     error // set before done is closed
}

// errRetired tells a caller to look into the index again.
var errRetired = Fail(CodeUnavailable, "the plugin was just replaced")

// enter returns an activation that the caller is inside of, loading the plugin
// if it is not loaded. ctx bounds the waiting only.
func (p *plugin) enter(ctx context.Context, h *Host) (*Activation, uint32, error) {
	for {
		p.mu.Lock()
		if p.retired {
			p.mu.Unlock()
			return nil, 0, errRetired
		}
		if a := p.active; a != nil {
			if stripe, ok := a.gate.enter(); ok {
				p.mu.Unlock()
				a.published()
				return a, stripe, nil
			}
			p.active = nil // evicted a moment ago
		}
		l := p.loading
		if l == nil && p.lastLoad != nil && time.Since(p.failedAt) < h.config.LoadRetry {
			err := p.lastLoad // a broken build must not be compiled for every call
			p.mu.Unlock()
			return nil, 0, err
		}
		if l == nil && len(p.live) >= maxLive {
			ended := p.anyLive().ended
			p.mu.Unlock()
			select {
			case <-ended:
				continue
			case <-ctx.Done():
				return nil, 0, ctx.Err()
			}
		}
		if l == nil {
			l = p.startLoading(h)
		}
		l.waiters++
		p.mu.Unlock()
		if err := p.await(ctx, l); err != nil {
			return nil, 0, err
		}
	}
}

// anyLive returns one of the live activations, of which there must be one. The
// caller holds mu.
func (p *plugin) anyLive() *Activation {
	for a := range p.live {
		return a
	}
	panic("host: no live activation")
}

// await waits for a load to end.
func (p *plugin) await(ctx context.Context, l *loading) error {
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	l.waiters--
	var orphan *Activation
	if l.waiters == 0 && p.loading != l {
		orphan = p.active
	}
	p.mu.Unlock()
	if orphan != nil { // nobody else will offer it to the cache
		orphan.published()
	}
	return ctx.Err()
}

// startLoading begins an activation. The caller holds mu.
func (p *plugin) startLoading(h *Host) *loading {
	ctx, cancel := context.WithCancel(h.life)
	l := &loading{cancel: cancel, done: make(chan struct{})}
	p.loading = l
	started := h.background(func() {
		defer cancel()
		a, err := h.loadInTurn(ctx, p)
		p.finishLoading(h, l, a, err)
	})
	if !started {
		cancel()
		l.err, p.loading = errClosing, nil
		close(l.done)
	}
	return l
}

// activate makes a the one that calls enter. The caller holds mu, or nobody else
// sees the plugin yet.
func (p *plugin) activate(a *Activation) {
	p.active = a
	if p.live == nil {
		p.live = map[*Activation]struct{}{}
	}
	p.live[a] = struct{}{}
}

func (p *plugin) finishLoading(h *Host, l *loading, a *Activation, err error) {
	p.mu.Lock()
	p.loading = nil
	p.lastLoad, p.failedAt = err, time.Now()
	switch {
	case h.life.Err() != nil:
		err = errClosing
	case p.retired: // whatever became of it, the waiters want the successor
		err = errRetired
	case err == nil:
		p.activate(a)
	}
	orphan := err == nil && l.waiters == 0
	l.err = err
	p.mu.Unlock()
	if err != nil && a != nil {
		a.arrive(func() {})
		a.close()
	}
	close(l.done)
	if orphan {
		a.published()
	}
}

// published offers the activation to the cache, once. It happens after the
// first caller is inside: an activation that the cache refuses at once serves
// that call all the same.
func (a *Activation) published() {
	a.arrive(func() { a.host.cache.Put(a) })
}

// arrive runs f, which offers the activation to the cache, and ends its turn;
// whatever comes later does nothing.
func (a *Activation) arrive(f func()) {
	a.publish.Do(func() {
		f()
		if a.inTurn {
			<-a.host.turns
		}
	})
}

// forget makes the next call load the plugin again.
func (p *plugin) forget(a *Activation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active == a {
		p.active = nil
	}
}

// withdraw takes the plugin out of the cache, and lets no call in any more. It
// does not wait, and is idempotent.
func (p *plugin) withdraw(h *Host) {
	p.mu.Lock()
	p.retired = true
	a, l := p.active, p.loading
	p.mu.Unlock()
	if l != nil {
		l.cancel()
	}
	if a != nil {
		a.gate.close()
		a.arrive(func() {}) // lets one under way end, and no more begin
		h.cache.Remove(a)
	}
}

// retire ends the plugin's activations for good and returns when the last call
// is over and the last module closed.
func (p *plugin) retire(h *Host) {
	p.withdraw(h)
	p.mu.Lock()
	l := p.loading
	p.mu.Unlock()
	if l != nil {
		<-l.done
	}
	p.mu.Lock()
	p.active = nil
	live := slices.Collect(maps.Keys(p.live))
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, a := range live {
		wg.Go(a.close)
	}
	wg.Wait()
}
