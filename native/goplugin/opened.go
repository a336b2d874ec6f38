package goplugin

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"berth/host"
)

// Opened is what this process has loaded. What is loaded stays loaded, and what
// failed to load must not be tried again: the runtime waits for ever for a plugin
// whose init function panicked. So each file is loaded once, by its contents: the
// same bytes elsewhere are the same plugin, and other bytes under a path that was
// loaded are refused. The zero value is not ready: use NewOpened. It is safe for
// concurrent use. One process has one.
type Opened struct {
	mu      sync.Mutex // guards what follows; not held while anything is loaded
	content map[digest]*opening
	paths   map[string]digest
}

type digest [sha256.Size]byte

// opening is a file that is being loaded, or was.
type opening struct {
	done    chan struct{} // closed when what follows is set
	symbols symbols
	err     error
}

// symbols looks up what a plugin exports, as plugin.Plugin does.
type symbols interface {
	lookup(name string) (any, error)
}

// NewOpened returns a registry of nothing.
func NewOpened() *Opened {
	return &Opened{content: map[digest]*opening{}, paths: map[string]digest{}}
}

// open loads the file, once. Loading goes on when ctx has ended: it cannot be
// interrupted, and the goroutine that it runs on ends with it.
func (o *Opened) open(ctx context.Context, path string) (symbols, error) {
	path, sum, err := identify(path)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	before, known := o.paths[path]
	if known && before != sum {
		o.mu.Unlock()
		return nil, host.Fail(host.CodeConflict, "%s was loaded with other contents: the host must restart for the change to take effect", path)
	}
	o.paths[path] = sum
	the, known := o.content[sum]
	if !known {
		the = &opening{done: make(chan struct{})}
		o.content[sum] = the
		go the.load(path)
	}
	o.mu.Unlock()
	select {
	case <-the.done:
		return the.symbols, the.err
	case <-ctx.Done():
		return nil, host.Fail(host.CodeOf(ctx.Err()), "the plugin's init functions do not end: %w", ctx.Err())
	}
}

func (l *opening) load(path string) {
	defer close(l.done)
	l.err = errGone // unless one of the following says otherwise
	defer func() {
		if fault := recover(); fault != nil {
			l.err = host.Fail(host.CodeInvalid, "an init function panicked: %w; the host must restart before a plugin of these contents can be loaded", trapOf(fault))
		}
	}()
	l.symbols, l.err = load(path)
	if l.err != nil {
		l.err = loadError(l.err)
	}
}

var errGone = host.Fail(host.CodeInvalid, "an init function ended the goroutine that it ran on")

// loadError puts the runtime's words into ours.
func loadError(err error) error {
	text := err.Error()
	switch {
	case errors.Is(err, errUnsupported):
		return err
	case strings.Contains(text, "plugin already loaded"):
		return host.Fail(host.CodeConflict, "a plugin with the same plugin path is loaded already, and what is loaded stays: the host must restart for the change to take effect; "+
			"a build by berth build-plugin <folder> has a path of its own and loads beside the old one")
	case foreignPackage(text):
		return host.Fail(host.CodeConflict, "%w, which a plugin that was loaded before brought along, and what is loaded stays: the host must restart for the change to take effect", err)
	case strings.Contains(text, differentVersion):
		return host.Fail(host.CodeInvalid, "%w: build it with berth build-plugin <folder>", err)
	}
	return host.Fail(host.CodeInvalid, "%w", err)
}

const differentVersion = "plugin was built with a different version of package "

// foreignPackage tells whether the error is about a package that is none of the
// host's: of two versions of it the runtime takes the one that came first, from
// another plugin.
func foreignPackage(text string) bool {
	_, path, is := strings.Cut(text, differentVersion)
	path, _, _ = strings.Cut(path, " ")
	first, _, _ := strings.Cut(path, "/")
	own, err := HostBuild()
	if !is || err != nil || len(own.Modules) == 0 || !strings.Contains(first, ".") {
		return false
	}
	return !slices.ContainsFunc(own.Modules, func(m Module) bool { return path == m.Path || strings.HasPrefix(path, m.Path+"/") })
}

// identify returns the path without symbolic links, and the digest of the file.
func identify(path string) (string, digest, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", digest{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", digest{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", digest{}, err
	}
	return path, digest(sum.Sum(nil)), nil
}
