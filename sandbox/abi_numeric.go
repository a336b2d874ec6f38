package sandbox

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/host"
)

// numericABI calls exports over numbers with a JSON array of numbers; strings are
// passed as numeric_strings.go says. The result is a JSON number, null for none,
// and an array for several. Integers are written signed; what JSON has no number
// for (NaN, infinities) is null.
type numericABI struct{ bare }

func (numericABI) name() string            { return abiNumeric }
func (numericABI) encoding() host.Encoding { return host.EncodingJSON }

func (numericABI) callable(name string, f api.FunctionDefinition) (bool, string) {
	if slices.Contains([]string{"malloc", "calloc", "realloc", "free"}, name) {
		return false, "another name: this one is how strings are passed"
	}
	numbers := func(types []api.ValueType) bool {
		return !slices.ContainsFunc(types, func(t api.ValueType) bool {
			return t != api.ValueTypeI32 && t != api.ValueTypeI64 && t != api.ValueTypeF32 && t != api.ValueTypeF64
		})
	}
	return numbers(f.ParamTypes()) && numbers(f.ResultTypes()), "over i32, i64, f32 and f64 only"
}

func (a numericABI) functions(_ *host.Package, exports map[string]api.FunctionDefinition) map[string]string {
	return byName(callable(a, exports))
}

func (numericABI) attach(_ *module, s *slot) guest { return numericGuest{reactor{s}} }

// numericFault says why a module does not have the ABI; empty if it does.
func numericFault(m wazero.CompiledModule) string {
	if len(callable(numericABI{}, m.ExportedFunctions())) == 0 {
		return "it exports no function over i32, i64, f32 and f64 only"
	}
	return ""
}

type numericGuest struct{ reactor }

func (g numericGuest) call(fn api.Function, dst, in []byte) ([]byte, error) {
	if hasText(in) {
		return g.withStrings(fn, dst, in)
	}
	s, def := g.slot, fn.Definition()
	params, results := def.ParamTypes(), def.ResultTypes()
	stack := s.stackOf(max(len(params), len(results)))
	if err := decodeNumbers(stack, params, in); err != nil {
		return dst, err
	}
	if err := fn.CallWithStack(s.run, stack); err != nil {
		return dst, broken{s.failure(err)}
	}
	return appendNumbers(dst, stack, results), nil
}

// maxSpare is how many arguments too many are still decoded, for a better
// message.
const maxSpare = 1000

func decodeNumbers(stack []uint64, params []api.ValueType, in []byte) error {
	// An array of a million numbers takes thirty times its size to decode.
	if commas := bytes.Count(in, []byte{','}); commas > len(params)+maxSpare {
		return host.Fail(host.CodeInvalid, "far too many arguments given (%d commas), %d expected: %s", commas, len(params), typeNames(params))
	}
	var args []json.RawMessage
	if len(bytes.TrimSpace(in)) > 0 || len(params) > 0 {
		if err := json.Unmarshal(in, &args); err != nil {
			return host.Fail(host.CodeInvalid, "the input must be a JSON array of %d numbers: %w", len(params), err)
		}
	}
	if len(args) != len(params) {
		return host.Fail(host.CodeInvalid, "%d arguments given, %d expected: %s", len(args), len(params), typeNames(params))
	}
	for i, t := range params {
		v, ok := decodeNumber(string(args[i]), t)
		if !ok {
			return misfit(i, args[i], t)
		}
		stack[i] = v
	}
	return nil
}

// decodeNumber reads a JSON number as a value of type t. Integers may be given
// signed or unsigned, and as 2.0 or 1e3 where that is a whole number.
func decodeNumber(s string, t api.ValueType) (uint64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || s[0] == '+' {
		return 0, false
	}
	switch t {
	case api.ValueTypeF32:
		if math.Abs(f) > math.MaxFloat32 {
			return 0, false
		}
		return api.EncodeF32(float32(f)), true
	case api.ValueTypeF64:
		return api.EncodeF64(f), true
	case api.ValueTypeI32:
		if f != math.Trunc(f) || f < math.MinInt32 || f > math.MaxUint32 {
			return 0, false
		}
		return uint64(uint32(int64(f))), true
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return uint64(n), true
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n, true
	}
	const exact = 1 << 53 // whole numbers up to here are what they seem
	if f != math.Trunc(f) || math.Abs(f) > exact {
		return 0, false
	}
	return uint64(int64(f)), true
}

func appendNumbers(dst []byte, stack []uint64, results []api.ValueType) []byte {
	if len(results) == 0 {
		return append(dst, "null"...)
	}
	if len(results) == 1 {
		return appendNumber(dst, stack[0], results[0])
	}
	for i, t := range results {
		dst = append(dst, "[,"[min(i, 1)])
		dst = appendNumber(dst, stack[i], t)
	}
	return append(dst, ']')
}

func appendNumber(dst []byte, v uint64, t api.ValueType) []byte {
	switch t {
	case api.ValueTypeI32:
		return strconv.AppendInt(dst, int64(int32(v)), 10)
	case api.ValueTypeI64:
		return strconv.AppendInt(dst, int64(v), 10)
	case api.ValueTypeF32:
		return appendFloat(dst, float64(api.DecodeF32(v)), 32)
	}
	return appendFloat(dst, api.DecodeF64(v), 64)
}

func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

func typeNames(types []api.ValueType) string {
	if len(types) == 0 {
		return "none"
	}
	var names []byte
	for i, t := range types {
		if i > 0 {
			names = append(names, ", "...)
		}
		names = append(names, api.ValueTypeName(t)...)
	}
	return string(names)
}
