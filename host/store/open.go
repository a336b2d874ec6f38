package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// lockRetry is how often a held lock is tried again.
const lockRetry = 20 * time.Millisecond

// open opens the file, setting a damaged one aside.
func open(path string, options Options) (*Store, error) {
	// A second round has a fresh file. A third is for a race with another
	// process that set the same file aside.
	for range 3 {
		f, err := openLocked(path, options.Timeout)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		s, err := start(f, info, options)
		if err == nil {
			return s, nil
		}
		_ = release(f) // bbolt may have done it
		if !errors.Is(err, errDamaged) {
			return nil, err
		}
		if err := setAside(path, info, err, options); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s is damaged again as soon as it is made: check the disk", path)
}

// openLocked opens or makes the file and locks it. The caller closes it, which
// unlocks it.
func openLocked(path string, timeout time.Duration) (*os.File, error) {
	end := time.Now().Add(timeout)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := lock(f, end); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		same, err := isAt(f, path)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if same {
			return f, nil
		}
		// Whoever held the lock has set the file aside.
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// lock waits for the file's lock.
func lock(f *os.File, end time.Time) error {
	for {
		locked, err := tryLock(f)
		if err != nil {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if locked {
			return nil
		}
		if time.Now().After(end) {
			holder := "another process"
			if who := lockHolder(f); who != "" {
				holder = who
			}
			return fmt.Errorf("%s is held by %s, a berth or a tool that reads its store: end that one, or give this one another data folder", f.Name(), holder)
		}
		time.Sleep(lockRetry)
	}
}

// release unlocks and closes the file.
func release(f *os.File) error { return errors.Join(unlock(f), f.Close()) }

// isAt tells whether f is what path names, and a file.
func isAt(f *os.File, path string) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !opened.Mode().IsRegular() {
		return false, fmt.Errorf("%s is not a file", path)
	}
	named, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(opened, named), nil
}

// start checks the locked file and opens it with bbolt. An error that wraps
// errDamaged asks for it to be set aside; the caller closes f on any error.
func start(f *os.File, info os.FileInfo, options Options) (*Store, error) {
	s := &Store{path: f.Name(), log: options.Log, file: f}
	made := false
	if info.Size() > 0 {
		var a audit
		var torn, err error
		made, torn, err = inspect(f, info.Size(), a.add)
		if err == nil && made {
			err = a.finish()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		if torn != nil {
			s.log.Warn("the store's last change was cut short, by a power cut or a fault of the disk: the state before it is taken",
				"file", s.path, "error", torn)
		}
	}
	if err := calm(func() error { return s.openBolt(options.Timeout) }); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, asDamage(withErrno(err)))
	}
	if err := s.settle(made); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openBolt hands the locked file to bbolt, which locks it once more: a second
// lock through the same file is no conflict.
func (s *Store) openBolt(timeout time.Duration) (err error) {
	handed := false
	s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
		Timeout:      timeout,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			if handed {
				return os.OpenFile(path, flag, mode)
			}
			handed = true
			return s.file, nil
		},
	})
	return err
}

// asDamage marks the errors of bbolt that tell of damage. inspect finds all
// that is known; this is for what it does not know.
func asDamage(err error) error {
	var p *panicked
	switch {
	case errors.As(err, &p) && !p.fault,
		errors.Is(err, bolterrors.ErrInvalid),
		errors.Is(err, bolterrors.ErrVersionMismatch),
		errors.Is(err, bolterrors.ErrChecksum):
		return damaged("%w", err)
	}
	return err
}

// settle reads everything once as Load will, or writes the first seal. made
// tells that the file has one.
func (s *Store) settle(made bool) error {
	if made {
		if _, err := s.Load(); err != nil {
			return asDamage(err)
		}
		return s.guard("open", func() error {
			return s.db.View(func(tx *bbolt.Tx) error {
				seal, err := readSeal(tx)
				s.fresh = seal.Changes == 0
				return err
			})
		})
	}
	s.fresh = true
	err := s.guard("make", func() error {
		return s.db.Update(func(tx *bbolt.Tx) error { return seal{Format: format}.write(tx) })
	})
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.path))
}

// setAside moves the damaged file out of the way. info says which file: if
// another process did it meanwhile, nothing is moved.
func setAside(path string, info os.FileInfo, why error, options Options) error {
	f, err := openLocked(path, options.Timeout)
	if err != nil {
		return err
	}
	defer f.Close()
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(info, now) {
		return nil
	}
	aside, err := freeName(path + ".damaged-" + time.Now().UTC().Format("20060102T150405Z"))
	if err != nil {
		return err
	}
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("set the damaged store aside: %w (the damage: %w)", err, why)
	}
	options.Log.Error("THE STORE IS DAMAGED and was set aside: a fresh one takes its place", "file", path, "aside", aside, "damage", why)
	return syncDir(filepath.Dir(path))
}

// freeName returns name, or name with a number if something has that name. The
// caller holds the lock of the file that is to get the name, so nobody else
// chooses one for it.
func freeName(name string) (string, error) {
	for n := 1; ; n++ {
		free := name
		if n > 1 {
			free = fmt.Sprintf("%s-%d", name, n)
		}
		if _, err := os.Lstat(free); errors.Is(err, fs.ErrNotExist) {
			return free, nil
		} else if err != nil {
			return "", err
		}
	}
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
