package sandbox

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"strings"
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

// stdio is what a guest reads and writes during one call.
type stdio struct {
	in  bytes.Reader
	out *answer // nil: standard output is treated as standard error is
	err output
}

func (s *stdio) stdout() io.Writer {
	if s.out != nil {
		return s.out
	}
	return &s.err
}

// output keeps the beginning of what a guest writes during one call, where the
// reason of a panic stands, and its end, where that of an exit stands; every line
// goes to the plugin's log.
type output struct {
	run  *run
	log  func(slog.Level, string)
	head []byte
	tail []byte
	line []byte
}

const (
	maxOutput = 1 << 10 // of head and tail each
	maxLine   = 4 << 10
)

// Write implements io.Writer. It never fails: a guest may write what it likes.
func (o *output) Write(p []byte) (int, error) {
	o.run.spend(len(p))
	if room := maxOutput - len(o.head); room > 0 {
		o.head = append(o.head, p[:min(len(p), room)]...)
	}
	if len(p) >= maxOutput {
		o.tail = append(o.tail[:0], p[len(p)-maxOutput:]...)
	} else {
		if over := len(o.tail) + len(p) - maxOutput; over > 0 {
			o.tail = append(o.tail[:0], o.tail[over:]...)
		}
		o.tail = append(o.tail, p...)
	}
	o.lines(p)
	return len(p), nil
}

func (o *output) lines(p []byte) {
	if o.log == nil {
		return
	}
	for {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		if room := maxLine - len(o.line); room > 0 {
			o.line = append(o.line, line[:min(len(line), room)]...)
		}
		if !ended {
			return
		}
		o.run.spend(0)
		o.flush()
		p = rest
	}
}

// flush ends a line.
func (o *output) flush() {
	if len(o.line) > 0 && o.log != nil {
		o.log(slog.LevelInfo, strings.ToValidUTF8(string(o.line), "\uFFFD"))
	}
	o.line = o.line[:0]
}

// reset forgets what a call wrote.
func (o *output) reset() {
	if len(o.tail) == 0 {
		return
	}
	o.flush()
	o.head, o.tail = o.head[:0], o.tail[:0]
}

// said is the first line written, to follow a message.
func (o *output) said() string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(o.head), []byte("\n"))
	return saying(line)
}

// last is the last line written, to follow a message.
func (o *output) last() string {
	text := bytes.TrimSpace(o.tail)
	return saying(text[bytes.LastIndexByte(text, '\n')+1:])
}

func saying(line []byte) string {
	if len(line) == 0 {
		return ""
	}
	const limit = 300
	return "; it wrote: " + strings.ToValidUTF8(string(line[:min(len(line), limit)]), "\uFFFD")
}
