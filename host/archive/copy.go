package archive

import (
	"context"
	"errors"
	"io"
)

// chunkLen is how many bytes are copied between two looks at the context.
const chunkLen = 64 << 10

// errOver means that the source has more bytes than it may.
var errOver = errors.New("more bytes than allowed")

// sourceError is a failure to read what is copied; a failure to write it comes as it is.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// copyChunks copies src to dst through buf until src ends, and returns how many bytes dst got: never more than limit. It
// fails with the context's error, errOver, a *sourceError, or the error of dst.
func copyChunks(ctx context.Context, dst io.Writer, src io.Reader, buf []byte, limit int64) (int64, error) {
	var done int64
	for {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		most := int64(len(buf))
		if limit-done < most {
			most = limit - done + 1 // the one byte too many that tells
		}
		n, err := src.Read(buf[:most])
		if int64(n) > limit-done {
			return done, errOver
		}
		if n > 0 {
			written, err := dst.Write(buf[:n])
			done += int64(written)
			if err != nil {
				return done, err
			}
			if written < n {
				return done, io.ErrShortWrite
			}
		}
		if errors.Is(err, io.EOF) {
			return done, nil
		}
		if err != nil {
			return done, &sourceError{err}
		}
	}
}

// stopped is the error of work that ended because the context did: both ctx.Err() and the cause are in it.
func stopped(ctx context.Context, what string) error {
	cause := context.Cause(ctx)
	return &textError{text: what + " stopped: " + cause.Error(), kind: ctx.Err(), cause: cause}
}
