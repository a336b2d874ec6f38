package cabi

import (
	"fmt"
	"unsafe"

	"berth/host"
)

// Symbol is the one symbol that a library exports.
const Symbol = "berth_plugin_v1"

// The bounds of a descriptor.
const (
	maxDescriptor = 4 << 10 // bytes of the struct, however much it grows
	maxEntries    = 1 << 16 // of each table
	maxText       = 256     // bytes of a text that is read
)

// head is how every version's descriptor begins.
type head struct{ abi, size uint32 }

// plugin is berth_plugin. Addresses are numbers: what is in a library is nothing
// to the garbage collector.
type plugin struct {
	_             head // read before the rest
	name, version uintptr
	concurrency   uint32
	open, close   uintptr
	functions     uintptr
	functionCount uintptr
	sources       uintptr
	sourceCount   uintptr
	sinks         uintptr
	sinkCount     uintptr
}

// functionEntry is berth_function.
type functionEntry struct {
	name, call      uintptr
	flags, reserved uint32
}

// sourceEntry is berth_source.
type sourceEntry struct {
	name                     uintptr
	flags, reserved          uint32
	open, next, start, close uintptr
}

// sinkEntry is berth_sink.
type sinkEntry struct {
	name                 uintptr
	flags, reserved      uint32
	open, collect, close uintptr
}

// concurrency is what may be called at the same time.
type concurrency uint32

const (
	serial concurrency = iota
	object
	parallel
)

func (c concurrency) String() string { return [...]string{"serial", "object", "parallel"}[c] }

// descriptor is what a library says of itself, read and checked.
type descriptor struct {
	name, version string
	concurrency   concurrency
	open, close   uintptr // 0: there is none
	functions     map[string]entry
	sources       map[string]sourceEntry
	sinks         map[string]sinkEntry
}

// entry is a function of a library.
type entry struct {
	address  uintptr // of its entry in the table
	call     uintptr
	encoding host.Encoding
}

// describe reads the descriptor at an address. What is wrong with it is
// CodeInvalid. An address in it that leads nowhere cannot be told from one that
// leads somewhere, and crashes; all else is looked at before it is used.
func describe(address uintptr) (*descriptor, error) {
	if address%unsafe.Alignof(plugin{}) != 0 {
		return nil, broken("the descriptor lies at %#x, where no struct can", address)
	}
	head := *at[head](address)
	if head.abi != abiVersion {
		return nil, broken("it is of version %d of the C ABI, this host has version %d: build it with the berth_plugin.h of this host", head.abi, abiVersion)
	}
	if head.size < uint32(unsafe.Sizeof(plugin{})) || head.size > maxDescriptor {
		return nil, broken("its size is %d, want sizeof(berth_plugin), which is %d", head.size, unsafe.Sizeof(plugin{}))
	}
	p := *at[plugin](address) // not before it is known to be that large
	if p.concurrency > uint32(parallel) {
		return nil, broken("its concurrency is %d, want BERTH_SERIAL, BERTH_OBJECT or BERTH_PARALLEL", p.concurrency)
	}
	d := &descriptor{concurrency: concurrency(p.concurrency), open: p.open, close: p.close}
	var err error
	if d.name, err = checkedName("the plugin", p.name); err != nil {
		return nil, err
	}
	if p.version != 0 {
		d.version = textAt(p.version, maxText)
	}
	if d.functions, err = readTable(p.functions, p.functionCount, "function", readFunction); err != nil {
		return nil, err
	}
	if d.sources, err = readTable(p.sources, p.sourceCount, "source", readSource); err != nil {
		return nil, err
	}
	if d.sinks, err = readTable(p.sinks, p.sinkCount, "sink", readSink); err != nil {
		return nil, err
	}
	return d, nil
}

func broken(format string, args ...any) error {
	return host.Fail(host.CodeInvalid, "the descriptor "+Symbol+" is wrong: "+format, args...)
}

// readTable reads a table of entries, by their names.
func readTable[E, T any](address, count uintptr, kind string, read func(address uintptr, e E) (name uintptr, out T, err error)) (map[string]T, error) {
	switch {
	case count == 0:
		return nil, nil
	case count > maxEntries:
		return nil, broken("it has %d %ss: at most %d are allowed", count, kind, maxEntries)
	case address == 0:
		return nil, broken("it has %d %ss, and their table is NULL", count, kind)
	case address%unsafe.Alignof(*new(E)) != 0:
		return nil, broken("its table of %ss lies at %#x, where none can", kind, address)
	}
	table := make(map[string]T, count)
	for i := range count {
		here := address + i*unsafe.Sizeof(*new(E))
		text, value, err := read(here, *at[E](here))
		name, nameErr := checkedName(fmt.Sprintf("%s %d", kind, i), text)
		if nameErr != nil {
			return nil, nameErr
		}
		if err != nil {
			return nil, broken("%s %s: %w", kind, name, err)
		}
		if _, twice := table[name]; twice {
			return nil, broken("it has two %ss of the name %s", kind, name)
		}
		table[name] = value
	}
	return table, nil
}

func readFunction(address uintptr, e functionEntry) (name uintptr, out entry, err error) {
	encoding, err := readFlags(e.flags, e.reserved)
	if err == nil && e.call == 0 {
		err = errNull("call")
	}
	return e.name, entry{address, e.call, encoding}, err
}

func readSource(_ uintptr, e sourceEntry) (name uintptr, out sourceEntry, err error) {
	_, err = readFlags(e.flags, e.reserved)
	switch {
	case err != nil:
	case e.open == 0:
		err = errNull("open")
	case e.close == 0:
		err = errNull("close")
	case (e.next == 0) == (e.start == 0):
		err = fmt.Errorf("one of next and start has to be NULL, and one not")
	}
	return e.name, e, err
}

func readSink(_ uintptr, e sinkEntry) (name uintptr, out sinkEntry, err error) {
	_, err = readFlags(e.flags, e.reserved)
	for function, address := range map[string]uintptr{"open": e.open, "collect": e.collect, "close": e.close} {
		if err == nil && address == 0 {
			err = errNull(function)
		}
	}
	return e.name, e, err
}

func errNull(function string) error { return fmt.Errorf("its %s is NULL", function) }

// readFlags refuses what a later version may mean something by.
func readFlags(flags, reserved uint32) (host.Encoding, error) {
	switch {
	case reserved != 0:
		return 0, fmt.Errorf("its reserved is %d, want 0", reserved)
	case flags == 0:
		return host.EncodingRaw, nil
	case flags == 1:
		return host.EncodingJSON, nil
	}
	return 0, fmt.Errorf("its flags are %#x, want BERTH_RAW or BERTH_JSON", flags)
}

// checkedName reads a name.
func checkedName(whose string, address uintptr) (string, error) {
	if address == 0 {
		return "", broken("the name of %s is NULL", whose)
	}
	name := textAt(address, maxText)
	if err := host.CheckName(name); err != nil {
		return "", broken("the name of %s: %w", whose, err)
	}
	return name, nil
}
