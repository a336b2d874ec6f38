package sandbox

import (
	"math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero/sys"
)

// fake is what a guest sees of clock and randomness that it was not granted: a
// clock that moves on by a millisecond with each look at it, and the same numbers
// each time.
type fake struct {
	looks  int64
	random rand.ChaCha8
	begun  bool
	saved  *fake
}

// The day on which every fake clock begins: 1 January 2022.
const fakeEpoch = 1640995200

// save keeps what the guest has seen up to now, for reset to go back to.
func (f *fake) save() {
	now := *f
	f.saved = &now
}

func (f *fake) reset() {
	saved := f.saved
	*f = *saved
	f.saved = saved
}

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
	if !f.begun {
		f.begun = true
		f.random.Seed([32]byte{})
	}
	return f.random.Read(p)
}

var (
	_ sys.Walltime = (*fake)(nil).walltime
	_ sys.Nanotime = (*fake)(nil).nanotime
)
