package main

import (
	"context"
	"os"

	"github.com/tetratelabs/wazero"
)

// bare is the guest in wazero alone: nothing meters it, and nothing can stop it.
type bare struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

func openBare(ctx context.Context, guest string) (*bare, error) {
	wasm, err := os.ReadFile(guest)
	if err != nil {
		return nil, err
	}
	b := &bare{runtime: wazero.NewRuntime(ctx)}
	if b.module, err = b.runtime.CompileModule(ctx, wasm); err != nil {
		_ = b.close()
		return nil, err
	}
	return b, nil
}

func (b *bare) close() error { return b.runtime.Close(context.Background()) }

// spinner makes an instance of its own.
func (b *bare) spinner(ctx context.Context) (spinner, error) {
	instance, err := b.runtime.InstantiateModule(ctx, b.module, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return nil, err
	}
	spin, stack := instance.ExportedFunction("spin"), make([]uint64, 1)
	return func(ctx context.Context, steps int64) error {
		stack[0] = uint64(steps)
		return spin.CallWithStack(ctx, stack)
	}, nil
}
