package extism

import "sync"

const (
	// DefaultMaxVars is the limit of variables where none is given.
	DefaultMaxVars = 1 << 20
	// VarOverhead is what each variable counts for besides its name and value, in
	// bytes: as in other hosts of this ABI, and about half of what it really takes.
	VarOverhead = 48
)

// Vars are the variables of a plugin. They outlive calls. Safe for concurrent
// use: one value may serve all kernels of a plugin, or each kernel its own.
type Vars struct {
	max int64

	mu     sync.Mutex // guards what follows
	values map[string][]byte
	size   int64
}

// NewVars makes an empty store that takes max bytes: names, values, and
// VarOverhead for each. 0 disables it, so that var_set traps; a negative max
// means DefaultMaxVars.
func NewVars(max int64) *Vars {
	if max < 0 {
		max = DefaultMaxVars
	}
	return &Vars{max: max, values: make(map[string][]byte)}
}

// Size is how many bytes count towards the limit now.
func (v *Vars) Size() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.size
}

// Clear removes all variables.
func (v *Vars) Clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.values)
	v.size = 0
}

// get returns the value of a variable, nil if there is none. It is not to be
// changed, and does not change either.
func (v *Vars) get(key []byte) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.values[string(key)]
}

// set gives a variable a copy of value. A value that it replaces does not count.
func (v *Vars) set(key, value []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	size := v.size + entrySize(len(key), len(value))
	if old, ok := v.values[string(key)]; ok {
		size -= entrySize(len(key), len(old))
	}
	if size > v.max {
		return ErrVarsFull
	}
	v.values[string(key)] = append([]byte(nil), value...)
	v.size = size
	return nil
}

func (v *Vars) delete(key []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if old, ok := v.values[string(key)]; ok {
		delete(v.values, string(key))
		v.size -= entrySize(len(key), len(old))
	}
}

func entrySize(key, value int) int64 {
	return int64(key) + int64(value) + VarOverhead
}

// configGet is the import "config_get".
func (k *Kernel) configGet(key uint64) (uint64, error) {
	value := k.config.Config[string(k.take(key))]
	return put(&k.arena, value), k.spend(callWork + len(value))
}

// varGet is the import "var_get".
func (k *Kernel) varGet(key uint64) (uint64, error) {
	name := k.take(key)
	if k.config.Vars == nil {
		return 0, nil
	}
	value := k.config.Vars.get(name)
	return put(&k.arena, value), k.spend(callWork + len(value))
}

// varSet is the import "var_set".
func (k *Kernel) varSet(key, value uint64) error {
	vars := k.config.Vars
	if vars == nil || vars.max == 0 {
		return ErrVarsDisabled
	}
	content := k.arena.bytes(value) // before the key is freed: it may be the same block
	name := k.take(key)
	k.free(value)
	if err := k.spend(callWork + len(name) + len(content)); err != nil {
		return err
	}
	if value == 0 {
		vars.delete(name)
		return nil
	}
	return vars.set(name, content)
}
