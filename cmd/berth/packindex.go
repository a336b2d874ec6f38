package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"berth/host"
	"berth/host/catalog"
)

// indexed is an index that was written.
type indexed struct {
	File    string          `json:"file"`
	Plugins []catalog.Entry `json:"plugins"`
}

// indexTree makes a plugin host of a folder: it writes the indexes of every folder kuiper-plugins/<version>/<system> in it
// that has one of a kind. Kinds that are not there get an empty index, so that nobody takes them for eKuiper's. The packages
// are checked as a host would check them. If one of them is faulty it says so, an exitRefused, and writes nothing. The same
// packages make the same indexes, to the byte.
func indexTree(ctx context.Context, dir string) ([]indexed, error) {
	tree := os.DirFS(dir)
	if _, err := fs.Stat(tree, "."); err != nil {
		return nil, fail(exitUsage, "%w", err)
	}
	systems, err := fs.Glob(tree, "kuiper-plugins/*/*")
	if err != nil {
		return nil, err
	}
	var indexes []indexed
	var refused []error
	for _, system := range systems {
		isFolder := func(kind host.Kind) bool {
			info, err := fs.Stat(tree, path.Join(system, kind.String()))
			return err == nil && info.IsDir()
		}
		if !slices.ContainsFunc(catalog.Kinds(), isFolder) {
			continue
		}
		for _, kind := range catalog.Kinds() {
			folder := filepath.Join(dir, filepath.FromSlash(system), kind.String())
			plugins, err := indexFolder(ctx, folder, kind)
			if exitOf(err) == exitRefused {
				refused = append(refused, err)
			} else if err != nil {
				return nil, err
			}
			indexes = append(indexes, indexed{filepath.Join(folder, catalog.IndexFile), plugins})
		}
	}
	switch {
	case len(refused) > 0:
		return nil, errors.Join(refused...)
	case len(indexes) == 0:
		return nil, fail(exitUsage, "%s has no folder kuiper-plugins/<version>/<system>/<kind>, such as kuiper-plugins/%s/debian/%v, to write an index of",
			dir, catalog.DefaultVersion, host.Functions)
	}
	for _, index := range indexes {
		if err := index.write(); err != nil {
			return nil, err
		}
	}
	return indexes, nil
}

// indexFolder lists the packages in a folder, which may not be there. Its error is an exitRefused if some of them are faulty,
// and names them all.
func indexFolder(ctx context.Context, folder string, kind host.Kind) ([]catalog.Entry, error) {
	files, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	plugins := []catalog.Entry{}
	var refused []error
	for _, file := range files {
		name, arch, ok := catalog.SplitPackageFile(file.Name())
		if !ok || strings.HasPrefix(name, ".") {
			continue
		}
		e := catalog.Entry{Name: name, Arch: arch, File: file.Name()}
		err := readEntry(ctx, filepath.Join(folder, file.Name()), kind, &e)
		if exitOf(err) == exitRefused {
			refused = append(refused, fail(exitRefused, "%s: %w", filepath.Join(folder, file.Name()), err))
		} else if err != nil {
			return nil, err
		}
		plugins = append(plugins, e)
	}
	return plugins, errors.Join(refused...)
}

// readEntry fills in what only the package tells: version and digest.
func readEntry(ctx context.Context, file string, kind host.Kind, e *catalog.Entry) error {
	if err := checkName(e.Name); err != nil {
		return fail(exitRefused, "%w: name the file %s", err, catalog.PackageFile("<name>", "<arch>"))
	}
	if ctx.Err() != nil {
		return fail(exitFailure, "interrupted")
	}
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, fail(exitRefused, "it is no regular file"))
	}
	zip, err := os.Open(file)
	if err != nil {
		return err
	}
	defer zip.Close()
	digest := sha256.New()
	size, err := io.Copy(digest, zip)
	if err != nil {
		return err
	}
	e.SHA256 = hex.EncodeToString(digest.Sum(nil))
	return judge(ctx, zip, size, func(root *os.Root, files []string) error {
		manifest, err := readManifest(root, e.Name, files)
		if err != nil {
			return err
		}
		if err := checkContent(&packed{Name: e.Name, Packed: files}, manifest); err != nil {
			return err
		}
		if yaml := e.Name + ".yaml"; kind == host.Sources && !slices.Contains(files, yaml) {
			return fail(exitRefused, "there is no %s in it, the default configuration that every source needs", yaml)
		}
		e.Version = strings.TrimPrefix(versionOf(e.Name, manifest, files), "v")
		return nil
	})
}

// versionOf is a package's version, as a host finds it.
func versionOf(name string, manifest host.Manifest, files []string) string {
	if manifest.Version != "" {
		return manifest.Version
	}
	for _, file := range files {
		if built, ok := host.NativeBuild(name, file); ok && built != "" {
			return built
		}
	}
	return ""
}

// write puts the index in the place of the old one at once: whoever asks for it meanwhile gets the one or the other.
func (x indexed) write() error {
	text, err := catalog.Index{Plugins: x.Plugins}.Encode()
	if err != nil {
		return fail(exitRefused, "%s: %w", x.File, err)
	}
	if err := os.MkdirAll(filepath.Dir(x.File), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(x.File), ".berth-*.json")
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Chmod(0o644), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), x.File)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
	}
	return err
}
