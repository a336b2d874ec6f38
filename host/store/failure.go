package store

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"syscall"
)

// errDamaged is wrapped by every error that says the file is not what bbolt and
// this package wrote.
var errDamaged = errors.New("the file is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errDamaged, fmt.Errorf(format, args...))
}

// panicked is a panic inside bbolt.
type panicked struct {
	value any
	fault bool // a memory fault: the file could not be read where it is mapped
}

func (p *panicked) Error() string { return fmt.Sprintf("bbolt panicked: %v", p.value) }

// calm runs f and turns its panics into a *panicked, memory faults included.
func calm(f func() error) (err error) {
	// The mapped file faults where it cannot be read, and the default for that
	// is the end of the process.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if value := recover(); value != nil {
			_, fault := value.(interface{ Addr() uintptr })
			err = &panicked{value, fault}
		}
	}()
	return f()
}

// guard runs a transaction. Its errors name the file and the operation.
func (s *Store) guard(op string, f func() error) error {
	if broken := s.broken.Load(); broken != nil {
		return *broken
	}
	err := calm(f)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("store %s: %s: %w", s.path, op, withErrno(err))
	var p *panicked
	if errors.As(err, &p) {
		broken := fmt.Errorf("%w: nothing can be read or changed until the host is started again, which checks the file", err)
		s.broken.CompareAndSwap(nil, &broken)
		s.log.Error("the store broke", "error", broken)
		return broken
	}
	return err
}

// withErrno puts the system's error back into the chain where bbolt printed it
// into a text: it does when it grows the file and when it maps it.
func withErrno(err error) error {
	var known syscall.Errno
	if errors.As(err, &known) {
		return err
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EIO, syscall.EROFS, syscall.ENOMEM} {
		if strings.HasSuffix(err.Error(), errno.Error()) {
			return &errnoError{err, errno}
		}
	}
	return err
}

type errnoError struct {
	error
	errno syscall.Errno
}

func (e *errnoError) Unwrap() []error { return []error{e.error, e.errno} }
