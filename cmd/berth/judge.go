package main

import (
	"context"
	"errors"
	"os"

	"berth/host"
	"berth/host/archive"
)

// judge unpacks a zip as a host with default limits does, into a folder that is removed again. look, if not nil, sees what
// came of it: the files are slash-separated and sorted.
func judge(ctx context.Context, zip *os.File, size int64, look func(root *os.Root, files []string) error) (err error) {
	dir, err := os.MkdirTemp("", "berth-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	contents, err := archive.Unpack(ctx, zip, size, root, archive.Limits{})
	var refused *archive.Error
	switch {
	case errors.As(err, &refused):
		return fail(exitRefused, "no host would take this package: %w", err)
	case err != nil:
		return err
	case size > archive.DefaultDownload:
		return fail(exitRefused, "the package has %v, hosts take at most %v by default", host.Bytes(size), host.Bytes(archive.DefaultDownload))
	case look == nil:
		return nil
	}
	var files []string
	for _, entry := range contents.Entries {
		files = append(files, entry.Path)
	}
	return look(root, files)
}
