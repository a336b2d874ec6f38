package sandbox

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"berth/host"
	"berth/sandbox/extism"
)

const (
	// quantum is the fuel between two ticks: some ten microseconds of work.
	quantum = 150_000
	// turnTime is how long a guest runs before it lets others have the
	// processor, or its place.
	turnTime = 100 * time.Microsecond
)

// run is the call that a slot is busy with. It is the context of every call into
// the slot's guest, made once and used for each: host functions get it back from
// wazero and find the slot by it.
//
// A metered guest calls tick when its fuel is used up, and is interrupted there.
// The clock starts with the first tick, or the first host function that waits,
// so that a call that is over before costs no look at it. A guest that could not
// be metered is watched: wazero interrupts it when the run is done.
//
// Only the slot's owner may call its methods, but for interrupt.
type run struct {
	context.Context // for Deadline and Value: none

	timeout   time.Duration // of a call; 0: none
	limit     int64         // of fuel, of a call; 0: none
	admission *admission
	watch     *deadline // nil if the guest is metered

	// What host functions find by the run.
	function string         // that is called
	kernel   *extism.Kernel // of the Extism ABI
	wapc     *wapcGuest     // of the waPC ABI

	caller  context.Context
	stop    func() bool // of watch
	watched bool        // the time of watch runs
	started time.Time   // when the clock was; zero until then
	turn    time.Time   // since when the guest has the processor
	placed  bool        // it has a place

	fuel    []api.MutableGlobal // the counters of the instance's modules, main last
	granted int64               // fuel put into the counters since the last account
	used    atomic.Int64        // fuel used ever, as of the last account; others read it

	work int // of host functions since the last look at the clock, in bytes

	why atomic.Pointer[host.Error] // set once: the slot is not used again

	mu     sync.Mutex         // guards cancel
	cancel context.CancelFunc // of a host function that waits; nil while none does
}

// runKey finds a run below the contexts that instantiation wraps around it.
type runKey struct{}

// runOf returns the run of a call into the guest from a host function's context.
func runOf(ctx context.Context) *run {
	if r, ok := ctx.(*run); ok {
		return r
	}
	r, _ := ctx.Value(runKey{}).(*run)
	return r
}

// newRun makes the run of a slot. With watched it is done when the timeout
// passes; otherwise ticks must come.
func newRun(timeout time.Duration, a *admission, watched bool) *run {
	r := &run{Context: context.Background(), timeout: timeout, admission: a, caller: context.Background()}
	if watched {
		r.watch = newDeadline(timeout)
	}
	return r
}

// Value implements context.Context.
func (r *run) Value(key any) any {
	if key == (runKey{}) {
		return r
	}
	return nil
}

// Done implements context.Context: nil if the guest is metered.
func (r *run) Done() <-chan struct{} {
	if r.watch == nil {
		return nil
	}
	return r.watch.Done()
}

// Err implements context.Context, in the terms that wazero knows.
func (r *run) Err() error {
	if r.watch == nil {
		return nil
	}
	return r.watch.Err()
}

// begin begins a call. end must be called when it is over, also if it fails.
func (r *run) begin(caller context.Context, function string) error {
	r.caller, r.function, r.started = caller, function, time.Time{}
	if r.limit > 0 {
		r.refuel()
	}
	if r.watch == nil {
		return nil
	}
	r.start()
	r.stop, r.watched = nil, false
	if why := r.place(); why != nil {
		return why
	}
	r.stop, r.watched = r.watch.begin(caller), true
	return nil
}

// end ends a call. It returns false if the guest was interrupted or is about to
// be: then the slot must not be used again.
func (r *run) end() bool {
	r.caller = context.Background()
	if r.placed {
		r.leave()
	}
	if r.limit > 0 || !r.started.IsZero() {
		r.account()
	}
	if r.watched && !r.watch.end(r.stop) {
		return false
	}
	return r.why.Load() == nil
}

// cause is why the guest was interrupted; nil if it was not.
func (r *run) cause() error {
	if why := r.why.Load(); why != nil {
		return why
	}
	if r.watch != nil {
		return r.watch.cause()
	}
	return nil
}

// interrupt ends the call under way, and every later one, with an error. It may
// be called concurrently; the first error stays.
func (r *run) interrupt(why *host.Error) {
	r.why.CompareAndSwap(nil, why)
	if r.watch != nil {
		r.watch.fire(why)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel != nil {
		r.cancel()
	}
}

// start starts the clock of the call.
func (r *run) start() {
	if r.started.IsZero() {
		r.started = time.Now()
		r.turn = r.started
	}
}

// tick is called by the guest when its fuel is used up: left is what is over,
// less than nothing. It returns what the guest has from then on. It panics with
// the cause if the call must end.
func (r *run) tick(left int64) int64 {
	now := time.Now()
	if r.started.IsZero() {
		r.started, r.turn = now, now
	}
	used := r.granted - left
	if r.limit > 0 && len(r.fuel) > 1 {
		used = r.collect()
	}
	r.check(now, used)
	switch {
	case !r.placed && r.watch == nil:
		r.mustPlace()
	case now.Sub(r.turn) >= turnTime:
		r.yield()
	}
	grant := int64(quantum)
	if r.limit > 0 {
		grant = min(grant, r.limit-r.granted)
	}
	r.granted += grant
	return left + grant
}

// checkpoint is for host functions that work long on behalf of the guest. The
// error ends the call.
func (r *run) checkpoint() error {
	r.start()
	if why := r.fault(time.Now(), 0); why != nil {
		return why
	}
	return nil
}

const (
	// workStep is how many bytes host functions move between two looks at the
	// clock.
	workStep = 1 << 20
	// leastWork is what any such function counts for, in bytes.
	leastWork = 1 << 10
)

// spend is called by host functions that move n bytes for the guest, which costs
// it no fuel. It panics with the reason if the call must end.
func (r *run) spend(n int) {
	if r.work += max(n, leastWork); r.work < workStep {
		return
	}
	r.work = 0
	r.start()
	r.check(time.Now(), 0)
	if !r.placed {
		r.mustPlace()
	}
}

// check panics with the reason why the call must end, if there is one.
func (r *run) check(now time.Time, used int64) {
	if why := r.fault(now, used); why != nil {
		panic(why)
	}
}

// fault is why the call must end, nil if it need not.
func (r *run) fault(now time.Time, used int64) *host.Error {
	if r.why.Load() == nil {
		switch err := r.caller.Err(); {
		case err != nil:
			r.why.CompareAndSwap(nil, callerError(err))
		case r.timeout > 0 && now.Sub(r.started) >= r.timeout:
			r.why.CompareAndSwap(nil, timeoutError(r.timeout))
		case r.limit > 0 && used > r.limit:
			r.why.CompareAndSwap(nil, host.Fail(host.CodeTimeout, "it used up its fuel of %d and was interrupted", r.limit))
		}
	}
	return r.why.Load()
}

// yield lets others run: those who wait for a place, else whatever goroutines
// are ready.
func (r *run) yield() {
	if r.placed && r.admission.waited() {
		r.leave()
		r.mustPlace()
	} else {
		runtime.Gosched()
	}
	r.turn = time.Now()
}

// place gets the call a place among those that run, and waits for it.
func (r *run) place() *host.Error {
	if r.admission.take() {
		r.placed = true
		return nil
	}
	ctx, done := r.waiting()
	defer done()
	if err := r.admission.wait(ctx); err != nil {
		return r.waitError()
	}
	r.placed, r.turn = true, time.Now()
	return nil
}

func (r *run) mustPlace() {
	if why := r.place(); why != nil {
		r.why.CompareAndSwap(nil, why)
		panic(r.why.Load())
	}
}

// waitError is why waiting ended early.
func (r *run) waitError() *host.Error {
	if why := r.why.Load(); why != nil {
		return why
	}
	if err := r.caller.Err(); err != nil {
		return callerError(err)
	}
	return timeoutError(r.timeout)
}

func (r *run) leave() {
	r.placed = false
	r.admission.leave()
}

// block is for host functions that wait: their place goes to others meanwhile.
// The context ends with the call. done must be called when the waiting is over;
// it panics with the reason if the call must end.
func (r *run) block() (ctx context.Context, done func()) {
	r.start()
	if r.placed {
		r.leave()
	}
	ctx, stop := r.waiting()
	return ctx, func() {
		stop()
		now := time.Now()
		r.turn = now
		r.check(now, 0)
		if r.watch != nil { // a metered guest takes its place with the next tick
			r.mustPlace()
		}
	}
}

// waiting returns a context that ends when the call must. stop must be called.
func (r *run) waiting() (ctx context.Context, stop func()) {
	var cancel context.CancelFunc
	if r.timeout > 0 {
		ctx, cancel = context.WithDeadline(r.caller, r.started.Add(r.timeout))
	} else {
		ctx, cancel = context.WithCancel(r.caller)
	}
	r.mu.Lock()
	r.cancel = cancel
	r.mu.Unlock()
	if r.why.Load() != nil { // it was interrupted before it could be cancelled
		cancel()
	}
	return ctx, func() {
		r.mu.Lock()
		r.cancel = nil
		r.mu.Unlock()
		cancel()
	}
}

// renew returns the run of the same slot's calls after its initialisation.
func (r *run) renew(timeout time.Duration, limit int64) {
	r.timeout, r.limit = timeout, limit
	if r.watch != nil {
		r.watch = newDeadline(timeout)
	}
}

func timeoutError(limit time.Duration) *host.Error {
	return host.Fail(host.CodeTimeout, "it took longer than the limit of %s and was interrupted", limit)
}
