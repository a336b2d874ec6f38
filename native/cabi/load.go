package cabi

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"berth/host"
	"berth/host/elfinfo"
)

// load loads a library, and tells how large its file is. The loader gives one
// library to all who ask for the same file, which would have two plugins, or the
// old and the new instance of one, share their variables: if it has the file
// already, a copy of it is loaded. folder is where that lies for a moment.
func (p *process) load(path, folder string) (library uintptr, size int64, err error) {
	if size, err = check(path); err != nil {
		return 0, 0, err
	}
	p.loading.Lock()
	defer p.loading.Unlock()
	from := path
	if isLoaded(path) {
		dir, err := p.copied(path, folder)
		if err != nil {
			return 0, 0, fmt.Errorf("%s is loaded already, and could not be copied: %w", filepath.Base(path), err)
		}
		defer os.RemoveAll(dir) // it stays mapped
		from = filepath.Join(dir, filepath.Base(path))
	}
	if library, err = openLibrary(from); err != nil {
		return 0, 0, host.Fail(host.CodeInvalid, "%s cannot be loaded: %w", filepath.Base(path), err)
	}
	return library, size, nil
}

// check refuses a file that is no shared object for this machine, and tells its
// size. The loader would refuse most of them too, but one that is cut off has it
// read what is not there, which ends the process.
func check(path string) (size int64, err error) {
	stat, err := os.Stat(path)
	switch {
	case err != nil:
		return 0, err
	case !stat.Mode().IsRegular():
		return 0, host.Fail(host.CodeInvalid, "%s is no regular file", filepath.Base(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := elfinfo.Read(f, stat.Size())
	var unreadable *fs.PathError
	switch {
	case errors.As(err, &unreadable):
		return 0, err
	case err != nil:
		return 0, host.Fail(host.CodeInvalid, "%s is no shared object (ELF): %w", filepath.Base(path), err)
	case info.Form != elfinfo.Shared || info.Target != elfinfo.Host():
		return 0, host.Fail(host.CodeInvalid, "%s is no shared object for %s", filepath.Base(path), elfinfo.Host())
	}
	return stat.Size(), nil
}

// copied makes a folder with a copy of a library, beside links to what lay beside
// it: libraries may find others there ($ORIGIN). The folder has a name that no
// other had in this process, for the loader remembers names.
func (p *process) copied(path, folder string) (dir string, err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(folder, fmt.Sprintf("loading-%d-*", p.handles.last.Add(1))); err != nil {
		return "", err
	}
	if err = link(filepath.Dir(path), dir, filepath.Base(path)); err == nil {
		err = copyFile(path, filepath.Join(dir, filepath.Base(path)))
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// link makes links in a folder to all that is in another, but for one file.
func link(from, to, but string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == but {
			continue
		}
		if err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
