package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"berth/host"
)

// Strings as eKuiper's wasm plugins took them (eKuiper 1.9 to 1.14): the guest
// exports malloc, the host puts the text where malloc says and passes where that
// is, with a zero byte after it. An export with one parameter more for each
// string takes bytes: where they are, and how many. Nothing frees them: eKuiper
// made an instance for each call, and so an instance that was given strings is
// not used again, unless it is reset.

// withStrings calls an export with arguments of which some are texts.
func (g numericGuest) withStrings(fn api.Function, dst, in []byte) ([]byte, error) {
	s, def := g.slot, fn.Definition()
	params := def.ParamTypes()
	malloc := g.malloc()
	if malloc == nil {
		err := decodeNumbers(s.stackOf(len(params)), params, in)
		if err == nil {
			err = host.Fail(host.CodeInvalid, "it takes no strings")
		}
		return dst, fmt.Errorf("%w (strings need a guest that exports malloc of type (i32) -> (i32), and its memory)", err)
	}
	args, texts, err := splitArguments(params, in)
	if err != nil {
		return dst, err
	}
	sized := len(params) == len(args)+texts
	stack, next := s.stackOf(max(len(params), len(def.ResultTypes()))), 0
	values := make([]uint64, len(params))
	for i, arg := range args {
		text, ok := asText(arg)
		if !ok {
			if values[next], ok = decodeNumber(string(arg), params[next]); !ok {
				return dst, misfit(i, arg, params[next])
			}
			next++
			continue
		}
		if !sized && strings.IndexByte(text, 0) >= 0 {
			return dst, host.Fail(host.CodeInvalid, "argument %d holds a zero byte, and the function takes texts that end with one", i+1)
		}
		for j := next; j < next+1+b2i(sized); j++ {
			if params[j] != api.ValueTypeI32 {
				return dst, misfit(i, arg, params[j])
			}
		}
		if values[next], err = g.place(malloc, text, !sized); err != nil {
			return dst, err
		}
		next++
		if sized {
			values[next] = uint64(len(text))
			next++
		}
	}
	copy(stack, values)
	if err := fn.CallWithStack(s.run, stack); err != nil {
		return dst, broken{s.failure(err)}
	}
	return appendNumbers(dst, stack, def.ResultTypes()), nil
}

// malloc is the guest's, nil if it has none that will do.
func (g numericGuest) malloc() api.Function {
	malloc := g.slot.instance.ExportedFunction("malloc")
	if malloc == nil || g.slot.memory == nil || signature(malloc.Definition()) != "(i32) -> (i32)" {
		return nil
	}
	return malloc
}

// splitArguments reads the arguments and counts the texts among them. It reads no
// more of them than there are parameters.
func splitArguments(params []api.ValueType, in []byte) (args []json.RawMessage, texts int, err error) {
	list := json.NewDecoder(bytes.NewReader(in))
	bad := func(err error) error {
		return host.Fail(host.CodeInvalid, "the input must be a JSON array of numbers and strings: %w", err)
	}
	if start, err := list.Token(); err != nil {
		return nil, 0, bad(err)
	} else if start != json.Delim('[') {
		return nil, 0, bad(fmt.Errorf("it begins with %v", start))
	}
	for list.More() && len(args) <= len(params) {
		var arg json.RawMessage
		if err := list.Decode(&arg); err != nil {
			return nil, 0, bad(err)
		}
		args = append(args, arg)
		if _, ok := asText(arg); ok {
			texts++
		}
	}
	number := strconv.Itoa(len(args))
	if list.More() {
		number = "at least " + number
	}
	if len(params) != len(args) && len(params) != len(args)+texts {
		return nil, 0, host.Fail(host.CodeInvalid, "%s arguments given, %d of them strings, and the function takes %s", number, texts, typeNames(params))
	}
	if _, err := list.Token(); err != nil {
		return nil, 0, bad(err)
	}
	if _, err := list.Token(); err != io.EOF {
		return nil, 0, bad(errors.New("something follows it"))
	}
	return args, texts, nil
}

func asText(arg json.RawMessage) (text string, ok bool) {
	if len(arg) == 0 || arg[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(arg, &text) == nil
}

// place puts a text into the guest's memory.
func (g numericGuest) place(malloc api.Function, text string, terminated bool) (uint64, error) {
	s, size := g.slot, len(text)+b2i(terminated)
	s.spent = true
	s.stack[0] = uint64(size)
	if err := malloc.CallWithStack(s.run, s.stack); err != nil {
		return 0, broken{s.failure(err)}
	}
	ptr := uint32(s.stack[0])
	if ptr == 0 && size > 0 {
		return 0, host.Fail(host.CodeTooLarge, "the guest has no room for a string of %d bytes", len(text))
	}
	if !s.memory.WriteString(ptr, text) || terminated && !s.memory.WriteByte(ptr+uint32(len(text)), 0) {
		return 0, broken{host.Fail(host.CodeTrap, "malloc(%d) returned %d, and that lies outside the guest's memory of %d bytes", size, ptr, s.memory.Size())}
	}
	return uint64(ptr), nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// hasText tells whether an input may hold a string.
func hasText(in []byte) bool { return bytes.IndexByte(in, '"') >= 0 }

func misfit(i int, arg json.RawMessage, t api.ValueType) error {
	return host.Fail(host.CodeInvalid, "argument %d is %.40s: a number that fits %s is expected", i+1, arg, api.ValueTypeName(t))
}
