package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"berth/host/archive"
)

// fetch puts the zip of a request where path says.
func (h *Host) fetch(ctx context.Context, req Request, path string) (digest string, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	var fetched archive.Fetched
	if req.Upload != nil {
		fetched, err = archive.Receive(ctx, "the zip", req.Upload, f, h.config.Archive)
	} else {
		fetched, err = archive.Fetch(ctx, req.File, f, h.config.Archive)
	}
	return fetched.Digest, errors.Join(fetchError(err), f.Close())
}

// unpack unpacks work/package.zip into work/files.
func (h *Host) unpack(ctx context.Context, work string) (warnings []string, err error) {
	dir := filepath.Join(work, "files")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	zip, err := os.Open(filepath.Join(work, "package.zip"))
	if err != nil {
		return nil, err
	}
	defer zip.Close()
	info, err := zip.Stat()
	if err != nil {
		return nil, err
	}
	contents, err := archive.Unpack(ctx, zip, info.Size(), root, h.config.Archive)
	var refused *archive.Error
	if errors.As(err, &refused) && !isDiskFull(err) {
		return nil, &Error{Code: CodeInvalid, Err: err}
	}
	if err != nil {
		return nil, err
	}
	if contents.Enclosing != "" {
		warnings = append(warnings, fmt.Sprintf("the package's files lie in a folder %q: zip the files, not the folder", contents.Enclosing))
	}
	return warnings, nil
}

// cause drops the place of an Error that is about to be given another.
func cause(err error) error {
	if e, ok := err.(*Error); ok {
		return e.Err
	}
	return err
}

// diskError makes a full disk a CodeUnavailable that says so.
func diskError(err error) error {
	if err == nil || !isDiskFull(err) {
		return err
	}
	return Fail(CodeUnavailable, "the disk that holds the data folder is full (or a quota is): free some space and try again: %w", cause(err))
}

func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
