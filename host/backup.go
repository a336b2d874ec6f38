package host

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// A backup is a zip:
//
//	plugins/<kind>/<name>/record.json   what the host remembers of it
//	plugins/<kind>/<name>/files/…       its package
//	plugins/<kind>/<name>/state/…       its own data
//	plugins/<kind>/<name>/etc/…         its configuration
//	uploads/<name>                      what operators uploaded
//	backup.json                         the format, and how many plugins there are: the last entry
//
// Empty folders are entries that end in a slash. A plugin's part is of one
// version. Its data is copied as it is at that moment; links in it are left out.
const (
	backupFormat  = 1
	backupSummary = "backup.json"
	backupRecord  = "record.json"
)

// backupNote is backup.json.
type backupNote struct {
	Format  int       `json:"format"`
	Created time.Time `json:"created"`
	Plugins int       `json:"plugins"`
}

// Backup writes everything that the host keeps, while it runs. A plugin waits
// with its own update, drop or registration while its data is copied, not until
// it is written. The error is w's, the disk's or ctx's; what was written then is
// no backup, and Restore refuses it.
func (h *Host) Backup(ctx context.Context, w io.Writer) (err error) {
	defer func() { err = at(diskError(err), "backup", "", "") }()
	ctx, cancel := h.bound(ctx)
	defer cancel()
	work, err := os.MkdirTemp(h.layout.staging(), "backup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b := &backup{ctx: ctx, zip: zip.NewWriter(w)}
	note := backupNote{Format: backupFormat, Created: time.Now().UTC()}
	for _, p := range h.index.Load().sorted() {
		written, err := h.backUp(b, p.record.id(), filepath.Join(work, "plugin"))
		if err != nil {
			return err
		}
		if written {
			note.Plugins++
		}
	}
	if err := h.backUpUploads(b); err != nil {
		return err
	}
	if err := b.json(backupSummary, note); err != nil {
		return err
	}
	return b.zip.Close()
}

// backUp writes one plugin; false if it was dropped meanwhile.
func (h *Host) backUp(b *backup, i id, work string) (written bool, err error) {
	record, found, err := h.snapshot(b.ctx, i, work)
	if err != nil || !found {
		return false, err
	}
	defer os.RemoveAll(work)
	top := path.Join("plugins", i.kind.String(), i.name)
	return true, errors.Join(
		b.json(path.Join(top, backupRecord), record),
		b.tree(path.Join(top, "files"), filepath.Join(work, "files"), true),
		b.tree(path.Join(top, "state"), filepath.Join(work, "state"), false),
		b.tree(path.Join(top, "etc"), filepath.Join(work, "etc"), false),
	)
}

// snapshot puts what belongs to a plugin into work: its package by links, which
// nobody writes through, its data and its configuration copied.
func (h *Host) snapshot(ctx context.Context, i id, work string) (record Record, found bool, err error) {
	p, unlock, err := h.turn(ctx, i)
	if err != nil {
		return Record{}, false, err
	}
	defer unlock()
	if p == nil {
		return Record{}, false, nil
	}
	err = errors.Join(
		copyTree(ctx, h.layout.files(i, p.record.folder()), filepath.Join(work, "files"), true),
		copyTree(ctx, h.layout.state(i, p.record.Data), filepath.Join(work, "state"), false),
		copyTree(ctx, h.layout.etc(i), filepath.Join(work, "etc"), false),
	)
	if err != nil {
		err = errors.Join(fmt.Errorf("%s: %w", i, err), os.RemoveAll(work))
	}
	return p.record, err == nil, err
}

// copyTree copies folders and files, and, of a package, links; a folder that is
// not there is empty. What somebody removes meanwhile is left out. Files are
// opened below the folder only, whatever links a guest makes meanwhile.
func copyTree(ctx context.Context, from, to string, isPackage bool) error {
	root, err := os.OpenRoot(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	return filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case entry.Type()&fs.ModeSymlink != 0 && isPackage:
			link, err := os.Readlink(file)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case !entry.Type().IsRegular():
			return nil
		case isPackage && os.Link(file, target) == nil:
			return nil
		}
		return copyOf(ctx, root, name, target)
	})
}

func copyOf(ctx context.Context, root *os.Root, name, target string) error {
	in, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, contextReader{ctx, in})
	err = errors.Join(err, out.Close())
	if err == nil {
		err = os.Chtimes(target, time.Time{}, info.ModTime())
	}
	return err
}

// backUpUploads writes the uploaded files.
func (h *Host) backUpUploads(b *backup) error {
	paths, err := h.Uploads()
	if err != nil {
		return err
	}
	for _, file := range paths {
		if err := b.file(path.Join("uploads", filepath.Base(file)), file, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// backup is one that is being written.
type backup struct {
	ctx context.Context
	zip *zip.Writer
}

func (b *backup) json(name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w, err := b.zip.Create(name)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// tree writes the files and empty folders below a folder, which need not be
// there, and the links if they are wanted.
func (b *backup) tree(as, dir string, links bool) error {
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && file == dir {
			return nil
		}
		if err == nil {
			err = b.ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		name := path.Join(as, filepath.ToSlash(rel))
		switch {
		case entry.IsDir():
			if inside, err := os.ReadDir(file); err != nil || len(inside) > 0 || file == dir {
				return err
			}
			_, err := b.zip.Create(name + "/")
			return err
		case entry.Type()&fs.ModeSymlink != 0 && !links:
			return nil
		}
		return b.file(name, file, entry.Type())
	})
	if err != nil {
		return fmt.Errorf("%s: %w", as, err)
	}
	return nil
}

func (b *backup) file(as, file string, kind fs.FileMode) error {
	header := &zip.FileHeader{Name: as, Method: zip.Deflate}
	switch {
	case kind&fs.ModeSymlink != 0:
		target, err := os.Readlink(file)
		if err != nil {
			return err
		}
		header.SetMode(fs.ModeSymlink | 0o777)
		w, err := b.zip.CreateHeader(header)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, target)
		return err
	case !kind.IsRegular():
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header.SetMode(info.Mode().Perm())
	header.Modified = info.ModTime()
	w, err := b.zip.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, contextReader{b.ctx, f})
	return err
}

// contextReader ends reading with a context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
