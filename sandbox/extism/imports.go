package extism

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

const (
	// Module is the name of the module that the guests import.
	Module = "extism:host/env"
	// UserModule is the name of the module under which hosts of this ABI offer
	// functions of their own. This package offers none.
	UserModule = "extism:host/user"
)

// Find returns the kernel of the instance that is being called, from the context
// that was passed to Call or, while the instance is made, to InstantiateModule.
// It must have one. It is on the way of every import call and must not allocate.
type Find func(context.Context) *Kernel

// Wait is called before a host function waits for something outside. It returns a
// context that ends with the call, and done, which is called once when the wait
// is over.
type Wait func(context.Context) (blocking context.Context, done func())

// Instantiate adds the module "extism:host/env" to a runtime: once a runtime,
// whatever the number of plugins. It is closed with the runtime.
func Instantiate(ctx context.Context, r wazero.Runtime, find Find, wait Wait) (api.Closer, error) {
	builder := r.NewHostModuleBuilder(Module)
	for _, f := range imports(find, wait) {
		builder.NewFunctionBuilder().WithGoFunction(f.call, f.params, f.results).Export(f.name)
	}
	return builder.Instantiate(ctx)
}

// Known says whether "extism:host/env" has a function of this name. If a module
// imports another one, its PDK may be newer than this host.
func Known(name string) bool {
	_, _, known := Signature(name)
	return known
}

// Signature returns the type of a function of "extism:host/env".
func Signature(name string) (params, results []api.ValueType, known bool) {
	for _, f := range imports(nil, nil) {
		if f.name == name {
			return f.params, f.results, true
		}
	}
	return nil, nil, false
}

// function is one import.
type function struct {
	name            string
	params, results []api.ValueType
	call            api.GoFunc
}

// imports is the table of all there are.
func imports(find Find, wait Wait) []function {
	none := []api.ValueType{}
	i32 := []api.ValueType{api.ValueTypeI32}
	i64 := []api.ValueType{api.ValueTypeI64}
	i64i32 := []api.ValueType{api.ValueTypeI64, api.ValueTypeI32}
	i64i64 := []api.ValueType{api.ValueTypeI64, api.ValueTypeI64}
	return []function{
		// Blocks.
		{"alloc", i64, i64, func(ctx context.Context, stack []uint64) {
			handle, err := find(ctx).alloc(stack[0])
			stack[0] = must("alloc", handle, err)
		}},
		{"free", i64, none, func(ctx context.Context, stack []uint64) {
			find(ctx).free(stack[0])
		}},
		{"length", i64, i64, func(ctx context.Context, stack []uint64) {
			stack[0] = find(ctx).arena.length(stack[0])
		}},
		{"length_unsafe", i64, i64, func(ctx context.Context, stack []uint64) {
			stack[0] = find(ctx).arena.length(stack[0])
		}},
		{"reset", none, none, func(ctx context.Context, _ []uint64) {
			must("reset", 0, find(ctx).reset())
		}},
		{"memory_bytes", none, i64, func(ctx context.Context, stack []uint64) {
			stack[0] = uint64(len(find(ctx).arena.mem))
		}},

		// Bytes.
		{"load_u8", i64, i32, func(ctx context.Context, stack []uint64) {
			stack[0] = uint64(find(ctx).arena.loadU8(stack[0]))
		}},
		{"load_u64", i64, i64, func(ctx context.Context, stack []uint64) {
			stack[0] = find(ctx).arena.loadU64(stack[0])
		}},
		{"store_u8", i64i32, none, func(ctx context.Context, stack []uint64) {
			find(ctx).arena.storeU8(stack[0], byte(stack[1]))
		}},
		{"store_u64", i64i64, none, func(ctx context.Context, stack []uint64) {
			find(ctx).arena.storeU64(stack[0], stack[1])
		}},

		// Input, output, error.
		{"input_length", none, i64, func(ctx context.Context, stack []uint64) {
			stack[0] = find(ctx).input.length
		}},
		{"input_offset", none, i64, func(ctx context.Context, stack []uint64) {
			stack[0] = find(ctx).input.at
		}},
		{"input_load_u8", i64, i32, func(ctx context.Context, stack []uint64) {
			stack[0] = uint64(find(ctx).inputU8(stack[0]))
		}},
		{"input_load_u64", i64, i64, func(ctx context.Context, stack []uint64) {
			stack[0] = find(ctx).inputU64(stack[0])
		}},
		{"input_set", i64i64, none, func(ctx context.Context, stack []uint64) {
			find(ctx).setInput(stack[0], stack[1])
		}},
		{"output_set", i64i64, none, func(ctx context.Context, stack []uint64) {
			find(ctx).setOutput(stack[0], stack[1])
		}},
		{"output_length", none, i64, func(ctx context.Context, stack []uint64) {
			stack[0] = find(ctx).output.length
		}},
		{"output_offset", none, i64, func(ctx context.Context, stack []uint64) {
			stack[0] = find(ctx).output.at
		}},
		{"error_set", i64, none, func(ctx context.Context, stack []uint64) {
			find(ctx).setError(stack[0])
		}},
		{"error_get", none, i64, func(ctx context.Context, stack []uint64) {
			stack[0] = find(ctx).failure
		}},

		// Configuration and variables.
		{"config_get", i64, i64, func(ctx context.Context, stack []uint64) {
			handle, err := find(ctx).configGet(stack[0])
			stack[0] = must("config_get", handle, err)
		}},
		{"var_get", i64, i64, func(ctx context.Context, stack []uint64) {
			handle, err := find(ctx).varGet(stack[0])
			stack[0] = must("var_get", handle, err)
		}},
		{"var_set", i64i64, none, func(ctx context.Context, stack []uint64) {
			must("var_set", 0, find(ctx).varSet(stack[0], stack[1]))
		}},

		// HTTP.
		{"http_request", i64i64, i64, func(ctx context.Context, stack []uint64) {
			handle, err := find(ctx).httpRequest(ctx, wait, stack[0], stack[1])
			stack[0] = must("http_request", handle, err)
		}},
		{"http_status_code", none, i32, func(ctx context.Context, stack []uint64) {
			stack[0] = api.EncodeI32(find(ctx).status)
		}},
		{"http_headers", none, i64, func(ctx context.Context, stack []uint64) {
			handle, err := find(ctx).httpHeaders()
			stack[0] = must("http_headers", handle, err)
		}},

		// The log.
		{"log_trace", i64, none, func(ctx context.Context, stack []uint64) {
			must("log_trace", 0, find(ctx).log(LevelTrace, stack[0]))
		}},
		{"log_debug", i64, none, func(ctx context.Context, stack []uint64) {
			must("log_debug", 0, find(ctx).log(LevelDebug, stack[0]))
		}},
		{"log_info", i64, none, func(ctx context.Context, stack []uint64) {
			must("log_info", 0, find(ctx).log(LevelInfo, stack[0]))
		}},
		{"log_warn", i64, none, func(ctx context.Context, stack []uint64) {
			must("log_warn", 0, find(ctx).log(LevelWarn, stack[0]))
		}},
		{"log_error", i64, none, func(ctx context.Context, stack []uint64) {
			must("log_error", 0, find(ctx).log(LevelError, stack[0]))
		}},
		{"get_log_level", none, i32, func(ctx context.Context, stack []uint64) {
			stack[0] = api.EncodeI32(int32(find(ctx).logLevel()))
		}},
	}
}

// must returns the result of a host function, or ends the call with a Trap.
func must(name string, result uint64, err error) uint64 {
	if err != nil {
		panic(&Trap{Function: name, Err: err})
	}
	return result
}
