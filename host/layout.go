package host

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// layout is where things lie in the data folder:
//
//	berth.db                                 the store
//	plugins/<kind>/<name>/<folder>/         unpacked packages
//	plugins/<kind>/<name>/<folder>.json     the record, to rebuild a lost store from
//	cache/<kind>/<name>/<folder>/           what engines can make again
//	state/<kind>/<name>[~<data>]/            the plugin's own data, over all of its versions
//	etc/<kind>/<name>/                       the files of its package's etc/, for the operator to edit
//	uploads/<name>                           files that operators put there, to install from
//	staging/<random>/                        operations under way
//	lost+found/<kind>/<name>/                what no record named when the store was lost;
//	                                         its own data as state, state-1, ..., and
//	                                         its configuration as etc, etc-1, ...
//
// A version's folder is named after the digest of its zip. What the script of the
// same zip makes may be another version: that lies in <digest>-again, and the one
// after it in <digest> once more, so that nothing that a record names is changed.
type layout struct{ dir string }

func (l layout) plugins() string { return filepath.Join(l.dir, "plugins") }
func (l layout) caches() string  { return filepath.Join(l.dir, "cache") }
func (l layout) states() string  { return filepath.Join(l.dir, "state") }
func (l layout) etcs() string    { return filepath.Join(l.dir, "etc") }
func (l layout) uploads() string { return filepath.Join(l.dir, "uploads") }
func (l layout) staging() string { return filepath.Join(l.dir, "staging") }

func (l layout) plugin(i id) string {
	return filepath.Join(l.plugins(), i.kind.String(), i.name)
}

func (l layout) files(i id, folder string) string {
	return filepath.Join(l.plugin(i), folder)
}

func (l layout) record(i id, folder string) string {
	return filepath.Join(l.plugin(i), folder+".json")
}

func (l layout) cache(i id, folder string) string {
	return filepath.Join(l.caches(), i.kind.String(), i.name, folder)
}

// state is the plugin's own data folder, of the generation that its record names.
// It is made when it is granted.
func (l layout) state(i id, data string) string {
	return filepath.Join(l.states(), i.kind.String(), generation(i.name, data))
}

// etc is the plugin's configuration. It is made when its package carries some.
func (l layout) etc(i id) string { return l.restoredEtc(i, "") }

// restoredEtc is where configuration from a backup waits until the plugin's
// record names its generation.
func (l layout) restoredEtc(i id, data string) string {
	return filepath.Join(l.etcs(), i.kind.String(), generation(i.name, data))
}

// generation is the name of a folder of a plugin's own; splitGeneration is its
// inverse. No plugin's name has the sign.
func generation(plugin, data string) string {
	if data == "" {
		return plugin
	}
	return plugin + "~" + data
}

func splitGeneration(folder string) (plugin, data string) {
	plugin, data, _ = strings.Cut(folder, "~")
	return plugin, data
}

// removeOwn removes what belongs to the plugin over all of its versions, of every
// generation.
func (l layout) removeOwn(i id) error {
	var faults []error
	for _, top := range []string{l.states(), l.etcs()} {
		dir := filepath.Join(top, i.kind.String())
		list, err := entries(dir)
		faults = append(faults, err)
		for _, entry := range list {
			if plugin, _ := splitGeneration(entry.Name()); plugin == i.name {
				faults = append(faults, os.RemoveAll(filepath.Join(dir, entry.Name())))
			}
		}
	}
	return errors.Join(faults...)
}

// make makes the folders. They are private: what engines cache is trusted.
func (l layout) make() error {
	for _, dir := range []string{l.plugins(), l.caches(), l.staging()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// place moves an unpacked package, work/files, to where it stays, durably. What
// lies there already is moved to work: files that no record names, of an
// operation that failed.
func (l layout) place(work string, i id, folder string) error {
	to, replaced := l.files(i, folder), filepath.Join(work, "replaced")
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if err := os.Rename(to, replaced); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(filepath.Join(work, "files"), to); err != nil {
		if back := os.Rename(replaced, to); !errors.Is(back, fs.ErrNotExist) {
			err = errors.Join(err, back)
		}
		return err
	}
	return syncDirs(filepath.Dir(to), l.dir)
}

// setAside moves an entry out of the way that may be all there is of a plugin.
func (l layout) setAside(path string, i id) error {
	to := filepath.Join(l.dir, "lost+found", i.kind.String(), i.name)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(to, filepath.Base(path)))
}

// setOwnAside moves a plugin's own data or configuration, the folder from, out of
// the way, beside what earlier plugins of its name left there.
func (l layout) setOwnAside(from, as string, i id) error {
	to := filepath.Join(l.dir, "lost+found", i.kind.String(), i.name)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	place := filepath.Join(to, as)
	for n := 1; ; n++ {
		if _, err := os.Lstat(place); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(from, place)
		} else if err != nil {
			return err
		}
		place = filepath.Join(to, fmt.Sprintf("%s-%d", as, n))
	}
}

// sameFiles tells whether two folders hold the same files with the same bytes and
// execute bits.
func sameFiles(a, b string) (bool, error) {
	inA, errA := sums(a)
	inB, errB := sums(b)
	return maps.Equal(inA, inB), errors.Join(errA, errB)
}

// sums hashes every file below a folder; there are none in one that is not there.
// Of a link, which a package's script may have made, it is the name that counts.
func sums(dir string) (map[string][sha256.Size]byte, error) {
	found := map[string][sha256.Size]byte{}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case entry.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			found[name] = sha256.Sum256([]byte("link to " + target))
			return err
		case !entry.Type().IsRegular():
			found[name] = sha256.Sum256([]byte(entry.Type().String()))
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		hash := sha256.New()
		fmt.Fprintln(hash, info.Mode()&0o111 != 0)
		_, err = io.Copy(hash, f)
		found[name] = [sha256.Size]byte(hash.Sum(nil))
		return err
	})
	return found, err
}

// remove deletes a version's files, its record and its caches, and the
// plugin's folder when nothing else is in it. What remains of a removal that
// fails is removed at the next start.
func (l layout) remove(i id, folder string) error {
	err := errors.Join(
		os.RemoveAll(l.record(i, folder)),
		os.RemoveAll(l.files(i, folder)),
		os.RemoveAll(l.cache(i, folder)),
	)
	// These succeed on empty folders only.
	_ = os.Remove(l.plugin(i))
	_ = os.Remove(filepath.Dir(l.cache(i, folder)))
	return err
}

// removeStaged removes the folder of an operation. What its script started was
// killed, and may write a moment longer.
func removeStaged(work string) (err error) {
	const tries = 100
	for range tries {
		if err = os.RemoveAll(work); !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
	}
	return err
}

// writeRecord puts the record beside the package, durably and at once.
func (l layout) writeRecord(r Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := l.record(r.id(), r.folder())
	if err := writeDurably(path, append(data, '\n')); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeDurably replaces a file at once, or leaves it as it was. Its name is
// durable when its folder is synced.
func writeDurably(path string, data []byte) error {
	return writeVia(path+".tmp", path, data)
}

// writeVia is writeDurably with the name that the file has until it is written.
func writeVia(temp, path string, data []byte) error {
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one that was cut short
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

func readRecord(path string) (r Record, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// syncDirs makes entries durable in dir and the folders above it up to top.
func syncDirs(dir, top string) error {
	for {
		if err := syncDir(dir); err != nil || dir == top || dir == filepath.Dir(dir) {
			return err
		}
		dir = filepath.Dir(dir)
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// entries lists a folder; a folder that is not there is empty.
func entries(dir string) ([]fs.DirEntry, error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return list, err
}
