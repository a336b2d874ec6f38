package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"berth/host/archive"
)

// uploads are files that operators put on the host, to install packages from
// there: data/uploads/<name>, as in eKuiper.

// CheckFileName refuses what is no plain name of a file: letters, digits, dots,
// hyphens and underscores, the first of them no dot, at most 128. The error is
// CodeInvalid.
func CheckFileName(name string) error {
	plain := make([]byte, len(name))
	for i := range len(name) {
		plain[i] = name[i]
		if name[i] == '.' && i > 0 {
			plain[i] = '_'
		}
	}
	if !isName(string(plain)) || len(name) > maxName {
		return Fail(CodeInvalid, "file name '%s' is not allowed: use letters, digits, '.', '-' and '_', no '.' at its beginning, and at most %d of them", clip(name), maxName)
	}
	return nil
}

// SaveUpload keeps a file, in the place of one of the same name, and returns its
// absolute path. A failure leaves what was there. The errors are CodeInvalid
// (name, a source that breaks off), CodeTooLarge, CodeUnavailable (a full disk).
func (h *Host) SaveUpload(ctx context.Context, name string, content io.Reader) (path string, err error) {
	return h.saveUpload(ctx, name, func(ctx context.Context, f *os.File) error {
		_, err := archive.Receive(ctx, "the file", content, f, h.config.Archive)
		return err
	})
}

// FetchUpload is SaveUpload of what a URI (http, https or file) names. The error
// is also CodeForbidden: the operator allows no such source.
func (h *Host) FetchUpload(ctx context.Context, name, uri string) (path string, err error) {
	return h.saveUpload(ctx, name, func(ctx context.Context, f *os.File) error {
		_, err := archive.FetchAny(ctx, uri, f, h.config.Archive)
		return err
	})
}

func (h *Host) saveUpload(ctx context.Context, name string, fill func(context.Context, *os.File) error) (path string, err error) {
	defer func() { err = at(h.stageError(err), "upload", "", "") }()
	if err := CheckFileName(name); err != nil {
		return "", err
	}
	ctx, cancel := h.bound(ctx)
	defer cancel()
	work, err := os.MkdirTemp(h.layout.staging(), "upload-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	f, err := os.OpenFile(filepath.Join(work, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	if err = errors.Join(fileError(fill(ctx, f)), f.Sync(), f.Close()); err != nil {
		return "", err
	}
	if err := os.MkdirAll(h.layout.uploads(), 0o700); err != nil {
		return "", err
	}
	path = filepath.Join(h.layout.uploads(), name)
	if err := os.Rename(filepath.Join(work, name), path); err != nil {
		return "", err
	}
	h.log.Info("file uploaded", "name", name)
	return path, syncDirs(h.layout.uploads(), h.layout.dir)
}

// Uploads lists the uploaded files, by their absolute paths, sorted.
func (h *Host) Uploads() (paths []string, err error) {
	files, err := entries(h.layout.uploads())
	if err != nil {
		return nil, at(err, "uploads", "", "")
	}
	paths = []string{}
	for _, file := range files {
		if file.Type().IsRegular() && CheckFileName(file.Name()) == nil { // what cannot be named cannot be removed
			paths = append(paths, filepath.Join(h.layout.uploads(), file.Name()))
		}
	}
	return paths, nil
}

// RemoveUpload removes an uploaded file. The error is CodeInvalid (the name),
// CodeNotFound, or the disk's.
func (h *Host) RemoveUpload(name string) (err error) {
	defer func() { err = at(err, "remove upload", "", "") }()
	if err := CheckFileName(name); err != nil {
		return err
	}
	err = os.Remove(filepath.Join(h.layout.uploads(), name))
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{Code: CodeNotFound, Err: fmt.Errorf("file %s: %w", name, ErrNotFound)}
	}
	return err
}
