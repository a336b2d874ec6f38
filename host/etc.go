package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// etcPrefix is the folder of a package whose files are copied to where the
// operator can edit them: data/etc/<kind>/<name>/.
const etcPrefix = "etc/"

// What is the host's own there: etcIndex is the file in which it notes what it
// wrote, etcTemp the one that is being written.
const (
	etcIndex = ".berth.json"
	etcTemp  = ".berth.tmp"
)

// maxEtc bounds the size of the files together, in bytes.
const maxEtc = 64 << 20

// written says, per file (slash-separated), the SHA-256 of what the host wrote,
// and of the package in which folder.
type written struct {
	Folder string            `json:"folder"`
	Files  map[string]string `json:"files"`
}

// settleEtc brings data/etc/<kind>/<name>/ to what the package carries. A file
// that the operator changed stays as it is; one that is as the host wrote it is
// replaced, or removed when the package has it no more. It can be cut short at
// any time and done again. kept are the files that were not written for what the
// operator has in their place.
func (h *Host) settleEtc(i id, folder string, files []string) (kept []string, err error) {
	dir := h.layout.etc(i)
	before := readWritten(dir)
	if before.Folder == folder {
		return nil, nil
	}
	carried, err := readEtc(h.layout.files(i, folder), files)
	if err != nil {
		return nil, err
	}
	for name, sum := range before.Files { // first: a folder may take the place of a file
		if _, stays := carried[name]; !stays {
			removeEtc(dir, name, sum)
		}
	}
	after := written{Folder: folder, Files: map[string]string{}}
	for _, name := range sortedKeys(carried) {
		data := carried[name]
		changed, err := writeEtc(dir, name, data, before.Files[name])
		if err != nil {
			return nil, err
		}
		after.Files[name] = sumOf(data)
		if changed {
			kept = append(kept, name)
			after.Files[name] = before.Files[name]
		}
	}
	if len(after.Files) == 0 {
		_ = os.Remove(filepath.Join(dir, etcIndex))
		_ = os.Remove(filepath.Join(dir, etcTemp)) // of a settling that was cut short
		_ = os.Remove(dir)                         // succeeds when nothing is in it
		return nil, nil
	}
	text, err := json.Marshal(after)
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.MkdirAll(dir, 0o700), replaceEtc(dir, etcIndex, text))
	return kept, errors.Join(err, syncDir(dir))
}

// readEtc reads those of a package's files that are its configuration, by their
// name below etc/.
func readEtc(dir string, files []string) (map[string][]byte, error) {
	carried := map[string][]byte{}
	var size int64
	for _, file := range files {
		name, ok := strings.CutPrefix(file, etcPrefix)
		if first, _, _ := strings.Cut(name, "/"); !ok || first == etcIndex || first == etcTemp {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(file))
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if size += info.Size(); size > maxEtc { // its script may have made it
			return nil, Fail(CodeInvalid, "the package's etc/ has more than %v", Bytes(maxEtc))
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		carried[name] = data
	}
	return carried, nil
}

// removeEtc removes a file that is as the host wrote it, and the folders that are
// empty then.
func removeEtc(dir, name, wrote string) {
	file := filepath.FromSlash(name)
	if data, err := os.ReadFile(filepath.Join(dir, file)); err != nil || sumOf(data) != wrote {
		return
	}
	for ; file != "."; file = filepath.Dir(file) {
		if os.Remove(filepath.Join(dir, file)) != nil {
			return
		}
	}
}

// writeEtc writes a file. It leaves alone what is not as the host wrote it: the
// file, a folder in its place, a file where its folder would be.
func writeEtc(dir, name string, data []byte, wrote string) (changed bool, err error) {
	path := filepath.Join(dir, filepath.FromSlash(name))
	there, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(there, data):
		return false, nil
	case err == nil && sumOf(there) != wrote, errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR):
		return true, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	return false, replaceEtc(dir, name, data)
}

// replaceEtc replaces a file at once. Until then it has no name that a package or
// an operator could have chosen.
func replaceEtc(dir, name string, data []byte) error {
	return writeVia(filepath.Join(dir, etcTemp), filepath.Join(dir, filepath.FromSlash(name)), data)
}

func readWritten(dir string) (w written) {
	data, err := os.ReadFile(filepath.Join(dir, etcIndex))
	if err != nil || json.Unmarshal(data, &w) != nil {
		return written{}
	}
	return w
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// applyEtc settles a plugin's configuration once it is installed. What fails is
// in the log, and tried again at the next start: the plugin serves all the same.
func (h *Host) applyEtc(i id, r Record) {
	err := h.adoptEtc(i, r.Data)
	var files, kept []string
	if err == nil {
		files, err = etcFiles(h.layout.files(i, r.folder()))
	}
	if err == nil && (len(files) > 0 || readWritten(h.layout.etc(i)).Folder != "") {
		kept, err = h.settleEtc(i, r.folder(), files)
	}
	if err != nil {
		h.log.Error("writing a plugin's configuration failed; the next start tries again", "plugin", i.String(), "error", err)
	}
	if len(kept) > 0 {
		h.log.Warn("a plugin's configuration was changed here, so the package's own was not written", "plugin", i.String(), "folder", h.layout.etc(i), "files", kept)
	}
}

// adoptEtc puts configuration that was restored in the place of what was there,
// once the plugin's record names its generation. It can be cut short and done
// again.
func (h *Host) adoptEtc(i id, data string) error {
	restored, dir := h.layout.restoredEtc(i, data), h.layout.etc(i)
	if _, err := os.Stat(restored); data == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(restored, dir)); err != nil {
		return err
	}
	_ = os.Remove(dir) // succeeds when nothing is in it
	return syncDirs(filepath.Dir(dir), h.layout.dir)
}

// checkEtc refuses a package whose configuration is too large to be copied.
func checkEtc(dir string) error {
	files, err := etcFiles(dir)
	var size Bytes
	for _, file := range files {
		info, statErr := os.Stat(filepath.Join(dir, filepath.FromSlash(file)))
		if statErr != nil {
			return statErr
		}
		size += Bytes(info.Size())
	}
	if size > maxEtc {
		return Fail(CodeInvalid, "the package's etc/ has %v: at most %v are copied to where the operator edits them", size, Bytes(maxEtc))
	}
	return err
}

// etcFiles lists the regular files below etc/ of a package, slash-separated.
func etcFiles(dir string) (files []string, err error) {
	err = filepath.WalkDir(filepath.Join(dir, "etc"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := filepath.Rel(dir, path)
		files = append(files, filepath.ToSlash(file))
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return files, err
}
