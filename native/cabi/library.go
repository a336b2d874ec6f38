package cabi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"berth/host"
)

// Options say what to open.
type Options struct {
	Path    string        // of the library; absolute
	Package *host.Package // whose build it is: its limits, grants and log hold
	State   State         // what the plugin keeps; nil: what it asks of it fails

	// Functions are those that must be there; nil: whatever is.
	Functions []string
}

// Library is a library that is loaded. It is safe for concurrent use.
type Library struct {
	file   string // as messages name it
	pkg    *host.Package
	state  State
	config []byte // what open gets

	loaded uintptr // the loader's handle
	host   uintptr // a berth_host, in C memory
	handle uintptr // of the library, which host has
	about  *descriptor
	names  []string // of the functions, sorted
	size   int64    // of the file
	self   uintptr  // the one object of a library that is parallel
	opened bool     // it is there
	pool   *pool
	epoch  time.Time
	life   context.Context // ends with Close: calls had better return
	cancel context.CancelFunc
	end    sync.Once   // unloaded or left loaded for good, whichever is first
	left   atomic.Bool // it is the latter
}

var _ host.Module = (*Library)(nil)

// Open loads a library and makes its first object. ctx bounds the waiting, as far
// as the library's own code returns. The caller closes the library.
//
// # Errors
//
// CodeInvalid: the file cannot be loaded, is no library of this ABI, has not the
// functions that are wanted, or does not want to be opened.
func Open(ctx context.Context, o Options) (*Library, error) {
	if err := ctx.Err(); err != nil {
		return nil, callerError(err)
	}
	config, err := json.Marshal(o.Package.Grants.Config)
	if err != nil {
		return nil, err
	}
	if o.Package.Grants.Config == nil {
		config = []byte("{}")
	}
	if o.State == nil {
		o.State = noState{}
	}
	l := &Library{file: filepath.Base(o.Path), pkg: o.Package, state: o.State, config: config, epoch: time.Now()}
	if l.loaded, l.size, err = theProcess().load(o.Path, o.Package.Cache); err != nil {
		return nil, err
	}
	l.life, l.cancel = context.WithCancel(context.Background())
	l.handle = theProcess().handles.add(l)
	if err := l.open(ctx, o.Functions); err != nil {
		l.unload()
		return nil, err
	}
	return l, nil
}

// open checks what was loaded, and makes the first object.
func (l *Library) open(ctx context.Context, wanted []string) error {
	address := symbol(l.loaded, Symbol)
	if address == 0 {
		return host.Fail(host.CodeInvalid, "%s does not export %s: include berth_plugin.h, and define it with BERTH_EXPORT", l.file, Symbol)
	}
	var err error
	if l.about, err = describe(address); err != nil {
		return host.Fail(host.CodeInvalid, "%s: %w", l.file, err)
	}
	l.names = slices.Sorted(maps.Keys(l.about.functions))
	for _, name := range wanted {
		if _, err := l.Function(name); err != nil {
			return err
		}
	}
	if l.host = newHost(l.handle); l.host == 0 {
		return errNoMemory
	}
	limit := map[concurrency]int{serial: 1, object: max(1, l.pkg.Limits.Instances), parallel: math.MaxInt}[l.about.concurrency]
	l.pool = newPool(limit, l.pkg.Limits.Timeout, l.newSlot)
	first, err := l.pool.get(ctx)
	if err != nil {
		return host.Fail(host.CodeInvalid, "%s: %w", l.file, err)
	}
	l.self, l.opened = first.self, true
	l.pool.put(first)
	if err := ctx.Err(); err != nil {
		return callerError(err)
	}
	return nil
}

var errNoMemory = host.Fail(host.CodeUnavailable, "there is no memory for the plugin")

// Functions implements host.Module.
func (l *Library) Functions() []string { return l.names }

// Function implements host.Module.
func (l *Library) Function(name string) (host.Function, error) {
	e, ok := l.about.functions[name]
	if !ok {
		return nil, host.Fail(host.CodeInvalid, "%s has no function %s; its functions are: %s", l.file, name, list(l.names))
	}
	return &function{library: l, entry: e, name: name, encoding: l.pkg.Encoding(name, e.encoding)}, nil
}

func list(names []string) string {
	const most = 32
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Status implements host.Module.
func (l *Library) Status() host.ModuleStatus {
	live, busy := l.pool.usage()
	objects := live
	if l.about.concurrency == parallel {
		objects = min(live, 1)
	}
	s := host.ModuleStatus{
		Form:      fmt.Sprintf("native, C ABI %d by %s, %s, in process", abiVersion, machine, l.about.concurrency),
		Instances: objects,
		Busy:      busy,
		Memory:    l.size + int64(live)*slotSize,
		Notes:     []string{"it calls itself " + strings.TrimSpace(l.about.name+" "+l.about.version)},
	}
	if l.left.Load() {
		s.Notes = append(s.Notes, "its code stays loaded until the host restarts: it was still in use when it was closed")
	}
	return s
}

// Close implements host.Module. Calls cannot be interrupted: what asks
// berth_host.remaining is told to return. Sources and sinks are to be closed by
// whoever opened them. If one is still open, or a call inside, when ctx ends,
// the library stays loaded for good, for there is no telling what it still uses;
// the error, and the plugin's log, say so.
func (l *Library) Close(ctx context.Context) error {
	l.cancel()
	idle := l.pool.close()
	select {
	case <-idle:
		l.end.Do(l.unload)
		return nil
	case <-ctx.Done():
	}
	err := fmt.Errorf("%s stays loaded until the host restarts: %s: %w", l.file, l.pool.inside(), ctx.Err())
	l.end.Do(func() {
		l.left.Store(true)
		l.warn("%v", err)
	})
	return err
}

// unload closes the objects and the library. No call is inside.
func (l *Library) unload() {
	l.cancel()
	if l.pool != nil {
		l.pool.close()
		for _, s := range l.pool.empty() {
			s.free()
		}
	}
	if l.opened && l.about.concurrency == parallel {
		l.closeSelf(l.self)
	}
	release(l.host)
	theProcess().handles.remove(l.handle)
	if err := closeLibrary(l.loaded); err != nil {
		l.warn("%s could not be unloaded: %v", l.file, err)
	}
}

// closeSelf closes an object.
func (l *Library) closeSelf(self uintptr) {
	if l.about.close != 0 {
		closeObject(l.about.close, self)
	}
}

// now is the time since the library was opened; it takes half as long to tell as
// the time of day.
func (l *Library) now() time.Duration { return time.Since(l.epoch) }

func (l *Library) warn(format string, args ...any) {
	l.pkg.Log.Line(slog.LevelWarn, fmt.Sprintf(format, args...))
}
