package goplugin

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// environment is what all contexts of a library share.
type environment struct {
	rule      string
	root      string // the package's folder
	log       logger
	state     State
	trace     atomic.Bool
	counters  sync.Mutex // held while a counter is read and written
	templates templates
	paths     paths
}

func newEnvironment(o Options) *environment {
	return &environment{rule: o.Rule, root: o.Package.Dir, log: newLogger(o.Package.Log), state: o.State}
}

// streamContext is the context of the contract. It is safe for concurrent use.
type streamContext struct {
	env           *environment
	rule, op      string
	instance, run int
	values        values
	call          bool      // it ends by end; others end with the parent
	deadline      time.Time // of a call; zero: only the parent's
	parent        context.Context

	mu      sync.Mutex         // guards what follows
	derived context.Context    // nil until somebody waits for the end
	cancel  context.CancelFunc // of derived
	ended   bool
	failure error
}

var (
	_ api.StreamContext   = (*streamContext)(nil)
	_ api.FunctionContext = (*functionContext)(nil)
)

// stream makes a context for an operation: a source or a sink.
func (e *environment) stream(ctx context.Context, op string) *streamContext {
	return &streamContext{env: e, rule: e.rule, op: op, parent: ctx, values: kept{e.state, op}}
}

// functionContext is the context of a call.
type functionContext struct {
	streamContext
	id int
}

// call makes the context of a call. Who makes it ends it.
func (e *environment) call(ctx context.Context, f *function) *functionContext {
	return &functionContext{streamContext{env: e, rule: e.rule, op: f.name, call: true, parent: ctx, values: kept{e.state, f.name}}, f.id}
}

// GetFuncId implements api.FunctionContext: the function's place in the plugin.
func (c *functionContext) GetFuncId() int { return c.id }

// end ends the context: what waits for it is woken.
func (c *streamContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}

// context is the context in which the deadline holds. It is made when it is
// needed: a timer costs more than most calls.
func (c *streamContext) context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.derived != nil {
		return c.derived
	}
	switch {
	case !c.call:
		c.derived = c.parent
	case c.deadline.IsZero():
		c.derived, c.cancel = context.WithCancel(c.parent)
	default:
		c.derived, c.cancel = context.WithDeadline(c.parent, c.deadline)
	}
	if c.ended && c.cancel != nil {
		c.cancel()
	}
	return c.derived
}

// Deadline implements context.Context.
func (c *streamContext) Deadline() (time.Time, bool) {
	deadline, ok := c.parent.Deadline()
	if !c.deadline.IsZero() && (!ok || c.deadline.Before(deadline)) {
		return c.deadline, true
	}
	return deadline, ok
}

// Done implements context.Context.
func (c *streamContext) Done() <-chan struct{} { return c.context().Done() }

// Err implements context.Context. What SetError set comes first.
func (c *streamContext) Err() error {
	c.mu.Lock()
	failure := c.failure
	c.mu.Unlock()
	if failure != nil {
		return failure
	}
	return c.context().Err()
}

// Value implements context.Context.
func (c *streamContext) Value(key any) any { return c.parent.Value(key) }

// GetLogger implements api.StreamContext: lines go to the plugin's log.
func (c *streamContext) GetLogger() api.Logger { return c.env.log }

// GetRuleId implements api.StreamContext; it is empty outside of rules.
func (c *streamContext) GetRuleId() string { return c.rule }

// GetOpId implements api.StreamContext: the name of the function, the source or
// the sink, unless WithMeta set another.
func (c *streamContext) GetOpId() string { return c.op }

// GetInstanceId implements api.StreamContext.
func (c *streamContext) GetInstanceId() int { return c.instance }

// GetRunId implements api.StreamContext.
func (c *streamContext) GetRunId() int { return c.run }

// GetRootPath implements api.StreamContext: the folder of the unpacked package,
// which is only to be read.
func (c *streamContext) GetRootPath() string { return c.env.root }

// with makes a context that ends with this one.
func (c *streamContext) with(parent context.Context) *streamContext {
	return &streamContext{env: c.env, rule: c.rule, op: c.op, instance: c.instance, run: c.run, values: c.values, parent: parent}
}

// WithMeta implements api.StreamContext. With a store, state is what it has of
// the operation, in memory; without, it is kept as before, under the operation's
// id.
func (c *streamContext) WithMeta(ruleID, opID string, store api.Store) api.StreamContext {
	n := c.with(c)
	n.rule, n.op, n.values = ruleID, opID, kept{c.env.state, opID}
	if store == nil {
		return n
	}
	state, err := store.GetOpState(opID)
	if err != nil || state == nil {
		c.env.log.Warnf("the store has no state of %s: %v", opID, err)
		state = &sync.Map{}
	}
	n.values = live{state}
	return n
}

// WithInstance implements api.StreamContext.
func (c *streamContext) WithInstance(id int) api.StreamContext {
	n := c.with(c)
	n.instance = id
	return n
}

// WithRun implements api.StreamContext.
func (c *streamContext) WithRun(id int) api.StreamContext {
	n := c.with(c)
	n.run = id
	return n
}

// WithCancel implements api.StreamContext.
func (c *streamContext) WithCancel() (api.StreamContext, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c)
	return c.with(ctx), cancel
}

// EnableTracer implements api.StreamContext. The flag holds for all contexts of
// the plugin; nothing is traced by it.
func (c *streamContext) EnableTracer(enabled bool) { c.env.trace.Store(enabled) }

// IsTraceEnabled implements api.StreamContext.
func (c *streamContext) IsTraceEnabled() bool { return c.env.trace.Load() }

// SetError implements api.StreamContext: Err gives it from now on.
func (c *streamContext) SetError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = err
}

// IncrCounter implements api.StreamContext. It is atomic.
func (c *streamContext) IncrCounter(key string, amount int) error {
	c.env.counters.Lock()
	defer c.env.counters.Unlock()
	n, err := c.GetCounter(key)
	if err != nil {
		return err
	}
	return c.values.put(key, n+amount)
}

// GetCounter implements api.StreamContext: 0 if there is none.
func (c *streamContext) GetCounter(key string) (int, error) {
	v, err := c.values.get(key)
	switch n := v.(type) {
	case int:
		return n, nil
	case int64:
		return int(n), nil
	case nil:
		return 0, err
	}
	return 0, fmt.Errorf("state[%s] is not a number, but %v", key, v)
}

// PutState implements api.StreamContext: see encodeState for what can be kept.
func (c *streamContext) PutState(key string, value any) error { return c.values.put(key, value) }

// GetState implements api.StreamContext: nil if there is none.
func (c *streamContext) GetState(key string) (any, error) { return c.values.get(key) }

// DeleteState implements api.StreamContext.
func (c *streamContext) DeleteState(key string) error { return c.values.remove(key) }

// ParseTemplate implements api.StreamContext: a text without {{ }} is what it is.
func (c *streamContext) ParseTemplate(text string, data any) (string, error) {
	return c.env.templates.execute(text, data)
}

// ParseJsonPath implements api.StreamContext.
func (c *streamContext) ParseJsonPath(path string, data any) (any, error) {
	return c.env.paths.evaluate(c, path, data)
}
