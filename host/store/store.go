package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"berth/host"
)

// Options of Open. The zero value is fine.
type Options struct {
	// Timeout is how long to wait for the file's lock; 0: 2 s.
	Timeout time.Duration
	// Log is told of damage; nil: discarded.
	Log *slog.Logger
}

const defaultTimeout = 2 * time.Second

// Store is a host.Store in a bbolt file. It is safe for concurrent use. Make
// one with Open, end it with Close.
type Store struct {
	path  string
	log   *slog.Logger
	file  *os.File // the locked file; db's own
	db    *bbolt.DB
	fresh bool

	// broken is set once bbolt panicked: its locks may be held for ever, so
	// nothing calls it any more.
	broken atomic.Pointer[error]

	mu       sync.Mutex // held during changes and Close; taken before bbolt's own locks
	released bool       // a broken store's file was closed; guarded by mu
}

var _ host.Store = (*Store)(nil)

// Open opens the file, or makes it (mode 0600). One process at a time has it
// open. The caller closes the store.
//
// A damaged file is not an error: it is moved to <path>.damaged-<UTC time>,
// which is logged, and a fresh one takes its place; Fresh then reports true.
// Damage is a file that bbolt cannot have written whole: no valid header,
// shorter than its header says, a page that does not parse, or records that
// are not what the seal says. One bad header of the two is what a power cut
// during a change may leave: the other one has the state before that change,
// which is taken, with a warning.
//
// # Errors
//
// The file is held by another process, who if known; it has a newer format;
// or it could not be opened, read or written, which wraps the system's error.
// None of these changes the file.
func Open(path string, options Options) (*Store, error) {
	if options.Timeout == 0 {
		options.Timeout = defaultTimeout
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	s, err := open(path, options)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}

// Fresh tells whether no change was ever made to the file when Open returned:
// it was made anew then, because there was none or it was damaged, or an
// earlier process made it and ended before its first change, or Settle.
func (s *Store) Fresh() bool { return s.fresh }

// Settle counts as a change of a file that has seen none. Fresh tells the same
// as before until the file is opened again. Errors are those of Put.
func (s *Store) Settle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guard("settle", func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			seal, err := readSeal(tx)
			if err != nil {
				return err
			}
			seal.Changes = max(seal.Changes, 1)
			return seal.write(tx)
		})
	})
}

// Load returns every record, in no particular order. An error names the file;
// no part of the records is returned with it.
func (s *Store) Load() (records []host.Record, err error) {
	err = s.guard("load", func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			var a audit
			err := tx.ForEach(func(bucket []byte, b *bbolt.Bucket) error {
				return b.ForEach(func(key, value []byte) error { return a.add(string(bucket), key, value) })
			})
			if err == nil {
				err = a.finish()
			}
			records = a.records
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return records, nil
}

// Put adds records, or replaces those of the same kind and name, in one
// transaction. They are on disk when Put returns. An error names the file and
// wraps the system's, such as syscall.ENOSPC; nothing was changed then, unless
// it was the disk that failed.
func (s *Store) Put(records ...host.Record) error {
	changes := make([]change, len(records))
	for i, r := range records {
		value, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("store: put %s: %w", r.Name, err)
		}
		changes[i] = change{r.Kind, r.Name, value}
	}
	return s.apply("put", changes...)
}

// Delete removes a record; removing none is no error. It is gone from the disk
// when Delete returns. Errors are those of Put.
func (s *Store) Delete(kind host.Kind, name string) error {
	return s.apply("delete", change{kind, name, nil})
}

// errUnchanged rolls a transaction back that has nothing to do.
var errUnchanged = errors.New("unchanged")

// change is a value to be put under kind and name, or, if it is nil, what is
// there to be deleted.
type change struct {
	kind  host.Kind
	name  string
	value []byte
}

// apply makes the changes and renews the seal, in one transaction.
func (s *Store) apply(op string, changes ...change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		op += " " + c.kind.String() + "/" + c.name
	}
	return s.guard(op, func() error {
		err := s.db.Update(func(tx *bbolt.Tx) error {
			seal, err := readSeal(tx)
			if err != nil {
				return err
			}
			changed := false
			for _, c := range changes {
				did, err := c.apply(tx, &seal)
				if err != nil {
					return err
				}
				changed = changed || did
			}
			if !changed {
				return errUnchanged
			}
			return seal.write(tx)
		})
		if err == errUnchanged {
			return nil
		}
		return err
	})
}

// apply makes one change; false if there was nothing to delete.
func (c change) apply(tx *bbolt.Tx, seal *seal) (changed bool, err error) {
	b, err := tx.CreateBucketIfNotExists([]byte(c.kind.String()))
	if err != nil {
		return false, err
	}
	key := []byte(c.name)
	old := b.Get(key)
	if c.value == nil && old == nil {
		return false, nil
	}
	seal.replace(c.kind.String(), key, old, c.value)
	if c.value == nil {
		return true, b.Delete(key)
	}
	return true, b.Put(key, c.value)
}

// Close waits for transactions under way and unlocks the file. It is
// idempotent; the store is of no use afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken.Load() != nil {
		// bbolt's own Close might wait for a lock that nobody gives back.
		if s.released {
			return nil
		}
		s.released = true
		if err := release(s.file); err != nil {
			return fmt.Errorf("store: close %s: %w", s.path, err)
		}
		return nil
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("store: close %s: %w", s.path, err)
	}
	return nil
}
