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

// SourceDropIn is the source of a plugin that lies in the drop-in folder.
const SourceDropIn = "drop-in"

// A drop-in folder is laid out as eKuiper's plugins folder:
//
//	{sources,sinks,functions}/<Name>[@<version>].so, <name>.wasm, <name>.json, <name>.yaml
//	portable/<name>/…
//	wasm/<name>/…
//
// What lies there is installed as if it had come as a package: it is copied, so
// that calls never depend on files that somebody may be changing.
var dropInFolders = [...]struct {
	kind   Kind
	folder string
	each   bool // a folder for each plugin
}{
	{Sources, "sources", false},
	{Sinks, "sinks", false},
	{Functions, "functions", false},
	{Portables, "portable", true},
	{Wasm, "wasm", true},
}

// dropped is a plugin in the drop-in folder.
type dropped struct {
	id    id
	dir   string            // the folder that its files lie in
	files map[string]string // by their place in the package, slash-separated: the place in dir
	older []string          // builds of other versions, in dir
}

// Reloaded is what a look into the drop-in folder changed. The lists are sorted,
// and hold plugins as "functions/echo".
type Reloaded struct {
	Installed []string
	Updated   []string
	Dropped   []string
	Failed    map[string]error
}

// errNotDropIn: a request installed the plugin meanwhile, so it is left alone.
var errNotDropIn = errors.New("a request installed it meanwhile")

// Reload makes the plugins that came from the drop-in folder those that lie in
// it now: it installs, updates and drops. A kind whose folder is not there, as
// when nothing is mounted, drops nothing. A plugin that was installed by a
// request is never touched. What fails is in the answer and leaves the plugin as
// it was. The error is CodeInvalid if there is no drop-in folder, CodeUnavailable
// if it cannot be read. One Reload runs at a time; others wait.
func (h *Host) Reload(ctx context.Context) (_ Reloaded, err error) {
	defer func() { err = at(err, "reload", "", "") }()
	if h.config.DropIn == "" {
		return Reloaded{}, Fail(CodeInvalid, "this host has no drop-in folder: configure one (plugins)")
	}
	select {
	case h.reloading <- struct{}{}:
		defer func() { <-h.reloading }()
	case <-ctx.Done():
		return Reloaded{}, ctx.Err()
	}
	there, kinds, err := scanDropIn(h.config.DropIn)
	if err != nil {
		return Reloaded{}, Fail(CodeUnavailable, "read the drop-in folder: %w", err)
	}
	out := Reloaded{Failed: map[string]error{}}
	for _, d := range there {
		h.takeIn(ctx, d, &out)
	}
	for _, p := range h.index.Load().sorted() {
		i := p.record.id()
		if p.record.Source != SourceDropIn || !kinds[i.kind] || slices.ContainsFunc(there, func(d dropped) bool { return d.id == i }) {
			continue
		}
		switch err := h.drop(ctx, i, dropGone); {
		case err == nil:
			out.Dropped = append(out.Dropped, i.String())
		case CodeOf(err) != CodeNotFound && !errors.Is(err, errNotDropIn):
			out.Failed[i.String()] = err
		}
	}
	slices.Sort(out.Dropped)
	for name, err := range out.Failed {
		h.log.Error("a plugin of the drop-in folder was not taken in", "plugin", name, "error", err)
	}
	return out, nil
}

// takeIn installs or updates one plugin, if it has to be.
func (h *Host) takeIn(ctx context.Context, d dropped, out *Reloaded) {
	name := d.id.String()
	req := Request{Kind: d.id.kind, Name: d.id.name, dropped: &d}
	old := h.index.Load().plugins[d.id]
	switch {
	case old == nil:
		switch _, err := h.Install(ctx, req); {
		case err == nil:
			out.Installed = append(out.Installed, name)
		case h.index.Load().plugins[d.id] == nil: // else a request was faster
			out.Failed[name] = err
		}
	case old.record.Source != SourceDropIn:
		h.log.Warn("a plugin in the drop-in folder is left alone: one of its name was installed by a request", "plugin", name)
	default:
		digest, err := d.digest(ctx, h.config.Archive.WithDefaults().Unpacked)
		if err == nil && digest == old.record.Digest {
			return
		}
		req.Functions = old.record.Requested // what was registered stays
		if err == nil {
			_, err = h.Update(ctx, req)
		}
		switch {
		case err == nil:
			out.Updated = append(out.Updated, name)
		case !errors.Is(err, errNotDropIn):
			out.Failed[name] = err
		}
	}
}

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
		if err != nil {
			return nil, nil, err
		}
		kinds[f.kind] = true
		found, err := scanFiles(f.kind, dir, list)
		if f.each {
			found, err = scanFolders(f.kind, dir, list)
		}
		if err != nil {
			return nil, nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b dropped) int { return strings.Compare(a.id.String(), b.id.String()) })
	return all, kinds, nil
}

// isFile tells a regular file, or a link to one: opening others may block. A
// link that leads nowhere is none.
func isFile(dir, file string) (bool, error) {
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(file)))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
		return false, nil
	}
	return err == nil && info.Mode().IsRegular(), err
}

// scanFolders takes the folders of plugins.
func scanFolders(kind Kind, dir string, list []fs.DirEntry) (all []dropped, err error) {
	for _, entry := range list {
		info, err := os.Stat(filepath.Join(dir, entry.Name()))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ELOOP):
			continue
		case err != nil:
			return nil, err
		case !info.IsDir() || !isName(entry.Name()):
			continue
		}
		d, err := scanFolder(id{kind, entry.Name()}, filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
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
	found := map[string]*dropped{}
	natives := map[string]string{}
	for _, entry := range list {
		file := entry.Name()
		extension := path.Ext(file)
		stem, _, _ := strings.Cut(strings.TrimSuffix(file, extension), "@")
		if extension == ".so" {
			stem = unexported(stem)
		}
		if extension != ".so" && extension != ".wasm" || !isName(stem) {
			continue
		}
		regular, err := isFile(dir, file)
		if err != nil {
			return nil, err
		}
		if !regular {
			continue
		}
		if found[stem] == nil {
			found[stem] = &dropped{id: id{kind, stem}, dir: dir, files: map[string]string{}}
		}
		d := found[stem]
		if extension == ".so" {
			if older := natives[stem]; older != "" {
				delete(d.files, older)
				d.older = append(d.older, older)
			}
			natives[stem] = file
		}
		d.files[file] = file
	}
	for _, entry := range list {
		file := entry.Name()
		extension := path.Ext(file)
		d := found[strings.TrimSuffix(file, extension)]
		if d == nil || extension != ".json" && extension != ".yaml" {
			continue
		}
		regular, err := isFile(dir, file)
		if err != nil {
			return nil, err
		}
		if regular {
			d.files[file] = file
		}
	}
	for _, d := range found {
		all = append(all, *d)
	}
	return all, nil
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

// removeDropped removes a plugin's files from the drop-in folder, if it lies
// there, so that the next look there does not bring it back.
func (h *Host) removeDropped(i id) error {
	if h.config.DropIn == "" {
		return nil
	}
	there, _, err := scanDropIn(h.config.DropIn)
	if err != nil {
		return err
	}
	for _, d := range there {
		if d.id != i {
			continue
		}
		if i.kind == Portables || i.kind == Wasm {
			return os.RemoveAll(d.dir)
		}
		var faults []error
		for _, file := range append(sortedKeys(d.files), d.older...) {
			faults = append(faults, os.Remove(filepath.Join(d.dir, file)))
		}
		return errors.Join(faults...)
	}
	return nil
}
