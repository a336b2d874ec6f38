package goplugin

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"

	"berth/host"
)

// arguments decodes the input of a call: a JSON array, whose numbers become
// float64 as eKuiper's JSON sources make them unless told otherwise; or, of a raw
// function, the bytes as the only argument. The result shares nothing with in.
func (f *function) arguments(in []byte) ([]any, error) {
	if f.encoding == host.EncodingRaw {
		return []any{bytes.Clone(in)}, nil
	}
	var args []any
	if err := json.Unmarshal(in, &args); err != nil {
		return nil, host.Fail(host.CodeInvalid, "the input must be a JSON array of arguments: %w", err)
	}
	if args == nil {
		return nil, host.Fail(host.CodeInvalid, "the input must be a JSON array of arguments, not null")
	}
	if !f.aggregate {
		return args, nil
	}
	for i, arg := range args {
		if _, ok := arg.([]any); !ok {
			return nil, host.Fail(host.CodeInvalid, "argument %d is no list: this function aggregates, and each argument is the list of the values of a window", i+1)
		}
	}
	return args, nil
}

// encode appends the result of a call to dst as JSON, or, of a raw function, as
// the bytes or the text that it is.
func (f *function) encode(dst []byte, result any) ([]byte, error) {
	out, err := f.append(dst, result)
	if err != nil {
		return dst, err
	}
	if size := len(out) - len(dst); int64(size) > int64(f.output) {
		return dst, host.Fail(host.CodeTrap, "the function returned %d bytes: at most %s are allowed by \"limits.output\"", size, f.output)
	}
	return out, nil
}

func (f *function) append(dst []byte, result any) ([]byte, error) {
	if f.encoding == host.EncodingRaw {
		switch result := result.(type) {
		case []byte:
			return append(dst, result...), nil
		case string:
			return append(dst, result...), nil
		}
	}
	switch result := result.(type) { // what encoding/json gives, without its allocations
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, result), nil
	case int:
		return strconv.AppendInt(dst, int64(result), 10), nil
	case int64:
		return strconv.AppendInt(dst, result, 10), nil
	case float64:
		if integer := int64(result); float64(integer) == result && integer < 1<<53 && integer > -1<<53 && (integer != 0 || !math.Signbit(result)) {
			return strconv.AppendInt(dst, integer, 10), nil
		}
	}
	text, err := json.Marshal(result)
	if err != nil {
		return dst, host.Fail(host.CodeTrap, "the function returned what cannot be JSON: %w", err)
	}
	return append(dst, text...), nil
}
