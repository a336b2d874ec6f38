package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"berth/host/archive"
)

// Config is what a Host is made of. It must not be changed after New.
type Config struct {
	Dir     string   // the data folder; made if absent. One host at a time may use it
	Store   Store    // the caller closes it after the host
	Cache   Cache    // the caller closes it after the host
	Engines []Engine // in the order of preference

	Limits     Limits         // zero: DefaultLimits
	Policy     Policy         // zero: plugins are granted nothing
	Archive    archive.Limits // zero fields: archive's defaults
	DropIn     string         // a folder of plugins that are installed by lying in it; empty: none
	Signatures Signatures     // of packages; zero: nobody looks
	Scripts    Scripts        // zero: install.sh of packages is run, for at most 5 min

	Drain           time.Duration // how long calls may end in peace on drop, update and eviction; 0: 10 s
	LoadTimeout     time.Duration // of one load; 0: 60 s. Compiling is not interrupted
	LoadRetry       time.Duration // how long a plugin that could not be loaded is not tried again; 0: 1 s
	FunctionFigures int           // functions with figures of their own; 0: 500

	Log *slog.Logger // nil: discarded
}

const (
	defaultDrain           = 10 * time.Second
	defaultLoadTimeout     = 60 * time.Second
	defaultLoadRetry       = time.Second
	defaultFunctionFigures = 500

	// closeGrace is how long a module may take to close when its calls were
	// interrupted.
	closeGrace = time.Second
)

// Host installs plugins and calls their functions. It is safe for concurrent
// use. Make one with New, end it with Close.
type Host struct {
	config    Config
	log       *slog.Logger
	store     Store
	cache     Cache
	figures   *figures
	layout    layout
	ops       opLocks
	logs      logs
	reloading chan struct{} // full while Reload runs
	turns     chan struct{} // has room for the activations that are on their way into the cache

	index atomic.Pointer[index]
	ready atomic.Bool

	// mu guards what follows and is held while a new index is put in place;
	// never across I/O. Lock order: plugin.mu, then mu, then figures.mu
	// or a pluginLog's.
	mu       sync.Mutex
	claims   map[string]id // function names of installs under way
	revision uint64
	lasting  map[id]*lasting
	serial   uint64
	closing  bool

	life     context.Context // ends with Close
	end      context.CancelFunc
	patience context.Context // ends with the context of Close
	hurry    context.CancelFunc
	tasks    sync.WaitGroup
	closed   chan struct{}
	closeErr error
}

var errClosing = Fail(CodeUnavailable, "the host is shutting down")

// New opens the data folder and returns a host that serves what is installed.
// Nothing is loaded before its first call, except plugins that say "preload",
// which are loaded in the background: see Ready. ctx bounds opening only.
//
// Whatever an earlier process left half done is finished or removed: a plugin
// is there in its old version or its new one, whole.
func New(ctx context.Context, config Config) (*Host, error) {
	if err := config.complete(); err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	h := &Host{
		config:    config,
		log:       config.Log,
		store:     config.Store,
		cache:     config.Cache,
		figures:   newFigures(config.FunctionFigures),
		layout:    layout{config.Dir},
		ops:       opLocks{locks: map[id]*opLock{}},
		turns:     make(chan struct{}, 4*runtime.GOMAXPROCS(0)),
		reloading: make(chan struct{}, 1),
		claims:    map[string]id{},
		lasting:   map[id]*lasting{},
		closed:    make(chan struct{}),
	}
	h.life, h.end = context.WithCancel(context.Background())
	h.patience, h.hurry = context.WithCancel(context.Background())
	if err := h.recover(ctx); err != nil {
		h.end()
		h.hurry()
		return nil, fmt.Errorf("host: open %s: %w", config.Dir, err)
	}
	h.preload()
	return h, nil
}

// complete sets defaults and refuses what makes no sense, all together.
func (c *Config) complete() error {
	var faults []error
	refuse := func(when bool, text string) {
		if when {
			faults = append(faults, errors.New(text))
		}
	}
	refuse(c.Store == nil || c.Cache == nil || len(c.Engines) == 0, "a store, a cache and at least one engine are needed")
	refuse(c.Drain < 0 || c.LoadTimeout < 0 || c.LoadRetry < 0, "Drain, LoadTimeout and LoadRetry cannot be negative")
	refuse(c.Scripts.Timeout < 0, "Scripts: the timeout cannot be negative")
	refuse(c.FunctionFigures < 0, "FunctionFigures cannot be negative")
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits()
	}
	l := c.Limits
	refuse(l.Memory <= 0 || l.Input <= 0 || l.Output <= 0 || l.Instances <= 0, "Limits: memory, input, output and instances must be more than zero (start from DefaultLimits)")
	refuse(l.Timeout < 0, "Limits: the timeout cannot be negative; 0 means none")
	if err := c.Policy.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("Policy: %w", err))
	}
	if err := c.Signatures.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("Signatures: %w", err))
	}
	refuse(l.Fuel < 0, "Limits: fuel cannot be negative; 0 means no bound")
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		faults = append(faults, err)
	}
	c.Dir = dir
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Drain == 0 {
		c.Drain = defaultDrain
	}
	if c.LoadTimeout == 0 {
		c.LoadTimeout = defaultLoadTimeout
	}
	if c.LoadRetry == 0 {
		c.LoadRetry = defaultLoadRetry
	}
	if c.FunctionFigures == 0 {
		c.FunctionFigures = defaultFunctionFigures
	}
	return errors.Join(faults...)
}

// Ready tells whether the drop-in folder was read and every plugin that says
// "preload" is loaded, or failed to.
func (h *Host) Ready() bool { return h.ready.Load() && h.life.Err() == nil }

func (h *Host) preload() {
	var wg sync.WaitGroup
	if h.config.DropIn != "" {
		wg.Add(1)
		h.background(func() {
			defer wg.Done()
			if _, err := h.Reload(h.life); err != nil && h.life.Err() == nil {
				h.log.Error("the drop-in folder was not read", "dir", h.config.DropIn, "error", err)
			}
		})
	}
	for _, p := range h.index.Load().plugins {
		if !p.record.Preload {
			continue
		}
		wg.Add(1)
		h.background(func() {
			defer wg.Done()
			a, stripe, err := p.enter(h.life, h)
			if err != nil && err != errRetired && h.life.Err() == nil {
				h.log.Error("preloading a plugin failed", "plugin", p.record.id().String(), "error", err)
			}
			if err == nil {
				a.gate.leave(stripe)
			}
		})
	}
	h.background(func() {
		wg.Wait()
		h.ready.Store(true)
	})
}

// background runs f in a goroutine that Close waits for. It returns false, and
// runs nothing, once Close began.
func (h *Host) background(f func()) bool {
	h.mu.Lock()
	if h.closing {
		h.mu.Unlock()
		return false
	}
	h.tasks.Add(1)
	h.mu.Unlock()
	go func() {
		defer h.tasks.Done()
		f()
	}()
	return true
}

// Close refuses new calls and operations, waits for those under way until ctx
// ends, then interrupts them, and closes every module; a build that is being
// compiled is waited for. The error is that of ctx if calls had to be
// interrupted. It is idempotent and may be called by many; all return when the
// first is done. The store and the cache stay open.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	first := !h.closing
	h.closing = true
	h.mu.Unlock()
	if !first {
		<-h.closed
		return h.closeErr
	}
	defer close(h.closed)
	h.ready.Store(false)
	stop := context.AfterFunc(ctx, h.hurry)
	defer stop()
	h.end()
	h.ops.close()
	var wg sync.WaitGroup
	for _, p := range h.index.Load().plugins {
		wg.Go(func() { p.retire(h) })
	}
	wg.Wait()
	h.tasks.Wait()
	h.closeErr = h.patience.Err()
	h.hurry()
	return h.closeErr
}
