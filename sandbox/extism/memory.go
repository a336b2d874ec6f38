package extism

// alloc is the import "alloc".
func (k *Kernel) alloc(n uint64) (uint64, error) {
	held := cap(k.arena.mem)
	handle := k.arena.alloc(n)
	if grown := cap(k.arena.mem); grown != held {
		return handle, k.spend(grown)
	}
	return handle, nil
}

// free is the import "free".
func (k *Kernel) free(h uint64) {
	if h == k.input.at {
		k.input.length = 0
	}
	k.arena.free(h)
}

// take returns the bytes of a block that a host function was handed, and frees
// it. The view is good until the arena grows.
func (k *Kernel) take(h uint64) []byte {
	view := k.arena.bytes(h)
	k.free(h)
	return view
}

// reset is the import "reset".
func (k *Kernel) reset() error {
	used := k.arena.used
	k.arena.reset()
	k.forget()
	return k.spend(used)
}

// inputU8 is the import "input_load_u8".
func (k *Kernel) inputU8(i uint64) byte {
	if i < k.input.length {
		return k.arena.loadU8(k.input.at + i)
	}
	return 0
}

// inputU64 is the import "input_load_u64".
func (k *Kernel) inputU64(i uint64) uint64 {
	if length := k.input.length; length >= 8 && i <= length-8 {
		return k.arena.loadU64(k.input.at + i)
	}
	return 0
}

// setInput is the import "input_set".
func (k *Kernel) setInput(p, n uint64) {
	if k.arena.contains(p, n) {
		k.input = span{p, n}
	}
}

// setOutput is the import "output_set".
func (k *Kernel) setOutput(p, n uint64) {
	if k.arena.contains(p, n) {
		k.output = span{p, n}
	}
}

// setError is the import "error_set".
func (k *Kernel) setError(h uint64) {
	if h == 0 || k.arena.contains(h, 1) {
		k.failure = h
	}
}
