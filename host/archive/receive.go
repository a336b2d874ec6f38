package archive

import (
	"context"
	"io"
)

// Receive copies what somebody sends, which errors call what ("the zip"), into dst and returns its size and SHA-256, within the
// same limits as [Fetch]. What dst got before an error is worth nothing. Neither src nor dst is closed, and ending ctx is seen
// between two reads only: who reads from a connection gives it a deadline.
//
// Errors are of type [*Error] and wrap [ErrDownload] or [ErrTooLarge]; those of dst wrap only their cause.
func Receive(ctx context.Context, what string, src io.Reader, dst io.Writer, limits Limits) (Fetched, error) {
	fetched, err := download{what: what}.receive(ctx, dst, src, -1, limits.WithDefaults())
	if err != nil {
		return Fetched{}, &Error{Err: err}
	}
	return fetched, nil
}
