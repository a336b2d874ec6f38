package archive

import (
	"io/fs"
	"net/http"
)

// StatusError is the cause of an [ErrDownload] because the server answered with another status than 200: it was reached, and
// does not deliver. For errors.Is a 404 is also an fs.ErrNotExist.
type StatusError struct {
	Status int    // such as 404
	text   string // eKuiper's, with the status as the server put it
}

func newStatusError(response *http.Response) *StatusError {
	// The text is eKuiper's, and clients know it.
	return &StatusError{response.StatusCode, "cannot download the file with status: " + printable(response.Status)}
}

// Error returns the text, with the status.
func (e *StatusError) Error() string { return e.text }

// Is makes a 404 an fs.ErrNotExist.
func (e *StatusError) Is(target error) bool {
	return target == fs.ErrNotExist && e.Status == http.StatusNotFound
}
