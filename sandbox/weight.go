package sandbox

// What is held for a plugin beside its machine code and its linear memories, in
// bytes, as measured with plugins of all kinds: BenchmarkFootprint has the ratio.
const (
	// moduleOverhead is wazero's runtime with the host modules in it, the pages
	// of its trampolines, and what the host has for an activation.
	moduleOverhead = 72 << 10
	// instanceOverhead is an instance with the functions that its ABI calls.
	instanceOverhead = 22 << 10
	// functionOverhead is a function that was called: wazero gives each a stack,
	// in each instance.
	functionOverhead = 10_500
)

// decodedSize is what wazero keeps of a module: the bodies of its functions and
// its data as they are in the binary, and tables of both.
func decodedSize(wasm []byte) int64 { return 5 * int64(len(wasm)) / 2 }

// held is what the build and so many instances of it take, but for linear
// memories and what the instances' slots count. An instance has a table of the
// module's data: of Go's builds, which have the most pieces of it, a third of the
// binary's size.
func (c *compiled) held(instances int) int64 {
	return moduleOverhead + c.code + c.decoded + int64(instances)*(instanceOverhead+c.decoded/8)
}
