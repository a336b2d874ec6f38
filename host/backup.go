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
// A plugin's part is of one version: it is neither updated nor dropped meanwhile.
// Its data is copied as it is at that moment.
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
// with its own update, drop or registration until it was written. The error is
// w's, the disk's or ctx's; what was written then is no backup, and Restore
// refuses it.
func (h *Host) Backup(ctx context.Context, w io.Writer) (err error) {
	defer func() { err = at(err, "backup", "", "") }()
	ctx, cancel := h.bound(ctx)
	defer cancel()
	b := &backup{ctx: ctx, zip: zip.NewWriter(w)}
	note := backupNote{Format: backupFormat, Created: time.Now().UTC()}
	for _, p := range h.index.Load().sorted() {
		written, err := h.backUp(b, p.record.id())
		if err != nil {
			return err
		}
		if written {
			note.Plugins++
		}
	}
	if err := b.tree("uploads", h.layout.uploads()); err != nil {
		return err
	}
	if err := b.json(backupSummary, note); err != nil {
		return err
	}
	return b.zip.Close()
}

// backUp writes one plugin; false if it was dropped meanwhile.
func (h *Host) backUp(b *backup, i id) (written bool, err error) {
	p, unlock, err := h.turn(b.ctx, i)
	if err != nil {
		return false, err
	}
	defer unlock()
	if p == nil {
		return false, nil
	}
	top := path.Join("plugins", i.kind.String(), i.name)
	return true, errors.Join(
		b.json(path.Join(top, backupRecord), p.record),
		b.tree(path.Join(top, "files"), h.layout.files(i, p.record.folder())),
		b.tree(path.Join(top, "state"), h.layout.state(i)),
		b.tree(path.Join(top, "etc"), h.layout.etc(i)),
	)
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

// tree writes the files and links below a folder, which need not be there. What
// is neither is left out.
func (b *backup) tree(as, dir string) error {
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
				return nil
			}
			return err
		}
		if err := b.ctx.Err(); err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		return b.file(path.Join(as, filepath.ToSlash(rel)), file, entry.Type())
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
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header.SetMode(info.Mode().Perm())
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
