package sandbox

import (
	"crypto/rand"
	"errors"
	"io"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"

	"berth/host"
	"berth/sandbox/jail"
)

// world is what the operator lets the instances of one module see of the
// machine. Instances share it.
type world struct {
	pkg    *host.Package
	mounts []mount
}

type mount struct {
	fs    *jail.FS
	guest string
}

// newWorld opens what was granted. The caller closes it.
func newWorld(p *host.Package) (*world, error) {
	w := &world{pkg: p}
	for _, path := range p.Grants.Paths {
		fs, err := openJail(path)
		if err != nil {
			return nil, errors.Join(host.Fail(host.CodeUnavailable, "the folder %s, which it was granted as %s, cannot be opened: %w", path.Host, path.Guest, err), w.close())
		}
		w.mounts = append(w.mounts, mount{fs, path.Guest})
	}
	return w, nil
}

// What a plugin may keep in a folder of its own data folder. Folders that the
// operator granted hold what they hold.
const (
	maxOwnBytes   = 1 << 30
	maxOwnEntries = 100_000
)

func openJail(path host.PathGrant) (*jail.FS, error) {
	root, err := path.Open()
	if err != nil {
		return nil, err
	}
	o := jail.Options{ReadOnly: path.ReadOnly}
	if path.Own {
		o.MaxBytes, o.MaxEntries = maxOwnBytes, maxOwnEntries
	}
	return jail.Of(root, o)
}

func (w *world) close() error {
	var err error
	for _, m := range w.mounts {
		err = errors.Join(err, m.fs.Close())
	}
	return err
}

// config is how an instance sees the world: nothing but what was granted. A
// clock that was not granted moves on by a millisecond with each look at it, and
// sleeping takes no time; randomness that was not is the same each time.
func (w *world) config(s *slot, args []string) wazero.ModuleConfig {
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions().
		WithArgs(args...).WithStdin(&s.stdio.in).WithStdout(s.stdio.stdout()).WithStderr(&s.stdio.err)
	grants := &w.pkg.Grants
	for name, value := range grants.Env {
		config = config.WithEnv(name, value)
	}
	if grants.Clock {
		config = config.WithSysWalltime().WithSysNanotime().WithNanosleep(s.run.sleep)
	} else {
		config = config.WithWalltime(s.fake.walltime, sys.ClockResolution(time.Microsecond)).
			WithNanotime(s.fake.nanotime, sys.ClockResolution(time.Nanosecond))
	}
	if grants.Random {
		config = config.WithRandSource(random{rand.Reader, s.run})
	} else {
		config = config.WithRandSource(random{&s.fake, s.run})
	}
	if len(w.mounts) > 0 {
		files := wazero.NewFSConfig()
		for _, m := range w.mounts {
			files = files.(sysfs.FSConfig).WithSysFSMount(watchedFS{m.fs, s.run}, m.guest)
		}
		config = config.WithFSConfig(files)
	}
	return config
}

// sleep is a guest's sleeping: its place goes to others, and it ends with the
// call.
func (r *run) sleep(ns int64) {
	if ns <= 0 {
		return
	}
	ctx, done := r.block()
	timer := time.NewTimer(time.Duration(ns))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	done()
}

// random gives a guest the numbers of a source, a piece at a time.
type random struct {
	source io.Reader
	run    *run
}

// Read implements io.Reader.
func (r random) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		piece := p[n:min(len(p), n+workStep)]
		r.run.spend(len(piece))
		var read int
		read, err = r.source.Read(piece)
		n += read
	}
	return n, err
}
