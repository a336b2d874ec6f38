package sandbox

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"berth/host"
)

// slot is one instance and what calling it takes. One goroutine owns it from
// the pool's get to its put.
type slot struct {
	instance  api.Module
	memory    api.Memory   // nil if the guest exports none
	alloc     api.Function // nil unless the ABI is berth
	functions []api.Function
	stack     []uint64
	wide      []uint64 // the stack for more parameters or results than usual
	output    *output
	deadline  *deadline // nil when calls have none
	bytes     atomic.Int64
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
	if s.memory == nil {
		return
	}
	if n := int64(s.memory.Size()); n != s.bytes.Load() {
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

func (s *slot) close() { _ = s.instance.Close(context.Background()) }

// failure translates what wazero says of a guest that did not return.
func (s *slot) failure(err error) error {
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		switch exit.ExitCode() {
		case sys.ExitCodeDeadlineExceeded, sys.ExitCodeContextCanceled:
			if s.deadline != nil {
				if why := s.deadline.cause(); why != nil {
					return why
				}
			} // else the guest itself exited with that code
		}
		return host.Fail(host.CodeTrap, "the guest exited with code %d instead of returning%s", exit.ExitCode(), s.output.said())
	}
	return host.Fail(host.CodeTrap, "the guest trapped: %s%s", trapText(err), s.output.said())
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

// output keeps the beginning of what a guest writes to standard output and
// error during one call, where the reason of a panic stands.
type output struct{ text []byte }

const maxOutput = 1 << 10

// Write implements io.Writer. It never fails: a guest may write what it likes.
func (o *output) Write(p []byte) (int, error) {
	if room := maxOutput - len(o.text); room > 0 {
		o.text = append(o.text, p[:min(len(p), room)]...)
	}
	return len(p), nil
}

func (o *output) reset() { o.text = o.text[:0] }

// said is the first line written, to follow a message.
func (o *output) said() string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(o.text), []byte("\n"))
	if len(line) == 0 {
		return ""
	}
	const limit = 300
	return "; it wrote: " + strings.ToValidUTF8(string(line[:min(len(line), limit)]), "\uFFFD")
}
