//go:build !linux

package snapshot

import "errors"

// Elsewhere than on Linux no system tells which pages were written to: memories
// are in Go's heap, and none of these is reached with one that is not.

type pagemap struct{}

func openPagemap() (*pagemap, error) { return nil, errors.ErrUnsupported }

func (*pagemap) close() {}

func newCowImage(*pagemap, *memory) (image, error) { return nil, errors.ErrUnsupported }

func reserve(uint64) ([]byte, error) { return nil, errors.ErrUnsupported }

func wipe([]byte) error { return errors.ErrUnsupported }

func release([]byte) {}
