package sandbox

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"berth/host"
	"berth/sandbox/snapshot"
)

// slot is one instance and what calling it takes. One goroutine owns it from
// the pool's get to its put.
type slot struct {
	instance  api.Module
	linked    []api.Module // what instance imports from
	memory    api.Memory   // nil if the guest exports none
	guest     guest
	functions []api.Function
	stack     []uint64
	wide      []uint64 // the stack for more parameters or results than usual
	stdio     *stdio
	run       *run
	memories  *memories            // of the instances; nil if wazero makes them
	snapshots []*snapshot.Snapshot // of the instances, if they are reset after each call
	spent     bool                 // it must be reset before the next call, or is not used again
	gone      bool                 // it ended itself, though nothing was wrong
	fake      fake
	bytes     atomic.Int64
}

// instances are those of the slot that were made, the main one last.
func (s *slot) instances() []api.Module {
	instances := slices.Clone(s.linked)
	if s.instance != nil {
		instances = append(instances, s.instance)
	}
	return instances
}

// stackOf returns a stack for n values.
func (s *slot) stackOf(n int) []uint64 {
	if n <= len(s.stack) {
		return s.stack
	}
	if n > len(s.wide) {
		s.wide = make([]uint64, n)
	}
	return s.wide[:n]
}

// function returns the instance's export, found once: finding it allocates a
// stack for it.
func (s *slot) function(i int, name string) api.Function {
	if s.functions[i] == nil {
		s.functions[i] = s.instance.ExportedFunction(name)
	}
	return s.functions[i]
}

// measure notes how much memory the instance has. Only the owner may call it.
func (s *slot) measure() {
	n := s.guest.held()
	for _, f := range s.functions {
		if f != nil {
			n += functionOverhead
		}
	}
	if s.memory != nil {
		n += int64(s.memory.Size())
	}
	for _, linked := range s.linked {
		if memory := memoryOf(linked); memory != nil {
			n += int64(memory.Size())
		}
	}
	for _, taken := range s.snapshots {
		n += taken.Size()
	}
	if n != s.bytes.Load() {
		s.bytes.Store(n)
	}
}

// memoryOf returns the instance's memory, nil if it has none: wazero then gives
// an interface that holds a nil pointer, which must not be called.
func memoryOf(instance api.Module) api.Memory {
	memory := instance.Memory()
	if v := reflect.ValueOf(memory); !v.IsValid() || v.IsNil() {
		return nil
	}
	return memory
}

func (s *slot) close() {
	for _, taken := range s.snapshots {
		taken.Close()
	}
	for _, instance := range slices.Backward(s.instances()) {
		_ = instance.Close(context.Background())
	}
	if s.memories != nil {
		s.memories.free()
	}
}

// failure translates what wazero says of a guest that did not return.
func (s *slot) failure(err error) error {
	if why := s.run.cause(); why != nil {
		return why
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return host.Fail(host.CodeTrap, "the guest exited with code %d instead of returning%s", exit.ExitCode(), s.stdio.err.said())
	}
	if own := (*host.Error)(nil); errors.As(err, &own) {
		return own // of a host function
	}
	return host.Fail(host.CodeTrap, "the guest trapped: %s%s", trapText(err), s.stdio.err.said())
}

// trapText puts wazero's report on one line: the cause and the innermost
// functions.
func trapText(err error) string {
	text, stack, _ := strings.Cut(err.Error(), "\nwasm stack trace:")
	text = strings.TrimPrefix(strings.TrimSpace(text), "wasm error: ")
	text, _, _ = strings.Cut(text, "\n")
	const frames = 4
	for i, line := range strings.Split(strings.TrimSpace(stack), "\n") {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), "("); ok && i < frames {
			text += [2]string{" in ", ", called by "}[min(i, 1)] + strings.TrimPrefix(name, ".")
		}
	}
	const limit = 500
	return strings.ToValidUTF8(text[:min(len(text), limit)], "")
}
