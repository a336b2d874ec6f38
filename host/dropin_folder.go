package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// scanDropIn finds the plugins in a drop-in folder, sorted by kind and name, and
// the kinds that have a folder there.
func scanDropIn(top string) (all []dropped, kinds map[Kind]bool, err error) {
	if _, err := os.Stat(top); err != nil {
		return nil, nil, err // a folder that is not mounted is no reason to drop everything
	}
	kinds = map[Kind]bool{}
	for _, f := range dropInFolders {
		dir := filepath.Join(top, f.folder)
		list, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		kinds[f.kind] = true
		var found []dropped
		switch {
		case err != nil:
		case f.each:
			found, err = scanFolders(f.kind, dir, list)
		default:
			found, err = scanFiles(f.kind, dir, list)
		}
		if err != nil {
			return nil, nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b dropped) int { return strings.Compare(a.id.String(), b.id.String()) })
	return all, kinds, nil
}

// scanPlugin finds one plugin in a drop-in folder; nil: it is not there. That its
// kind has no folder is an error.
func scanPlugin(top string, i id) (*dropped, error) {
	f := folderOf(i.kind)
	dir := filepath.Join(top, f.folder)
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []dropped
	if f.each {
		list = slices.DeleteFunc(list, func(e fs.DirEntry) bool { return e.Name() != i.name })
		if is, err := isFolder(dir, i.name); err != nil || len(list) == 0 || !is {
			return nil, err
		}
		d, err := scanFolder(i, filepath.Join(dir, i.name))
		return &d, err
	}
	if found, err = scanFiles(i.kind, dir, list); err != nil {
		return nil, err
	}
	for _, d := range found {
		if d.id == i {
			return &d, nil
		}
	}
	return nil, nil
}

// isFolder tells a folder, or a link to one, and isFile a regular file: opening
// others may block. A link that leads nowhere is neither.
func isFolder(dir, name string) (bool, error) {
	return is(dir, name, fs.FileMode.IsDir)
}

func isFile(dir, name string) (bool, error) {
	return is(dir, name, fs.FileMode.IsRegular)
}

func is(dir, name string, what func(fs.FileMode) bool) (bool, error) {
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
		return false, nil
	}
	return err == nil && what(info.Mode()), err
}

// scanFolders takes the folders of plugins.
func scanFolders(kind Kind, dir string, list []fs.DirEntry) (all []dropped, err error) {
	for _, entry := range list {
		i := id{kind, entry.Name()}
		if !isName(i.name) {
			continue
		}
		folder, err := isFolder(dir, i.name)
		if err != nil {
			return nil, err
		}
		if !folder {
			continue
		}
		d, err := scanFolder(i, filepath.Join(dir, i.name))
		if err != nil {
			d = dropped{id: i} // it is looked at again when it is its turn
		}
		all = append(all, d)
	}
	return all, nil
}

// scanFolder takes all files below a plugin's own folder.
func scanFolder(i id, dir string) (dropped, error) {
	d := dropped{id: i, dir: dir, files: map[string]string{}}
	err := fs.WalkDir(os.DirFS(dir), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !fs.ValidPath(file) {
			return err
		}
		regular, err := isFile(dir, file)
		if regular {
			d.files[file] = file
		}
		return err
	})
	return d, err
}

// scanFiles sorts the files of a folder by plugin: those with a build, and what
// lies beside it under the plugin's name. Of several versions of a native build
// the last in the folder's order is taken, as in eKuiper.
func scanFiles(kind Kind, dir string, list []fs.DirEntry) (all []dropped, err error) {
	found := map[string]map[string]string{}
	natives := map[string]string{}
	for _, builds := range []bool{true, false} {
		for _, entry := range list {
			file := entry.Name()
			name, build := pluginOf(file)
			if build != builds || !isName(name) || !build && found[name] == nil {
				continue
			}
			regular, err := isFile(dir, file)
			if err != nil {
				return nil, err
			}
			if !regular {
				continue
			}
			if found[name] == nil {
				found[name] = map[string]string{}
			}
			if path.Ext(file) == ".so" {
				delete(found[name], natives[name])
				natives[name] = file
			}
			found[name][file] = file
		}
	}
	for name, files := range found {
		all = append(all, dropped{id: id{kind, name}, dir: dir, files: files})
	}
	return all, nil
}

// pluginOf tells to which plugin a file belongs that lies among those of others,
// and whether it is a build; "": to none.
func pluginOf(file string) (name string, build bool) {
	extension := path.Ext(file)
	name = strings.TrimSuffix(file, extension)
	switch extension {
	case ".json", ".yaml":
		return name, false
	case ".wasm", ".so":
		name, _, _ = strings.Cut(name, "@")
		if extension == ".so" {
			name = unexported(name)
		}
		return name, true
	}
	return "", false
}

// unexported is the plugin's name of a native build, the inverse of Exported.
func unexported(stem string) string {
	first, size := utf8.DecodeRuneInString(stem)
	return string(unicode.ToLower(first)) + stem[size:]
}

// digest is over the names and the contents of the files, of which at most most
// bytes are read.
func (d dropped) digest(ctx context.Context, most int64) (string, error) {
	hash := sha256.New()
	for _, file := range sortedKeys(d.files) {
		f, err := os.Open(filepath.Join(d.dir, filepath.FromSlash(d.files[file])))
		if err != nil {
			return "", err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, io.LimitReader(contextReader{ctx, f}, most+1))
		_ = f.Close()
		if most -= n; err == nil && most < 0 {
			err = Fail(CodeInvalid, "it is over the limit of a package's size (unpacked-limit)")
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%q %x\n", file, sum.Sum(nil))
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// copyDropped copies the files of a plugin in the drop-in folder to where the
// files of a package are unpacked to, within the limits of packages, and returns
// their digest.
func (h *Host) copyDropped(ctx context.Context, d dropped, dir string) (digest string, err error) {
	limits := h.config.Archive.WithDefaults()
	if len(d.files) > limits.Files {
		return "", Fail(CodeInvalid, "it has %d files: at most %d are allowed (file-limit)", len(d.files), limits.Files)
	}
	left := limits.Unpacked
	for _, file := range sortedKeys(d.files) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		from, to := filepath.Join(d.dir, filepath.FromSlash(d.files[file])), filepath.Join(dir, filepath.FromSlash(file))
		n, err := copyFile(from, to, left)
		if err != nil {
			return "", Fail(CodeInvalid, "%s: %w", clip(file), err)
		}
		left -= n
	}
	if err := syncTree(dir); err != nil {
		return "", err
	}
	return dropped{dir: dir, files: same(d.files)}.digest(ctx, limits.Unpacked)
}

func same(files map[string]string) map[string]string {
	out := make(map[string]string, len(files))
	for file := range files {
		out[file] = file
	}
	return out
}

// copyFile copies a regular file with its execute bits.
func copyFile(from, to string, most int64) (n int64, err error) {
	info, err := os.Stat(from)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("it is not a regular file")
	}
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return 0, err
	}
	mode := os.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(out, io.LimitReader(in, most+1))
	if err == nil && n > most {
		err = errors.New("with it the plugin is over the limit of a package's size (unpacked-limit)")
	}
	return n, errors.Join(err, out.Close())
}

// removeDropped removes all that is a plugin's from the drop-in folder: also the
// other versions of its native build.
func (h *Host) removeDropped(i id) error {
	if h.config.DropIn == "" {
		return nil
	}
	if _, err := os.Stat(h.config.DropIn); err != nil {
		return err
	}
	f := folderOf(i.kind)
	dir := filepath.Join(h.config.DropIn, f.folder)
	if f.each {
		return os.RemoveAll(filepath.Join(dir, i.name))
	}
	list, err := entries(dir)
	if err != nil {
		return err
	}
	var faults []error
	for _, builds := range []bool{false, true} { // these last: without one it is no plugin
		for _, entry := range list {
			name, build := pluginOf(entry.Name())
			if regular, _ := isFile(dir, entry.Name()); name == i.name && build == builds && regular {
				faults = append(faults, os.Remove(filepath.Join(dir, entry.Name())))
			}
		}
	}
	return errors.Join(faults...)
}
