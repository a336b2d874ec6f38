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
	"path/filepath"
	"slices"
	"strings"

	"berth/host/archive"
)

const (
	maxBackupEntries = 1_000_000
	maxBackupRecord  = 4 << 20 // bytes
	maxLinkTarget    = 4 << 10 // bytes
)

// Restored is what Restore did.
type Restored struct {
	Plugins []Ref         // those that are as in the backup now
	Dropped []Ref         // those that were installed and are not in it
	Failed  map[Ref]error // those that could not be restored, and are as they were
}

// restored is a plugin in a backup: what a Request has for it.
type restored struct {
	record Record
	parts  map[string][]backupEntry // by "files", "state" and "etc"
}

// backupEntry is a file of one part.
type backupEntry struct {
	name string // within the part, slash-separated
	file *zip.File
}

// Restore makes the host what it was when a backup was made, while it runs: the
// plugins in it are installed or updated, each at once and with its data; all
// others but those of the drop-in folder are dropped, when nothing failed. Scripts are not run again, nothing is
// fetched, and signatures are not asked for: who may restore may do anything.
// src has at most limit bytes; 0: 8 GiB.
//
// If it is cut short, some plugins are restored and others are not: it can be
// done again. The error, CodeInvalid or CodeTooLarge, is that of the backup as a
// whole; nothing was changed then.
func (h *Host) Restore(ctx context.Context, src io.Reader, limit Bytes) (_ Restored, err error) {
	defer func() { err = at(h.stageError(err), "restore", "", "") }()
	ctx, cancel := h.bound(ctx)
	defer cancel()
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
	got, err := archive.Receive(ctx, src, f, archive.Limits{Download: int64(cmp.Or(limit, 8<<30))})
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
	out := Restored{Failed: map[Ref]error{}}
	h.restorePlugins(ctx, plugins, &out)
	for _, upload := range uploads {
		if err := h.restoreUpload(ctx, upload); err != nil {
			return out, err
		}
	}
	return out, ctx.Err()
}

func (h *Host) restorePlugins(ctx context.Context, plugins []*restored, out *Restored) {
	wanted := map[Ref]bool{}
	try := func(p *restored) error {
		req := Request{Kind: p.record.Kind, Name: p.record.Name, Functions: p.record.Requested, ShellParas: p.record.ShellParas, restored: p}
		_, err := h.Update(ctx, req)
		if CodeOf(err) == CodeNotFound {
			_, err = h.Install(ctx, req)
		}
		return err
	}
	var clashes []*restored
	for _, p := range plugins {
		ref := Ref{p.record.Kind, p.record.Name}
		wanted[ref] = true
		switch err := try(p); {
		case err == nil:
			out.Plugins = append(out.Plugins, ref)
		case CodeOf(err) == CodeConflict:
			clashes = append(clashes, p) // with one that is not in the backup, or that changes later
		default:
			out.Failed[ref] = err
		}
	}
	if len(out.Failed) == 0 {
		for _, p := range h.index.Load().sorted() {
			ref := Ref{p.record.Kind, p.record.Name}
			if wanted[ref] || p.record.Source == SourceDropIn {
				continue
			}
			if err := h.drop(ctx, p.record.id(), false); err != nil && CodeOf(err) != CodeNotFound {
				out.Failed[ref] = err
				continue
			}
			out.Dropped = append(out.Dropped, ref)
		}
	}
	for _, p := range clashes {
		ref := Ref{p.record.Kind, p.record.Name}
		if err := try(p); err != nil {
			out.Failed[ref] = err
			continue
		}
		out.Plugins = append(out.Plugins, ref)
	}
}

// readBackup checks a backup as a whole, and lists what is in it.
func readBackup(src io.ReaderAt, size int64) (plugins []*restored, uploads []backupEntry, err error) {
	r, err := zip.NewReader(src, size)
	if err != nil {
		return nil, nil, fmt.Errorf("it is no backup: %w", err)
	}
	if len(r.File) == 0 || len(r.File) > maxBackupEntries || r.File[len(r.File)-1].Name != backupSummary {
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
	for _, file := range r.File[:len(r.File)-1] {
		top, rest, _ := strings.Cut(file.Name, "/")
		switch {
		case top == "uploads" && CheckFileName(rest) == nil && file.Mode().IsRegular():
			uploads = append(uploads, backupEntry{rest, file})
			continue
		case top != "plugins":
			return nil, nil, fmt.Errorf("entry %q: it is not one of a backup", clip(file.Name))
		}
		fields := strings.SplitN(rest, "/", 4)
		if len(fields) < 3 {
			return nil, nil, fmt.Errorf("entry %q: it is not one of a backup", clip(file.Name))
		}
		key := fields[0] + "/" + fields[1]
		if fields[2] == backupRecord {
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
		if p == nil || len(fields) < 4 || !slices.Contains([]string{"files", "state", "etc"}, fields[2]) || !fs.ValidPath(fields[3]) {
			return nil, nil, fmt.Errorf("entry %q: it is not one of a backup", clip(file.Name))
		}
		p.parts[fields[2]] = append(p.parts[fields[2]], backupEntry{fields[3], file})
	}
	if len(plugins) != note.Plugins {
		return nil, nil, fmt.Errorf("it has %d plugins and says that there are %d: it is not whole", len(plugins), note.Plugins)
	}
	return plugins, uploads, nil
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
// work/etc, within the limits of packages.
func (h *Host) unpackRestored(ctx context.Context, p *restored, work string) error {
	limits := h.config.Archive.WithDefaults()
	left := limits.Unpacked
	for _, part := range []string{"files", "state", "etc"} {
		entries := p.parts[part]
		if len(entries) > limits.Files {
			return Fail(CodeInvalid, "it has %d files: at most %d are allowed (file-limit)", len(entries), limits.Files)
		}
		dir := filepath.Join(work, part)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		n, err := unpackPart(ctx, dir, entries, left)
		if err != nil {
			return err
		}
		left -= n
		if err := syncTree(dir); err != nil {
			return err
		}
	}
	return nil
}

// unpackPart writes files below dir, of at most most bytes together, and then
// the links, which nothing is written through.
func unpackPart(ctx context.Context, dir string, entries []backupEntry, most int64) (n int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	var links []backupEntry
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		if e.file.Mode()&fs.ModeSymlink != 0 {
			links = append(links, e)
			continue
		}
		written, err := e.write(ctx, root, most-n)
		if err != nil {
			return n, Fail(CodeInvalid, "entry %q: %w", clip(e.file.Name), err)
		}
		n += written
	}
	for _, e := range links {
		if err := e.link(root); err != nil {
			return n, Fail(CodeInvalid, "entry %q: %w", clip(e.file.Name), err)
		}
	}
	return n, nil
}

func (e backupEntry) write(ctx context.Context, root *os.Root, most int64) (n int64, err error) {
	if err := root.MkdirAll(filepath.Dir(filepath.FromSlash(e.name)), 0o755); err != nil {
		return 0, err
	}
	r, err := e.file.Open()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	f, err := root.OpenFile(filepath.FromSlash(e.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, e.file.Mode().Perm()|0o600)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(f, io.LimitReader(contextReader{ctx, r}, most+1))
	if err == nil && n > most {
		err = errors.New("with it the plugin is over the limit of a package's size (unpacked-limit)")
	}
	return n, errors.Join(err, f.Close())
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

// placeOwn puts a restored plugin's data and configuration where they belong. What
// was there goes to work, and back if undo is run; calls that are inside keep
// what they have open.
func (h *Host) placeOwn(work string, i id, undo *undo) error {
	for part, to := range map[string]string{"state": h.layout.state(i), "etc": h.layout.etc(i)} {
		from, old := filepath.Join(work, part), filepath.Join(work, "old-"+part)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.Rename(to, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		undo.add(func() {
			_ = os.RemoveAll(to)
			_ = os.Rename(old, to)
		})
		// An empty folder is made when it is granted, or has something in it.
		if err := os.Remove(from); err == nil {
			continue
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
		if err := errors.Join(os.Chmod(to, 0o700), syncDirs(filepath.Dir(to), h.layout.dir)); err != nil {
			return err
		}
	}
	return nil
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
