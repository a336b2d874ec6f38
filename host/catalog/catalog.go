package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"berth/host"
	"berth/host/archive"
)

// Config is what a Catalog is made of. A zero field means its default; it must not be changed after New.
type Config struct {
	// Hosts are the plugin hosts, see [CheckHost]. Where several have a plugin, the first of them counts. At least one.
	Hosts []string

	Version string // of eKuiper, whose packages fit; default DefaultVersion
	System  string // default: alpine or debian, by eKuiper's rule
	Arch    string // as Go calls it; default: this machine's

	// Limits are those of downloading one index. Download is at most MaxIndex, which is the default; Timeout, 5 s by default,
	// is for everything from the first connection to the last byte. A plugin host that Sources does not allow is left out.
	Limits archive.Limits

	Keep  time.Duration // how long is remembered what a host has; default 5 min
	Retry time.Duration // how long, that it gave no good answer; default 30 s

	Log *slog.Logger // default: discarded
}

const (
	defaultTimeout = 5 * time.Second
	defaultKeep    = 5 * time.Minute
	defaultRetry   = 30 * time.Second
)

// Catalog asks plugin hosts what they have. Its methods are safe for concurrent use. Make one with New, end it with Close.
type Catalog struct {
	hosts                 []string // without slashes at their ends
	version, system, arch string
	limits                archive.Limits
	keep, retry           time.Duration
	log                   *slog.Logger
	now                   func() time.Time

	life context.Context // of every download
	end  context.CancelFunc

	mu      sync.Mutex           // guards what follows
	answers map[question]*answer // the last to each question
	asking  sync.WaitGroup       // Add only while closed is false
	closed  bool
}

// question is what a plugin host is asked for: an index.
type question struct {
	prefix string
	kind   host.Kind
}

// answer is what came of asking.
type answer struct {
	done   chan struct{}     // closed when the rest is there, and does not change any more
	offers map[string]string // name -> URL; nil: the host is left out
	until  time.Time         // when to ask again
}

// New returns a catalog that has asked nobody yet. Its errors are those of the configuration, all together.
func New(config Config) (*Catalog, error) {
	c := &Catalog{version: config.Version, system: config.System, arch: config.Arch, limits: config.Limits,
		keep: config.Keep, retry: config.Retry, log: config.Log, now: time.Now, answers: map[question]*answer{}}
	var faults []error
	if len(config.Hosts) == 0 {
		faults = append(faults, errors.New("there is no plugin host"))
	}
	for _, prefix := range config.Hosts {
		parsed, err := parseHost(prefix)
		if err != nil {
			faults = append(faults, err)
		}
		c.hosts = append(c.hosts, parsed)
	}
	if c.version == "" {
		c.version = DefaultVersion
	}
	if c.system == "" {
		c.system = currentSystem()
	}
	if c.arch == "" {
		c.arch = runtime.GOARCH
	}
	for _, element := range []string{c.version, c.system, c.arch} {
		faults = append(faults, CheckElement(element))
	}
	if c.limits.Download <= 0 || c.limits.Download > MaxIndex {
		c.limits.Download = MaxIndex
	}
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{{&c.limits.Timeout, defaultTimeout}, {&c.keep, defaultKeep}, {&c.retry, defaultRetry}} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	c.life, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Prebuilt returns the plugins of a kind that can be had: the URL of each one's package, by its name. The caller may change
// the map, which is never nil. It takes no longer than Config.Limits.Timeout: all hosts are asked at one time, and those
// that did not answer are left out.
//
// Errors: CodeNotFound for a kind of which there are none, see [Kinds]; CodeUnavailable after Close; ctx's own when it ends
// first, which ends no download that others wait for.
func (c *Catalog) Prebuilt(ctx context.Context, kind host.Kind) (map[string]string, error) {
	if !slices.Contains(Kinds(), kind) {
		return nil, host.Fail(host.CodeNotFound, "there are no prebuilt %v: ask for one of %v", kind, Kinds())
	}
	answers, err := c.ask(kind)
	if err != nil {
		return nil, err
	}
	for _, a := range answers {
		select {
		case <-a.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if c.life.Err() != nil {
		return nil, errClosed()
	}
	offered := map[string]string{}
	for _, a := range slices.Backward(answers) { // the first host has the last word
		maps.Copy(offered, a.offers)
	}
	return offered, nil
}

// ask returns what each host has answered, or will, in the order of the hosts.
func (c *Catalog) ask(kind host.Kind) ([]*answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed()
	}
	var answers []*answer
	for _, prefix := range c.hosts {
		q := question{prefix, kind}
		a := c.answers[q]
		if a == nil || a.stale(c.now()) {
			a = &answer{done: make(chan struct{})}
			c.answers[q] = a
			c.asking.Go(func() { c.answer(q, a) })
		}
		answers = append(answers, a)
	}
	return answers, nil
}

// stale tells that it is time to ask again. An answer that is not there yet is not.
func (a *answer) stale(now time.Time) bool {
	select {
	case <-a.done:
		return !now.Before(a.until)
	default:
		return false
	}
}

// Close ends the downloads under way and waits for them. It is idempotent.
func (c *Catalog) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.asking.Wait()
}

func errClosed() error { return host.Fail(host.CodeUnavailable, "the host is shutting down") }
