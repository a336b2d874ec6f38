package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile puts what write writes in the place of a file, whole or not at all.
func replaceFile(path string, mode fs.FileMode, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fail(exitUsage, "%s is no regular file: it is not replaced", path)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".berth-*")
	if err != nil {
		return fail(exitUsage, "%w", err)
	}
	err = write(temp)
	if err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
	}
	return err
}
