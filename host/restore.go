package host

import (
	"archive/zip"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/host/archive"
)

const (
	maxBackupEntries = 1_000_000
	maxBackupRecord  = 4 << 20   // bytes
	maxBackupRecords = 256 << 20 // bytes of all of them together
	maxLinkTarget    = 4 << 10   // bytes

	defaultRestore = Bytes(8 << 30)
)

// Restored is what Restore did.
type Restored struct {
	Plugins []Ref            // those that are as in the backup now
	Dropped []Ref            // those that were installed and are not in it
	Failed  map[Ref]error    // those that could not be restored, and are as they were
	Uploads map[string]error // uploaded files that could not be restored
}

// restored is a plugin in a backup: what a Request has for it.
type restored struct {
	record Record
	parts  map[string][]backupEntry // by "files", "state" and "etc"
	fault  error                    // what is wrong with its entries
	left   *int64                   // how many bytes of the backup may still be unpacked
}

// backupEntry is a file of one part.
type backupEntry struct {
	name string // within the part, slash-separated
	file *zip.File
}

// Restore makes the host what it was when a backup was made, while it runs: the
// plugins in it are installed or updated, each at once and with its data. All
// others but those of the drop-in folder are dropped, if nothing failed but for
// names of functions that somebody still has. Scripts are not run again, nothing
// is fetched, and signatures are not asked for: who may restore may do anything.
// src has at most limit bytes, and as many when it is unpacked; 0: 8 GiB.
//
// If it is cut short, some plugins are restored and others are not: it can be
// done again. The error, CodeInvalid or CodeTooLarge, is that of the backup as a
// whole, and nothing was changed then; or CodeCanceled and CodeUnavailable when it
// was cut short.
func (h *Host) Restore(ctx context.Context, src io.Reader, limit Bytes) (_ Restored, err error) {
	defer func() { err = at(h.stageError(err), "restore", "", "") }()
	ctx, cancel := h.bound(ctx)
	defer cancel()
	left := int64(cmp.Or(limit, defaultRestore))
	work, err := os.MkdirTemp(h.layout.staging(), "restore-")
	if err != nil {
		return Restored{}, err
	}
	defer os.RemoveAll(work)
	f, err := os.OpenFile(filepath.Join(work, "backup.zip"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Restored{}, err
	}
	defer f.Close()
	got, err := archive.Receive(ctx, "the backup", src, f, archive.Limits{Download: left})
	switch {
	case errors.Is(err, archive.ErrTooLarge):
		return Restored{}, &Error{Code: CodeTooLarge, Err: err}
	case errors.Is(err, archive.ErrDownload):
		return Restored{}, &Error{Code: CodeInvalid, Err: err}
	case err != nil:
		return Restored{}, err
	}
	plugins, uploads, err := readBackup(f, got.Size)
	if err != nil {
		return Restored{}, Fail(CodeInvalid, "%w: nothing was restored", err)
	}
	for _, p := range plugins {
		p.left = &left
	}
	out := Restored{Failed: map[Ref]error{}, Uploads: map[string]error{}}
	h.restorePlugins(ctx, plugins, &out)
	for _, upload := range uploads {
		if err := h.restoreUpload(ctx, upload); err != nil {
			out.Uploads[upload.name] = err
		}
	}
	return out, ctx.Err()
}

func (h *Host) restorePlugins(ctx context.Context, plugins []*restored, out *Restored) {
	wanted := map[Ref]bool{}
	for _, p := range plugins {
		wanted[p.ref()] = true
	}
	clashes := h.restoreAll(ctx, plugins, out)
	if len(out.Failed) == 0 {
		for _, p := range h.index.Load().sorted() {
			ref := Ref{p.record.Kind, p.record.Name}
			if wanted[ref] {
				continue
			}
			switch dropped, err := h.dropRequested(ctx, p.record.id()); {
			case err != nil:
				out.Failed[ref] = err
			case dropped:
				out.Dropped = append(out.Dropped, ref)
			}
		}
		clashes = h.restoreAll(ctx, clashes, out)
	}
	for _, p := range clashes {
		out.Failed[p.ref()] = Fail(CodeConflict, "one of its functions %v is another plugin's: drop that one, and restore again", p.record.Functions)
	}
}

// restoreAll restores plugins until what is left are those one of whose functions
// somebody else still has: that may be one that is restored later.
func (h *Host) restoreAll(ctx context.Context, plugins []*restored, out *Restored) (clashes []*restored) {
	for before := -1; len(plugins) != before; plugins, clashes = clashes, nil {
		before = len(plugins)
		for _, p := range plugins {
			switch err := h.restoreOne(ctx, p); {
			case err == nil:
				out.Plugins = append(out.Plugins, p.ref())
			case CodeOf(err) == CodeConflict:
				clashes = append(clashes, p)
			default:
				out.Failed[p.ref()] = err
			}
		}
		if len(clashes) == before {
			return clashes
		}
	}
	return nil
}

func (h *Host) restoreOne(ctx context.Context, p *restored) error {
	if p.fault != nil {
		return p.fault
	}
	req := Request{Kind: p.record.Kind, Name: p.record.Name, Functions: p.record.Requested, ShellParas: p.record.ShellParas, restored: p}
	_, err := h.Upsert(ctx, req)
	return err
}

func (p *restored) ref() Ref { return Ref{p.record.Kind, p.record.Name} }

// readBackup checks a backup as a whole, and lists what is in it.
func readBackup(src io.ReaderAt, size int64) (plugins []*restored, uploads []backupEntry, err error) {
	if err := archive.CheckCount(src, size, maxBackupEntries); err != nil {
		return nil, nil, fmt.Errorf("it is no backup: %w", err)
	}
	r, err := zip.NewReader(src, size)
	if err != nil {
		return nil, nil, fmt.Errorf("it is no backup: %w", err)
	}
	if len(r.File) == 0 || r.File[len(r.File)-1].Name != backupSummary {
		return nil, nil, fmt.Errorf("it is no backup: a zip is expected whose last entry is %s", backupSummary)
	}
	var note backupNote
	if err := readJSON(r.File[len(r.File)-1], &note); err != nil {
		return nil, nil, err
	}
	if note.Format != backupFormat {
		return nil, nil, fmt.Errorf("it is a backup of format %d, and this version of Berth reads format %d", note.Format, backupFormat)
	}
	found := map[string]*restored{}
	var records uint64
	for _, file := range r.File[:len(r.File)-1] {
		top, rest, _ := strings.Cut(file.Name, "/")
		fields := strings.SplitN(rest, "/", 4)
		switch {
		case top == "uploads":
			uploads = append(uploads, backupEntry{rest, file})
			continue
		case top != "plugins" || len(fields) < 3:
			return nil, nil, fmt.Errorf("entry %q: it is not one of a backup", clip(file.Name))
		}
		key := fields[0] + "/" + fields[1]
		if fields[2] == backupRecord {
			if records += file.UncompressedSize64; records > maxBackupRecords {
				return nil, nil, fmt.Errorf("its records have over %d bytes", maxBackupRecords)
			}
			p := &restored{parts: map[string][]backupEntry{}}
			if err := readJSON(file, &p.record); err != nil {
				return nil, nil, err
			}
			if err := p.record.check(key); err != nil || found[key] != nil {
				return nil, nil, fmt.Errorf("entry %q: %w", clip(file.Name), cmp.Or(err, errors.New("it is there twice")))
			}
			found[key] = p
			plugins = append(plugins, p)
			continue
		}
		p := found[key]
		if p == nil || len(fields) < 4 || !slices.Contains([]string{"files", "state", "etc"}, fields[2]) {
			return nil, nil, fmt.Errorf("entry %q: it is not one of a backup", clip(file.Name))
		}
		if err := checkBackupName(fields[2], fields[3]); err != nil && p.fault == nil {
			p.fault = Fail(CodeInvalid, "entry %q: %w", clip(file.Name), err)
		}
		p.parts[fields[2]] = append(p.parts[fields[2]], backupEntry{fields[3], file})
	}
	if len(plugins) != note.Plugins {
		return nil, nil, fmt.Errorf("it has %d plugins and says that there are %d: it is not whole", len(plugins), note.Plugins)
	}
	return plugins, uploads, nil
}

// checkBackupName refuses a path that leads out of its part, and those that only
// the host writes. It need not be UTF-8: a plugin may name its files as it likes.
func checkBackupName(part, name string) error {
	first, _, _ := strings.Cut(name, "/")
	switch clean := strings.TrimSuffix(name, "/"); {
	case clean == "" || strings.ContainsRune(name, 0) || !filepath.IsLocal(filepath.FromSlash(clean)) || path.Clean(clean) != clean:
		return errors.New("it leads out of its folder")
	case part == "etc" && first == etcTemp:
		return errors.New("it is the host's own")
	}
	return nil
}

// check refuses a record that could not have been written by a host.
func (r Record) check(key string) error {
	switch {
	case r.id().String() != key:
		return fmt.Errorf("it is about %s", clip(r.id().String()))
	case !isDigest(r.Digest):
		return errors.New("it has no digest")
	}
	return errors.Join(CheckName(r.Name), checkSymbols(r.Functions), checkSymbols(r.Requested))
}

func readJSON(file *zip.File, into any) error {
	r, err := file.Open()
	if err != nil {
		return fmt.Errorf("entry %q: %w", clip(file.Name), err)
	}
	defer r.Close()
	if err := json.NewDecoder(io.LimitReader(r, maxBackupRecord)).Decode(into); err != nil {
		return fmt.Errorf("entry %q: %w", clip(file.Name), err)
	}
	return nil
}

// unpackRestored puts the parts of a plugin into work/files, work/state and
// work/etc.
func (h *Host) unpackRestored(ctx context.Context, p *restored, work string) error {
	for _, part := range []string{"files", "state", "etc"} {
		dir := filepath.Join(work, part)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := p.unpack(ctx, dir, p.parts[part], part == "files"); err != nil {
			return err
		}
		if err := syncTree(dir); err != nil {
			return err
		}
	}
	return nil
}

// unpack writes folders and files below dir, and then the links, which nothing is
// written through; links of packages only.
func (p *restored) unpack(ctx context.Context, dir string, entries []backupEntry, links bool) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var later []backupEntry
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch mode := e.file.Mode(); {
		case strings.HasSuffix(e.name, "/"):
			err = root.MkdirAll(filepath.FromSlash(strings.TrimSuffix(e.name, "/")), 0o755)
		case mode&fs.ModeSymlink != 0 && links:
			later = append(later, e)
		case mode.IsRegular():
			err = e.write(ctx, root, p.left)
		}
		if err != nil {
			return Fail(CodeInvalid, "entry %q: %w", clip(e.file.Name), err)
		}
	}
	for _, e := range later {
		if err := e.link(root); err != nil {
			return Fail(CodeInvalid, "entry %q: %w", clip(e.file.Name), err)
		}
	}
	return nil
}

// write writes a file, of at most left bytes, which becomes less by them.
func (e backupEntry) write(ctx context.Context, root *os.Root, left *int64) error {
	name := filepath.FromSlash(e.name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	r, err := e.file.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, e.file.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(contextReader{ctx, r}, *left+1))
	if *left -= n; err == nil && *left < 0 {
		err = errors.New("with it the backup is over the limit of what may be restored (restore-limit)")
	}
	if err = errors.Join(err, f.Close()); err == nil && !e.file.Modified.IsZero() {
		err = root.Chtimes(name, time.Time{}, e.file.Modified)
	}
	return err
}

func (e backupEntry) link(root *os.Root) error {
	r, err := e.file.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	target, err := io.ReadAll(io.LimitReader(r, maxLinkTarget))
	if err != nil {
		return err
	}
	name := filepath.FromSlash(e.name)
	return errors.Join(root.MkdirAll(filepath.Dir(name), 0o755), root.Symlink(string(target), name))
}

// placeOwn puts a restored plugin's data and configuration where they are found
// once the record names their generation, data. What is there now stays.
func (h *Host) placeOwn(work string, i id, undo *undo) (data string, err error) {
	data = strconv.FormatUint(h.nextRevision(), 10)
	for part, to := range map[string]string{"state": h.layout.state(i, data), "etc": h.layout.restoredEtc(i, data)} {
		undo.add(func() { _ = os.RemoveAll(to) })
		err := errors.Join(
			os.MkdirAll(filepath.Dir(to), 0o700),
			os.RemoveAll(to),
			os.Rename(filepath.Join(work, part), to),
			os.Chmod(to, 0o700),
			syncDirs(filepath.Dir(to), h.layout.dir),
		)
		if err != nil {
			return "", err
		}
	}
	return data, nil
}

func (h *Host) restoreUpload(ctx context.Context, e backupEntry) error {
	r, err := e.file.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = h.SaveUpload(ctx, e.name, r)
	return err
}
