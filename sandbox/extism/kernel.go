package extism

import "fmt"

const (
	// DefaultArenaLimit is the limit of an arena where Config gives none.
	DefaultArenaLimit = 64 << 20
	// DefaultMaxResponse is the limit of a response's body where Config gives none.
	DefaultMaxResponse = 50 << 20
	// KeepIdle is how much of an arena's memory is kept between calls, in bytes.
	// To get more anew for each call adds a tenth to the time that a guest takes to
	// move as much through the ABI, and an idle instance does not hold it.
	KeepIdle = 1 << 20
	// MaxErrorText bounds the text of a guest's error, in bytes.
	MaxErrorText = 4 << 10

	// checkEvery is how many bytes of work are done between two checks.
	checkEvery = 1 << 20
	// callWork is what a call of a costly function counts for at least, in bytes.
	callWork = 1 << 10
)

// Config is what a plugin is granted. The zero value grants no variables, no
// configuration, no requests and no log. It must not change while in use.
type Config struct {
	// ArenaLimit is how many bytes the arena may take, its block table counted;
	// beyond it alloc gives 0. 0 means DefaultArenaLimit; it is at least 64 KiB
	// and at most 1 GiB. While a large arena grows it holds its old memory, too.
	ArenaLimit int64
	// Config is read with config_get.
	Config map[string]string
	// Vars are read and written with var_get and var_set: shared between the
	// kernels of a plugin or private to one. Nil means none, and var_set traps.
	Vars *Vars
	// MaxResponse is how many bytes the body of a response may have; beyond it
	// http_request traps. 0 allows empty ones only, and a negative value means
	// DefaultMaxResponse. The arena's limit holds, too.
	MaxResponse int64
	// Headers says whether http_headers answers.
	Headers bool
	// HTTP sends the requests; nil means that each is denied.
	HTTP Doer
	// Log gets the messages at and above LogLevel, from the goroutine of the call,
	// as valid UTF-8 of at most MaxLogMessage bytes. Nil drops them all.
	Log      func(level Level, message string)
	LogLevel Level
	// Check is asked now and then while host functions do bulk work: after each
	// mebibyte that was cleared, copied or logged, so about every 100 µs. An error
	// ends the call as the cause of a Trap. Nil means that nothing is checked.
	Check func() error
}

// Kernel is the state of one instance: the arena with the input, the output and
// the error of the call under way. One goroutine at a time may use it.
type Kernel struct {
	arena   arena
	input   span
	output  span
	failure uint64 // what error_set got

	status  int32  // of the last response; 0 if there is none
	headers []byte // of the last response, as JSON; nil if there is none

	config Config
	work   int // bytes since the last check
}

// span is a range of the arena.
type span struct {
	at, length uint64
}

// NewKernel makes a kernel. It is ready for what a guest calls while it is
// initialised, before the first Begin.
func NewKernel(c Config) *Kernel {
	if c.ArenaLimit == 0 {
		c.ArenaLimit = DefaultArenaLimit
	}
	if c.MaxResponse < 0 {
		c.MaxResponse = DefaultMaxResponse
	}
	c.MaxResponse = min(c.MaxResponse, base)
	return &Kernel{arena: newArena(c.ArenaLimit), config: c}
}

// Begin empties the arena and makes input the input of the next call. input is
// copied. The error wraps ErrInputTooLarge.
func (k *Kernel) Begin(input []byte) error {
	k.Wipe()
	handle := put(&k.arena, input)
	if handle == 0 && len(input) > 0 {
		return fmt.Errorf("%w: it has %d bytes, and the arena %d", ErrInputTooLarge, len(input), k.arena.limit)
	}
	k.input = span{handle, uint64(len(input))}
	return nil
}

// Output is what the guest set last: a view of the arena, valid until the next
// Begin, Wipe or Trim, or until the guest runs again.
func (k *Kernel) Output() []byte {
	return k.arena.view(k.output.at, k.output.length)
}

// Error is the text of the error that the guest set, as valid UTF-8 of at most
// MaxErrorText bytes. set is false if the guest set none, took it back, or set
// what is no live block.
func (k *Kernel) Error() (text string, set bool) {
	view := k.arena.bytes(k.failure)
	return readable(view, MaxErrorText), len(view) > 0
}

// Size is how many bytes the kernel holds now. Variables are not counted.
func (k *Kernel) Size() int64 {
	return k.arena.size() + int64(cap(k.headers))
}

// Wipe forgets everything about the last call: the arena is zeroed as far as it
// was written, and memory beyond KeepIdle is given back. Begin does the same.
func (k *Kernel) Wipe() {
	if !k.arena.trim(KeepIdle) {
		k.arena.reset()
	}
	k.forget()
	k.status, k.headers, k.work = 0, nil, 0
}

// Trim gives memory beyond KeepIdle back; if there is any, the last call is
// forgotten as with Wipe. It is for the end of a call, when its output has been
// read, and costs nothing if the arena is small.
func (k *Kernel) Trim() {
	if k.arena.trim(KeepIdle) {
		k.forget()
	}
}

// forget drops what points into the arena.
func (k *Kernel) forget() {
	k.input, k.output, k.failure = span{}, span{}, 0
}

// spend counts work that a host function did for the guest, in bytes.
func (k *Kernel) spend(n int) error {
	k.work += n
	if k.work < checkEvery {
		return nil
	}
	k.work = 0
	if k.config.Check == nil {
		return nil
	}
	return k.config.Check()
}
