package meter_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"berth/sandbox/meter"
)

// The tests of the WebAssembly specification, as wazero's module ships them: each
// script is a list of commands and the modules that it names.
type (
	specScript struct {
		Commands []specCommand `json:"commands"`
	}
	specCommand struct {
		Type       string     `json:"type"`
		Line       int        `json:"line"`
		Name       string     `json:"name"`
		Filename   string     `json:"filename"`
		As         string     `json:"as"`
		ModuleType string     `json:"module_type"`
		Action     specAction `json:"action"`
	}
	specAction struct {
		Type   string      `json:"type"`
		Module string      `json:"module"`
		Field  string      `json:"field"`
		Args   []specValue `json:"args"`
	}
	specValue struct {
		Type  string `json:"type"`
		Lane  string `json:"lane_type"`
		Value any    `json:"value"`
	}
)

func TestSpecification(t *testing.T) {
	root := wazeroDir(t)
	suites := []struct {
		name     string
		features api.CoreFeatures
		asserts  int // at least
	}{
		{"v1", api.CoreFeaturesV1, 17_900},
		{"v2", api.CoreFeaturesV2, 51_000},
		{"threads", api.CoreFeaturesV2 | experimental.CoreFeaturesThreads, 320},
		{"tail-call", api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall, 100},
		{"extended-const", api.CoreFeaturesV2 | experimental.CoreFeaturesExtendedConst, 100},
		{"exception-handling", api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling |
			experimental.CoreFeaturesTailCall | experimental.CoreFeaturesTypedFunctionReferences, 85},
		{"typed-function-references", api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall |
			experimental.CoreFeaturesTypedFunctionReferences, 1080},
	}
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(root, "internal/integration_test/spectest", suite.name, "testdata")
			scripts, err := filepath.Glob(filepath.Join(dir, "*.json"))
			if err != nil || len(scripts) == 0 {
				t.Fatalf("no scripts in %s: %v", dir, err)
			}
			asserts := 0
			for _, script := range scripts {
				asserts += runScript(t, root, script, suite.features)
			}
			if asserts < suite.asserts {
				t.Errorf("%d asserts ran, fewer than %d", asserts, suite.asserts)
			}
			t.Logf("%d scripts, %d asserts", len(scripts), asserts)
		})
	}
}

// wazeroDir is where the source of the wazero that is linked in lies.
func wazeroDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// A world is a runtime with the modules of one script in it.
type world struct {
	runtime wazero.Runtime
	last    api.Module
	named   map[string]api.Module
	prepare func([]byte) ([]byte, error)
}

// runScript runs a script twice, with its modules as they are and metered, and
// compares. It returns how many asserts there were.
func runScript(t *testing.T, root, path string, features api.CoreFeatures) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var script specScript
	if err := json.Unmarshal(text, &script); err != nil {
		t.Fatal(err)
	}
	config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features)
	ctx := context.Background()
	plain := &world{wazero.NewRuntimeWithConfig(ctx, config), nil, map[string]api.Module{}, func(wasm []byte) ([]byte, error) { return wasm, nil }}
	metered := &world{wazero.NewRuntimeWithConfig(ctx, config), nil, map[string]api.Module{}, func(wasm []byte) ([]byte, error) {
		out, _, err := meter.Instrument(wasm, meter.Options{Globals: true, Memory: true})
		return out, err
	}}
	defer plain.runtime.Close(ctx)
	defer metered.runtime.Close(ctx)
	spectest, err := os.ReadFile(filepath.Join(root, "internal/integration_test/spectest/testdata/spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []*world{plain, metered} {
		provideTick(t, w.runtime, func(int64) int64 { return 50 })
		if _, err := w.runtime.Instantiate(ctx, spectest); err != nil {
			t.Fatal(err)
		}
	}

	asserts := 0
	for i := 0; i < len(script.Commands); i++ {
		c := &script.Commands[i]
		at := filepath.Base(path) + ":" + strconv.Itoa(c.Line) + " " + c.Type
		if c.ModuleType == "text" {
			continue // for parsers of the text format
		}
		var wasm []byte
		if c.Filename != "" {
			if wasm, err = os.ReadFile(filepath.Join(filepath.Dir(path), c.Filename)); err != nil {
				t.Fatal(err)
			}
		}
		switch c.Type {
		case "module":
			as := ""
			if i+1 < len(script.Commands) && script.Commands[i+1].Type == "register" {
				i++
				as = script.Commands[i].As
			}
			if err := plain.instantiate(c.Name, as, wasm); err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			if err := metered.instantiate(c.Name, as, wasm); err != nil {
				t.Fatalf("%s: metered: %v", at, err)
			}
		case "action", "assert_return", "assert_trap", "assert_exhaustion", "assert_exception":
			asserts++
			want, wantErr := plain.act(c.Action)
			got, gotErr := metered.act(c.Action)
			if class(gotErr) != class(wantErr) || !slices.Equal(got, want) {
				t.Errorf("%s %s: metered it is %v, %v, otherwise %v, %v", at, c.Action.Field, got, gotErr, want, wantErr)
			}
			if failed := wantErr != nil; failed != (c.Type != "action" && c.Type != "assert_return") {
				t.Errorf("%s %s: unmetered: %v", at, c.Action.Field, wantErr)
			}
		case "assert_invalid", "assert_malformed", "assert_unlinkable", "assert_uninstantiable":
			asserts++
			wantErr := plain.instantiate("", "", wasm)
			gotErr := metered.instantiate("", "", wasm)
			if (wantErr == nil) != (gotErr == nil) {
				t.Errorf("%s: metered: %v, otherwise: %v", at, gotErr, wantErr)
			}
		default:
			t.Fatalf("%s: what is this?", at)
		}
	}
	return asserts
}

// instantiate makes a module the last one, unless it fails.
func (w *world) instantiate(name, as string, wasm []byte) error {
	wasm, err := w.prepare(wasm)
	if err != nil {
		return err
	}
	m, err := w.runtime.InstantiateWithConfig(context.Background(), wasm, wazero.NewModuleConfig().WithName(as))
	if err != nil {
		return err
	}
	w.last = m
	if name != "" {
		w.named[name] = m
	}
	return nil
}

// act calls a function or gets a global.
func (w *world) act(a specAction) ([]uint64, error) {
	m := w.last
	if a.Module != "" {
		m = w.named[a.Module]
	}
	if a.Type == "get" {
		return []uint64{m.ExportedGlobal(a.Field).Get()}, nil
	}
	var args []uint64
	for _, v := range a.Args {
		args = append(args, v.bits()...)
	}
	return called(m.ExportedFunction(a.Field), false, args...)
}

// class is an error without the place where it happened.
func class(err error) string {
	if err == nil {
		return ""
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	if at := strings.Index(first, "wasm error: "); at > 0 {
		return first[at:]
	}
	if missing := "not instantiated"; strings.HasSuffix(first, missing) {
		return missing // where several are, wazero names any
	}
	return first
}

// bits is a value as wazero takes it.
func (v specValue) bits() []uint64 {
	if v.Type != "v128" {
		s, _ := v.Value.(string)
		return []uint64{bits(v.Type, s)}
	}
	lanes := v.Value.([]any)
	width := 128 / len(lanes)
	words := make([]uint64, 2)
	for i, lane := range lanes {
		b := bits(v.Lane, lane.(string)) & (math.MaxUint64 >> (64 - width))
		words[i*width/64] |= b << (i * width % 64)
	}
	return words
}

func bits(kind, s string) uint64 {
	switch {
	case s == "null", s == "":
		return 0
	case strings.HasPrefix(s, "-"):
		n, _ := strconv.ParseInt(s, 10, 64)
		return uint64(n)
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		panic(err)
	}
	if kind == "externref" {
		n++ // 0 is null
	}
	return n
}
