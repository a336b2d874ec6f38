package archive

import (
	"archive/zip"
	"errors"
	"fmt"
)

// Sentinels for errors.Is. Failures that are none of these are the operating system's (the disk is full, the zip cannot be
// read) or the context's: errors.As and errors.Is reach the syscall.Errno, context.Canceled or context.DeadlineExceeded.
var (
	// ErrInvalidURI: the uri is not one that [Fetch] takes.
	ErrInvalidURI = errors.New("invalid uri")

	// ErrDownload: the source did not deliver the zip: unreachable, a status other than 200, a redirect or certificate that
	// is not accepted, a broken transfer, not a regular file, or longer than Limits.Timeout.
	ErrDownload = errors.New("download failed")

	// ErrForbidden: Limits.Sources does not allow the address, or one that it redirects to.
	ErrForbidden = errors.New("forbidden source")

	// ErrNotZip: the bytes are not a zip. It wraps [zip.ErrFormat] and has the same text.
	ErrNotZip = fmt.Errorf("%w", zip.ErrFormat)

	// ErrUnsafe: an entry has a name or a type that no package needs and that could do harm.
	ErrUnsafe = errors.New("unsafe entry")

	// ErrUnsupported: an entry is encrypted or compressed in a way that is not known here.
	ErrUnsupported = errors.New("unsupported entry")

	// ErrDuplicate: two entries are the same file, on this or on a case-insensitive file system, or one is a file and the
	// other needs it to be a folder.
	ErrDuplicate = errors.New("duplicate entry")

	// ErrTooMany: more entries, files and folders than Limits.Files.
	ErrTooMany = errors.New("too many entries")

	// ErrTooLarge: more bytes than Limits.Download or Limits.Unpacked.
	ErrTooLarge = errors.New("too large")

	// ErrRatio: more unpacked bytes for a packed byte than Limits.Ratio.
	ErrRatio = errors.New("compression ratio too high")

	// ErrCorrupt: the archive contradicts itself: wrong checksum, wrong size, cut off, entries that overlap.
	ErrCorrupt = errors.New("corrupt entry")
)

// Error is what every function of this package returns, but for the exact texts named in their comments.
type Error struct {
	// Entry is the name as it stands in the zip, with whatever it holds: quote it before showing it. It is empty if the
	// error is about the archive or the download as a whole.
	Entry string

	// Err says what is wrong and what to do; it wraps one of the sentinels, or the cause, or both.
	Err error
}

// Error returns the text, with the name of the entry quoted and cut.
func (e *Error) Error() string {
	if e.Entry == "" {
		return e.Err.Error()
	}
	return "entry " + quote(e.Entry) + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// textError is a text of its own that is, for errors.Is and errors.As, both a sentinel and a cause. Either may be nil.
type textError struct {
	text  string
	kind  error
	cause error
}

func (f *textError) Error() string { return f.text }

func (f *textError) Unwrap() []error {
	var errs []error
	if f.kind != nil {
		errs = append(errs, f.kind)
	}
	if f.cause != nil {
		errs = append(errs, f.cause)
	}
	return errs
}

// refuse returns an error of the given kind with a formatted text.
func refuse(kind error, format string, args ...any) error {
	return &textError{text: fmt.Sprintf(format, args...), kind: kind}
}

// quote makes a string of unknown origin fit for a message: printable, at most 80 characters of it.
func quote(s string) string {
	const most = 80
	n := 0
	for i := range s {
		if n++; n > most {
			return fmt.Sprintf("%q...", s[:i])
		}
	}
	return fmt.Sprintf("%q", s)
}
