package goplugin

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"berth/host"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

var _ host.Module = (*Library)(nil)

// Library is a loaded Go plugin. It is safe for concurrent use.
type Library struct {
	options Options
	symbols symbols
	env     *environment // what all contexts share

	mu        sync.Mutex // guards what follows
	functions map[string]*function
	absent    []string

	calls calls
}

// Open loads the plugin, unless this process did so before, and finds its
// functions. ctx bounds the waiting for its init functions, which cannot be
// interrupted. It does not Check the file: that is the caller's, before.
//
// # Errors
//
// CodeInvalid: the file cannot be loaded, an init function panicked, none of the
// functions is there, or one is of a wrong type. CodeConflict: a plugin of the same
// path but other contents is loaded: the host must restart. CodeTimeout,
// CodeCanceled: the init functions do not end.
func Open(ctx context.Context, o Options) (*Library, error) {
	from, err := o.Opened.open(ctx, o.Path)
	if err != nil {
		return nil, err
	}
	return newLibrary(o, from)
}

func newLibrary(o Options, from symbols) (*Library, error) {
	if o.State == nil {
		o.State = newMemory()
	}
	l := &Library{options: o, symbols: from, functions: map[string]*function{}, calls: newCalls()}
	l.env = newEnvironment(o)
	var missing []error
	for _, name := range o.Functions {
		if _, err := l.function(name); errors.Is(err, errNoSymbol) {
			missing = append(missing, err)
		} else if err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 && len(l.functions) == 0 {
		return nil, missing[0]
	}
	return l, nil
}

// Functions implements host.Module: a Go plugin does not tell which of its
// symbols are functions.
func (*Library) Functions() []string { return nil }

// Function implements host.Module. A name gives the same object each time. Where
// one function is there, others may be missing, since eKuiper registers any name:
// it is a call of them that fails.
func (l *Library) Function(name string) (host.Function, error) {
	f, err := l.function(name)
	if err == nil {
		return f, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !errors.Is(err, errNoSymbol) || len(l.functions) == 0 {
		return nil, err
	}
	if !slices.Contains(l.absent, name) {
		l.absent = append(l.absent, name)
	}
	return absent{err, l.options.Package.Encoding(name, host.EncodingJSON)}, nil
}

// absent is a function that the plugin does not have.
type absent struct {
	err      error
	encoding host.Encoding
}

// Encoding implements host.Function.
func (a absent) Encoding() host.Encoding { return a.encoding }

// Call implements host.Function: it fails.
func (a absent) Call(_ context.Context, dst, _ []byte) ([]byte, error) { return dst, a.err }

func (l *Library) function(name string) (*function, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, ok := l.functions[name]; ok {
		return f, nil
	}
	symbol, err := find[api.Function](l.symbols, name, "", functionType)
	if err != nil {
		return nil, err
	}
	id := slices.Index(l.options.Functions, name)
	if id < 0 {
		id = len(l.options.Functions) + len(l.functions)
	}
	f, err := newFunction(l, name, id, symbol)
	if err != nil {
		return nil, err
	}
	l.functions[name] = f
	return f, nil
}

// Status implements host.Module.
func (l *Library) Status() host.ModuleStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	status := host.ModuleStatus{Form: "native, Go plugin, in process", Busy: int(l.calls.running())}
	for _, f := range l.functions {
		status.Instances += f.objects()
	}
	status.Notes = []string{
		fmt.Sprintf("the code of %s stays mapped until the host ends: Go cannot unload it", filepath.Base(l.options.Path)),
		"a call over its time is answered when it returns, and a fault that is no panic of a call ends the host",
	}
	if len(l.absent) > 0 {
		status.Notes = append(status.Notes, fmt.Sprintf("the plugin exports no symbols for the functions %s: calls of them fail", strings.Join(l.absent, ", ")))
	}
	return status
}

// Close implements host.Module: it refuses calls from now on, and waits for
// those that run, until ctx ends. They cannot be interrupted.
func (l *Library) Close(ctx context.Context) error { return l.calls.close(ctx) }
