package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"berth/host"
)

// features are what a guest may use: WebAssembly 2.0 and what compilers emit
// since. Threads are not among them: a guest has one.
const features = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall |
	experimental.CoreFeaturesExtendedConst | experimental.CoreFeaturesExceptionHandling

// compiled is a compiled build in a runtime of its own: limits are a runtime's,
// and closing it frees everything.
type compiled struct {
	build       *build
	runtime     wazero.Runtime
	cache       wazero.CompilationCache // nil for the interpreter
	modules     []wazero.CompiledModule // as build.parts
	code        int64                   // bytes of machine code, or an estimate for the interpreter
	decoded     int64                   // bytes of what wazero keeps of the modules' binaries
	interpreted bool
}

// main is the module whose exports are the plugin's functions.
func (c *compiled) main() wazero.CompiledModule { return c.modules[len(c.modules)-1] }

// metered tells whether guests count their fuel.
func (c *compiled) metered() bool { return c.build.unmetered == "" }

func (c *compiled) close(ctx context.Context) error {
	err := c.runtime.Close(ctx)
	if c.cache != nil {
		err = errors.Join(err, c.cache.Close(ctx))
	}
	return err
}

// checkHeader recognises what is no module: the error follows the file's name.
func checkHeader(wasm []byte) error {
	magic, version := []byte("\x00asm"), []byte{1, 0, 0, 0}
	switch {
	case !bytes.HasPrefix(wasm, magic):
		return errors.New("is not WebAssembly: it does not begin with \\0asm")
	case bytes.HasPrefix(wasm[4:], version):
		return nil
	case len(wasm) >= 8 && wasm[6] == 1:
		return errors.New("is a WASI component (preview 2), which this host does not run: build it as a core module, with the target wasm32-wasip1 or wasm32-unknown-unknown")
	}
	return errors.New("is of a version of WebAssembly that does not exist")
}

// compile compiles the build or takes it from the package's cache folder. An
// entry there that cannot be read is removed and made anew.
func compile(ctx context.Context, p *host.Package, b *build) (*compiled, error) {
	if p.Manifest.Wasm.Compiler == "interpreter" || b.catches() {
		return compileWith(ctx, p, b, nil)
	}
	c, err := compileCached(ctx, p, b)
	_, entries := cacheSize(p.Cache)
	switch {
	case err == nil:
		c.interpreted = entries == 0 // wazero has no compiler for this machine
		return c, nil
	case entries == 0 && !isFileError(err):
		return nil, err
	}
	// Either the build is bad or the cache is: the second try tells.
	if err := os.RemoveAll(p.Cache); err == nil {
		if c, err = compileCached(ctx, p, b); err == nil || !isFileError(err) {
			return c, err
		}
	}
	// The disk is full, or read-only: do without.
	return compileWith(ctx, p, b, wazero.NewCompilationCache())
}

func compileCached(ctx context.Context, p *host.Package, b *build) (*compiled, error) {
	if err := os.MkdirAll(p.Cache, 0o700); err != nil {
		return nil, err
	}
	cache, err := wazero.NewCompilationCacheWithDir(p.Cache)
	if err != nil {
		return nil, err
	}
	c, err := compileWith(ctx, p, b, cache)
	if err != nil {
		return nil, closing(err, cache.Close)
	}
	return c, nil
}

// isFileError tells the faults of the cache's folder from those of the build.
func isFileError(err error) bool {
	var file *fs.PathError
	return errors.As(err, &file)
}

func compileWith(ctx context.Context, p *host.Package, b *build, cache wazero.CompilationCache) (*compiled, error) {
	c := &compiled{build: b, cache: cache, interpreted: cache == nil}
	c.runtime = wazero.NewRuntimeWithConfig(ctx, c.config(p))
	for i := range b.parts {
		m, err := c.runtime.CompileModule(ctx, b.parts[i].wasm)
		if err != nil {
			return nil, closing(invalidBuild(p, b.parts[i].file, err), c.runtime.Close)
		}
		c.modules = append(c.modules, m)
		c.code += 4 * int64(len(b.parts[i].wasm))
		c.decoded += decodedSize(b.parts[i].wasm)
	}
	if size, _ := cacheSize(p.Cache); !c.interpreted && size > 0 {
		c.code = size
	}
	return c, nil
}

func (c *compiled) config(p *host.Package) wazero.RuntimeConfig {
	config := wazero.NewRuntimeConfig()
	if c.interpreted {
		config = wazero.NewRuntimeConfigInterpreter()
	} else {
		config = config.WithCompilationCache(c.cache)
	}
	features := features
	if !c.metered() && !c.interpreted {
		features &^= experimental.CoreFeaturesExceptionHandling // see build.catches
	}
	return config.WithCoreFeatures(features).
		WithMemoryLimitPages(uint32(min(p.Limits.Memory/wasmPage, 65536))).
		WithCloseOnContextDone(!c.metered()).
		WithDebugInfoEnabled(false)
}

// validate says in wazero's words what is wrong with a module; nil if nothing
// is.
func validate(p *host.Package, m *part) error {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features))
	_, err := r.CompileModule(ctx, m.raw)
	if err != nil {
		err = invalidBuild(p, m.file, err)
	}
	return closing(err, r.Close)
}

const wasmPage = 64 << 10

func invalidBuild(p *host.Package, file string, err error) error {
	if isFileError(err) {
		return fmt.Errorf("compilation cache: %w", err) // not the build's fault
	}
	text := strings.TrimPrefix(err.Error(), "invalid ")
	if strings.Contains(text, "over limit of") && strings.Contains(text, "pages") {
		return host.Fail(host.CodeInvalid, "%s needs more memory than the plugin's limit of %s: %w; raise \"limits.memory\" or build it for less", file, p.Limits.Memory, err)
	}
	return host.Fail(host.CodeInvalid, "%s does not validate: %w", file, err)
}

// cacheSize is the size of the files below a cache folder, and their number: an
// entry may be empty.
func cacheSize(dir string) (size int64, entries int) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // what cannot be read counts nothing
		}
		if info, err := entry.Info(); err == nil {
			size += info.Size()
			entries++
		}
		return nil
	})
	return size, entries
}

func (c *compiled) form(abi string) string {
	how := "compiled"
	if c.interpreted {
		how = "interpreted"
	}
	return fmt.Sprintf("wasm, %s ABI, %s", abi, how)
}
