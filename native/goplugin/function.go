package goplugin

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"berth/host"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// function is a function of the plugin. A call takes one of its objects, unless
// the manifest says that they may be called in parallel.
type function struct {
	library   *Library
	name      string
	id        int
	encoding  host.Encoding
	timeout   time.Duration // 0: none
	output    host.Bytes
	aggregate bool

	all  []*object
	free chan *object // those that no call has; nil: calls share the first
}

// object is an object of the plugin.
type object struct {
	api.Function
	// valid is the number of arguments that Validate accepted last, plus one.
	valid atomic.Int64
}

var _ host.Function = (*function)(nil)

// newFunction makes the objects of a function: one, or with a constructor as
// many as the manifest's limits.instances says.
func newFunction(l *Library, name string, id int, symbol made[api.Function]) (*function, error) {
	p := l.options.Package
	f := &function{library: l, name: name, id: id, encoding: p.Encoding(name, host.EncodingJSON), timeout: p.Limits.Timeout, output: p.Limits.Output,
		all: []*object{{Function: symbol.first}}}
	var err error
	if f.aggregate, err = isAggregate(symbol.first); err != nil {
		return nil, host.Fail(host.CodeInvalid, "function %s: IsAggregate: %w", name, err)
	}
	if p.Manifest.Concurrency == "parallel" {
		return f, nil
	}
	if p.Manifest.Limits.Instances != nil && symbol.again != nil {
		for len(f.all) < p.Limits.Instances {
			another, err := construct(symbol.again)
			if err == nil && another == nil {
				err = fmt.Errorf("it is nil")
			}
			if err != nil {
				return nil, host.Fail(host.CodeInvalid, "function %s: object %d: %w", name, len(f.all)+1, err)
			}
			f.all = append(f.all, &object{Function: another})
		}
	}
	f.free = make(chan *object, len(f.all))
	for _, o := range f.all {
		f.free <- o
	}
	return f, nil
}

func isAggregate(f api.Function) (is bool, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = trapOf(fault)
		}
	}()
	return f.IsAggregate(), nil
}

// Encoding implements host.Function.
func (f *function) Encoding() host.Encoding { return f.encoding }

func (f *function) objects() int { return len(f.all) }

// Call implements host.Function.
func (f *function) Call(ctx context.Context, dst, in []byte) ([]byte, error) {
	if err := f.library.calls.begin(); err != nil {
		return dst, err
	}
	defer f.library.calls.end()
	args, err := f.arguments(in)
	if err != nil {
		return dst, err
	}
	o, err := f.take(ctx)
	if err != nil {
		return dst, err
	}
	defer f.put(o)
	start := time.Now()
	c := f.library.env.call(ctx, f)
	if f.timeout > 0 {
		c.deadline = start.Add(f.timeout)
	}
	out, err := f.exec(c, o, dst, args)
	c.end()
	if err != nil {
		return dst, err
	}
	if took := time.Since(start); f.timeout > 0 && took > f.timeout {
		return dst, host.Fail(host.CodeTimeout, "the call took %v, and at most %v are allowed: a Go plugin in the host's process cannot be interrupted", took.Round(time.Millisecond), f.timeout)
	}
	if err := ctx.Err(); err != nil {
		return dst, host.Fail(host.CodeOf(err), "the call went on after its caller had given up: %w", err)
	}
	return out, nil
}

// exec calls the plugin, and encodes what it gives: that may run its code, too.
func (f *function) exec(c *functionContext, o *object, dst []byte, args []any) (out []byte, err error) {
	out = dst
	defer func() {
		if fault := recover(); fault != nil {
			out, err = dst, trapOf(fault)
		}
	}()
	if err := o.validate(len(args)); err != nil {
		return dst, err
	}
	result, ok := o.Exec(c, args)
	if !ok {
		return dst, rejected(result)
	}
	if fault, is := result.(error); is {
		return dst, rejected(fault)
	}
	return f.encode(dst, result)
}

// validate asks the object about a number of arguments, if it is not the one that
// it accepted last. In eKuiper the arguments are expressions; what is passed
// here says no more than how many they are.
func (o *object) validate(n int) error {
	if o.valid.Load() == int64(n)+1 {
		return nil
	}
	if err := o.Validate(make([]any, n)); err != nil {
		return host.Fail(host.CodeInvalid, "%w", err)
	}
	o.valid.Store(int64(n) + 1)
	return nil
}

// rejected is the error that a function answered with.
func rejected(result any) error {
	switch result := result.(type) {
	case nil:
		return host.Fail(host.CodeRejected, "the function failed without saying why")
	case error:
		return host.Fail(host.CodeRejected, "%s", result.Error())
	}
	return host.Fail(host.CodeRejected, "%v", result)
}

// take takes an object that no call has, and waits for one at most until ctx
// ends or as long as a call may take.
func (f *function) take(ctx context.Context) (*object, error) {
	if err := ctx.Err(); err != nil {
		return nil, host.Fail(host.CodeOf(err), "%w", err)
	}
	if f.free == nil {
		return f.all[0], nil
	}
	select {
	case o := <-f.free:
		return o, nil
	default:
	}
	var late <-chan time.Time
	if f.timeout > 0 {
		timer := time.NewTimer(f.timeout)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case o := <-f.free:
		return o, nil
	case <-late:
	case <-ctx.Done():
		if host.CodeOf(ctx.Err()) == host.CodeCanceled {
			return nil, host.Fail(host.CodeCanceled, "while the call waited for its turn: %w", ctx.Err())
		}
	}
	return nil, host.Fail(host.CodeUnavailable, "%s", f.busy())
}

// busy says why a call did not get its turn.
func (f *function) busy() string {
	if len(f.all) == 1 {
		return "another call of the function runs, and this one did not get its turn in time: if the plugin is safe for calls at the same time, say \"concurrency\": \"parallel\" in its manifest"
	}
	return fmt.Sprintf("all %d objects of the function are in calls", len(f.all))
}

func (f *function) put(o *object) {
	if f.free != nil {
		f.free <- o
	}
}
