package host

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"berth/host/archive"
)

// modulesDir is the folder of a package where the host puts modules that an
// Extism manifest has inside, or names by a URL.
const modulesDir = ".modules"

// moduleSource is where a module comes from that is not a file of its package.
// The zero moduleSource: it is one.
type moduleSource struct {
	data    []byte
	url     string
	headers map[string]string
}

// stageModules completes an unpacked package with the modules that its manifest
// has inside or names by a URL, so that loading it needs no network, and checks
// the hashes of all. A download is bounded as one of a package is, in its size
// by itself, in its time together with the others; the manifest bounds how many
// there are. Faults of the package are CodeInvalid.
func (h *Host) stageModules(ctx context.Context, dir, name string) error {
	m, err := readManifest(dir, name)
	if err != nil || len(m.Wasm.Modules) == 0 {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, modulesDir)); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return err
		}
		return Fail(CodeInvalid, "the package has an entry %s, where the host puts modules that it fetches: name it otherwise", modulesDir)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(max(h.config.Archive.Timeout, 0), archive.DefaultTimeout))
	defer cancel()
	made := false
	for i, module := range m.Wasm.Modules {
		made = made || !module.Packed()
		digest, err := module.stage(ctx, filepath.Join(dir, filepath.FromSlash(module.Path)), h.config.Archive)
		if err == nil && module.Hash != "" && module.Hash != digest {
			err = Fail(CodeInvalid, "its hash is %s, and the manifest says %s: it is another file than the manifest's author had; have the hash corrected, or the file", digest, module.Hash)
		}
		if err != nil {
			return &Error{Code: CodeOf(err), Err: fmt.Errorf("manifest %s.json: module %d (%s): %w", name, i, module.shown(), cause(err))}
		}
	}
	if !made {
		return nil
	}
	return syncDirs(filepath.Join(dir, modulesDir), dir)
}

// Packed tells, of a module as ParseManifest returns it, that its file is to be in
// the package. Else it is in the manifest, or fetched.
func (m WasmModule) Packed() bool { return m.source.url == "" && m.source.data == nil }

// shown is the module as its author knows it.
func (m WasmModule) shown() string {
	switch {
	case m.source.url != "":
		return clip(archive.Redacted(m.source.url))
	case m.source.data != nil:
		return "data"
	}
	return clip(m.Path)
}

// stage makes the module's file, if it is not in the package, and hashes it.
func (m WasmModule) stage(ctx context.Context, file string, limits archive.Limits) (digest string, err error) {
	if m.Packed() {
		return hashFile(file)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if m.source.data != nil {
		sum := sha256.Sum256(m.source.data)
		_, err := f.Write(m.source.data)
		return hex.EncodeToString(sum[:]), errors.Join(err, f.Sync())
	}
	fetched, err := archive.FetchFile(ctx, m.source.url, m.source.headers, f, limits)
	if err != nil {
		err = fetchError(err)
		return "", &Error{Code: CodeOf(err), Err: fmt.Errorf("it cannot be fetched: %w", cause(err))}
	}
	return fetched.Digest, f.Sync()
}

// hashFile hashes a file of a package, which must be there.
func hashFile(file string) (digest string, err error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", Fail(CodeInvalid, "the package has no such file: paths are those in the zip, relative to the manifest")
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return "", errors.Join(err, Fail(CodeInvalid, "it is a folder, not a file"))
	}
	hash := sha256.New()
	_, err = io.Copy(hash, f)
	return hex.EncodeToString(hash.Sum(nil)), err
}
