package sandbox

import (
	"io"
	"math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero/sys"
)

// fake is what a guest sees of clock and randomness that it was not granted: a
// clock that moves on by a millisecond with each look at it, and the same numbers
// each time.
type fake struct {
	looks  int64
	random *rand.ChaCha8
}

// random gives a guest the numbers of a source, a piece at a time.
type random struct {
	source io.Reader
	run    *run
}

// Read implements io.Reader.
func (r random) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		piece := p[n:min(len(p), n+workStep)]
		r.run.spend(len(piece))
		var read int
		read, err = r.source.Read(piece)
		n += read
	}
	return n, err
}

// The day on which every fake clock begins: 1 January 2022.
const fakeEpoch = 1640995200

func (f *fake) reset() { f.looks, f.random = 0, nil }

func (f *fake) look() int64 {
	f.looks++
	return f.looks * int64(time.Millisecond)
}

// walltime is a sys.Walltime.
func (f *fake) walltime() (seconds int64, nanoseconds int32) {
	now := f.look()
	return fakeEpoch + now/1e9, int32(now % 1e9)
}

// nanotime is a sys.Nanotime.
func (f *fake) nanotime() int64 { return f.look() }

// Read implements io.Reader.
func (f *fake) Read(p []byte) (int, error) {
	if f.random == nil {
		f.random = rand.NewChaCha8([32]byte{})
	}
	return f.random.Read(p)
}

var (
	_ sys.Walltime = (*fake)(nil).walltime
	_ sys.Nanotime = (*fake)(nil).nanotime
)
