package host

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// PathGrant is a folder that a guest may open.
type PathGrant struct {
	Host     string // absolute, links resolved when it was granted. For messages: Open is safe against what changes later
	Guest    string // absolute and clean: "/data"
	ReadOnly bool
	Own      bool // in the plugin's own data folder, not one of the operator's

	base string // the folder that it must lie in: the operator's or the plugin's own
	rel  string // where in it
}

// Open opens the folder. However links were changed since it was granted, it
// does not lead out of the folder below which it was. A grant that no policy made
// opens Host. The caller closes it.
func (g PathGrant) Open() (*os.Root, error) {
	if g.base == "" {
		return os.OpenRoot(g.Host)
	}
	base, err := os.OpenRoot(g.base)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	return base.OpenRoot(g.rel)
}

// grantPath decides about one folder: the grant, its Host empty if there is
// none, and why it is not all that was asked for.
func (p Policy) grantPath(folder, called, own string, making bool) (grant PathGrant, reason string, err error) {
	guest, readOnly := guestPath(called)
	grant = PathGrant{Guest: guest, ReadOnly: readOnly}
	if !filepath.IsAbs(folder) {
		if !p.OwnData {
			return PathGrant{}, "the policy allows plugins no data folder of their own", nil
		}
		return grant.own(filepath.Clean(folder), own, making)
	}
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return PathGrant{}, fmt.Sprintf("it cannot be opened: %v", pathCause(err)), nil
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return PathGrant{}, "it is not a folder", nil
	}
	found, writable := "", false
	for _, entry := range p.Paths {
		allowed, only := strings.CutSuffix(entry, readOnlySuffix)
		allowed, err := filepath.EvalSymlinks(allowed)
		if err != nil || !within(allowed, real) {
			continue
		}
		// The one that lets it be written is the better; else any will do.
		if found == "" || !only && !writable {
			found, writable = allowed, !only
		}
	}
	if found == "" {
		return PathGrant{}, "it does not lie below a folder that the policy allows", nil
	}
	if !writable && !readOnly {
		grant.ReadOnly, reason = true, "granted for reading only: the policy allows no more"
	}
	grant.Host, grant.base = real, found
	grant.rel, err = filepath.Rel(found, real)
	return grant, reason, err
}

// own grants a folder in the plugin's own data folder, making it if it is to.
func (g PathGrant) own(folder, own string, making bool) (_ PathGrant, reason string, err error) {
	if making {
		if err := makeBelow(own, folder); err != nil {
			if !isPluginsFault(err) {
				return PathGrant{}, "", fmt.Errorf("make the plugin's folder %q: %w", clip(folder), err)
			}
			return PathGrant{}, fmt.Sprintf("it cannot be made in the plugin's data folder: %v", pathCause(err)), nil
		}
	}
	g.Own, g.Host, g.base, g.rel = true, filepath.Join(own, folder), own, folder
	base, err := filepath.EvalSymlinks(own)
	if errors.Is(err, fs.ErrNotExist) && !making {
		return g, "", nil // made when the plugin is loaded
	}
	if err != nil {
		return PathGrant{}, "", err
	}
	there := g.Host
	real, err := filepath.EvalSymlinks(there)
	for errors.Is(err, fs.ErrNotExist) && !making && there != own {
		there = filepath.Dir(there)
		real, err = filepath.EvalSymlinks(there)
	}
	switch {
	case err == nil && there != g.Host && within(base, real):
		return g, "", nil // made when the plugin is loaded
	case err != nil || !within(base, real):
		return PathGrant{}, "it is a link that leads out of the plugin's data folder", nil
	}
	g.Host, g.base = real, base
	g.rel, err = filepath.Rel(base, real)
	return g, "", err
}

// makeBelow makes a folder below own, and own. No link leads it elsewhere.
func makeBelow(own, folder string) error {
	if err := os.MkdirAll(own, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(own)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	made, err := root.OpenRoot(folder)
	if err != nil {
		return err
	}
	return made.Close()
}

// isPluginsFault tells whether a folder could not be made because of what the
// plugin put in its place, not because the disk or the machine failed.
func isPluginsFault(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return true // os.Root's own: the path leads out
	}
	return slices.Contains([]syscall.Errno{syscall.ENOTDIR, syscall.EEXIST, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.ENOENT}, errno)
}

// pathCause is err without the operation and the path, which the reader knows.
func pathCause(err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		return file.Err
	}
	return err
}

// within tells whether a clean path is dir or lies below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
