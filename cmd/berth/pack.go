package main

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"berth/host"
)

// packing makes a package of a folder.
type packing struct {
	dir  string
	name string // empty: found from what lies in the folder
	out  string // the zip; empty: <name>.zip in the working directory
	all  bool   // everything, not only what a package is known to hold
}

// packed is what a packing made.
type packed struct {
	Name     string   `json:"name"`
	File     string   `json:"file"`
	Size     int64    `json:"size"`
	Digest   string   `json:"digest"` // SHA-256 of the zip, in hex
	Packed   []string `json:"packed"`
	LeftOut  []string `json:"left_out"`
	Warnings []string `json:"warnings"`

	Indexes []indexed `json:"indexes,omitempty"` // that were written after it
}

// notes writes what the user may not expect.
func (p packed) notes(w io.Writer) {
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	if len(p.LeftOut) > 0 {
		fmt.Fprintf(w, "left out: %s\n", printable(few(p.LeftOut)))
	}
}

// few writes a list that may be long as one that is not.
func few(list []string) string {
	const most = 20
	switch {
	case len(list) == 0:
		return "nothing"
	case len(list) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], " "), len(list)-most)
	}
	return strings.Join(list, " ")
}

// run packs and checks. A fault of the folder is an exitRefused, as the host's own answer would be; the zip of before, if
// there is one, is then as it was. The same files make the same zip, to the byte.
func (p packing) run(ctx context.Context) (packed, error) {
	result := packed{Packed: []string{}, LeftOut: []string{}, Warnings: []string{}}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return result, fail(exitUsage, "%w", err)
	}
	defer root.Close()
	found, err := walk(root)
	if err != nil {
		return result, err
	}
	if result.Name, err = p.findName(root, found.files); err != nil {
		return result, err
	}
	if result.File = p.out; result.File == "" {
		result.File = result.Name + ".zip"
	}
	manifest, err := readManifest(root, result.Name, found.files)
	if err != nil {
		return result, err
	}
	if err := p.choose(root, found, manifest, &result); err != nil {
		return result, err
	}
	if err := checkContent(&result, manifest); err != nil {
		return result, err
	}
	return result, result.write(ctx, root)
}

// tree is what lies in a folder. Paths are slash-separated and sorted.
type tree struct {
	files  []string
	hidden []string          // files and folders whose names begin with a full stop; folders end in "/"
	odd    map[string]string // what is neither file nor folder: path -> what it is
}

func walk(root *os.Root) (tree, error) {
	found := tree{odd: map[string]string{}}
	err := fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || path == ".":
			return err
		case strings.HasPrefix(entry.Name(), ".") && entry.IsDir():
			found.hidden = append(found.hidden, path+"/")
			return fs.SkipDir
		case strings.HasPrefix(entry.Name(), "."):
			found.hidden = append(found.hidden, path)
		case entry.IsDir():
		case entry.Type().IsRegular():
			found.files = append(found.files, path)
		default:
			found.odd[path] = typeName(entry.Type())
		}
		return nil
	})
	slices.Sort(found.files)
	return found, err
}

// choose says what is packed and what is left out. The zip of an earlier packing is neither. What would belong to the
// package and is no regular file is refused, as the host would.
func (p packing) choose(root *os.Root, found tree, manifest host.Manifest, result *packed) error {
	wanted := func(path string) bool { return p.all || belongs(path, result.Name, manifest) }
	for _, path := range sortedKeys(found.odd) {
		if wanted(path) || wanted(path+"/x") {
			return fail(exitRefused, "%s is a %s: packages hold regular files only", path, found.odd[path])
		}
		result.LeftOut = append(result.LeftOut, path)
	}
	out, _ := os.Stat(result.File)
	for _, file := range found.files {
		info, err := root.Lstat(file)
		switch {
		case err != nil:
			return err
		case out != nil && os.SameFile(out, info):
		case wanted(file):
			result.Packed = append(result.Packed, file)
		default:
			result.LeftOut = append(result.LeftOut, file)
		}
	}
	result.LeftOut = append(result.LeftOut, found.hidden...)
	return nil
}

func typeName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// findName finds the plugin's name: what was asked for, else the stem of a manifest that names modules, as Extism's do, for
// these may be called anything; else the stem of the sandboxed build, of the manifest, of the
// native build, else the folder's name. Of several stems the one that is the folder's name, or that has both a build and
// a manifest, is meant.
func (p packing) findName(root *os.Root, files []string) (string, error) {
	if p.name != "" {
		return p.name, checkName(p.name)
	}
	absolute, err := filepath.Abs(p.dir)
	if err != nil {
		return "", err
	}
	folder := filepath.Base(absolute)
	if name, ok := namedByModules(root, files); ok {
		return name, checkName(name)
	}
	for _, extension := range []string{".wasm", ".json", ".so"} {
		stems := stemsOf(files, extension)
		if len(stems) > 1 && extension == ".wasm" {
			if both := intersect(stems, stemsOf(files, ".json")); len(both) == 1 {
				stems = both
			}
		}
		switch {
		case len(stems) == 0:
			continue
		case slices.Contains(stems, folder):
			return folder, checkName(folder)
		case len(stems) > 1:
			return "", fail(exitUsage, "several files may name the plugin (%s): say which with --name", strings.Join(stems, ", "))
		}
		return stems[0], checkName(stems[0])
	}
	return folder, checkName(folder)
}

// namedByModules returns the stem of the only manifest, if it names the plugin's modules.
func namedByModules(root *os.Root, files []string) (name string, ok bool) {
	stems := stemsOf(files, ".json")
	if len(stems) != 1 {
		return "", false
	}
	data, err := root.ReadFile(stems[0] + ".json")
	if err != nil {
		return "", false
	}
	manifest, err := host.ParseManifest(data)
	return stems[0], err == nil && len(manifest.Wasm.Modules) > 0
}

// stemsOf are the names without extension of the files at the root that have it, and without the version of native builds.
func stemsOf(files []string, extension string) (stems []string) {
	for _, file := range files {
		stem, ok := strings.CutSuffix(file, extension)
		if !ok || strings.Contains(file, "/") {
			continue
		}
		stem, _, _ = strings.Cut(stem, "@")
		if !slices.Contains(stems, stem) {
			stems = append(stems, stem)
		}
	}
	return stems
}

func intersect(a, b []string) (both []string) {
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}

// readManifest reads and checks <name>.json; a package may have none.
func readManifest(root *os.Root, name string, files []string) (host.Manifest, error) {
	file := name + ".json"
	if !slices.Contains(files, file) {
		return host.Manifest{}, nil
	}
	data, err := root.ReadFile(file)
	if err != nil {
		return host.Manifest{}, err
	}
	manifest, err := host.ParseManifest(data)
	if err != nil {
		return manifest, fail(exitRefused, "manifest %s: %w", file, err)
	}
	if manifest.Name != "" && manifest.Name != name {
		return manifest, fail(exitRefused, "manifest %s: its name is %q, the plugin's is %q: make them the same", file, manifest.Name, name)
	}
	if _, err := host.DefaultLimits().Narrow(manifest.Limits); err != nil {
		return manifest, fail(exitRefused, "manifest %s: with the limits a host has by default: %w", file, err)
	}
	return manifest, nil
}

// belongs tells whether a file is one that a package is known to hold: see design.md, "Packages".
func belongs(file, name string, manifest host.Manifest) bool {
	switch file {
	case name + ".json", name + ".wasm", name + ".yaml", "install.sh":
		return true
	case "":
		return false
	case manifest.Executable:
		return true
	}
	if slices.ContainsFunc(manifest.Wasm.Modules, func(m host.WasmModule) bool { return m.Path == file }) {
		return true
	}
	folder, _, nested := strings.Cut(file, "/")
	if !nested {
		return nativeOf(name)(file)
	}
	switch folder {
	case "sources", "sinks", "functions", "etc":
		return true
	}
	return nativeOf(name)(file)
}

// nativeOf tells the native builds of a plugin.
func nativeOf(plugin string) func(file string) bool {
	return func(file string) bool {
		_, ok := host.NativeBuild(plugin, file)
		return ok
	}
}

// checkContent refuses a package that no host could run.
func checkContent(result *packed, manifest host.Manifest) error {
	name := result.Name
	executable := manifest.Executable
	modules := manifest.Wasm.Modules
	for _, module := range modules {
		if module.Packed() && !slices.Contains(result.Packed, module.Path) {
			return fail(exitRefused, "manifest %s.json names the module %q, which is not in the folder", name, module.Path)
		}
	}
	switch {
	case executable != "" && !slices.Contains(result.Packed, executable):
		return fail(exitRefused, "manifest %s.json names the executable %q, which is not in the folder", name, executable)
	case executable == "" && len(modules) == 0 && !slices.ContainsFunc(result.Packed, nativeOf(name)) && !slices.Contains(result.Packed, name+".wasm"):
		found := few(append(slices.Clone(result.Packed), result.LeftOut...))
		return fail(exitRefused, "no build of %q is in the folder: expected %s.wasm, %s.so or an executable named in %s.json, found: %s",
			name, name, host.Exported(name), name, found)
	}
	if slices.Contains(result.Packed, "install.sh") {
		result.Warnings = append(result.Warnings, "the package holds install.sh: hosts that run no scripts refuse it")
	}
	return nil
}

// write makes the zip under another name, has it judged as the host will judge it, and puts it in place.
func (p *packed) write(ctx context.Context, root *os.Root) (err error) {
	if info, err := os.Stat(p.File); err == nil && !info.Mode().IsRegular() {
		return fail(exitUsage, "%s is no file that a package could be written to", p.File)
	}
	temp, err := os.CreateTemp(filepath.Dir(p.File), ".berth-*.zip")
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, temp.Close()); err == nil {
			err = os.Rename(temp.Name(), p.File)
		}
		if err != nil {
			_ = os.Remove(temp.Name())
		}
	}()
	digest := sha256.New()
	if err := zipFiles(ctx, io.MultiWriter(temp, digest), root, p.Packed); err != nil {
		return err
	}
	if err := temp.Chmod(0o644); err != nil {
		return err
	}
	info, err := temp.Stat()
	if err != nil {
		return err
	}
	p.Size, p.Digest = info.Size(), hex.EncodeToString(digest.Sum(nil))
	return judge(ctx, temp, p.Size, nil)
}

// zipFiles writes the files in their order, all of them as old as a zip can say, with the execute bit and no other.
func zipFiles(ctx context.Context, w io.Writer, root *os.Root, files []string) error {
	z := zip.NewWriter(w)
	for _, file := range files {
		if ctx.Err() != nil {
			return fail(exitFailure, "interrupted")
		}
		f, err := root.Open(file)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil {
			header := &zip.FileHeader{Name: file, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
			header.SetMode(0o644)
			if info.Mode()&0o111 != 0 {
				header.SetMode(0o755)
			}
			var entry io.Writer
			if entry, err = z.CreateHeader(header); err == nil {
				_, err = io.Copy(entry, f)
			}
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("packing %s: %w", file, err)
		}
	}
	return z.Close()
}
