package sandbox_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/host"
)

// linked is a package of guests of testdata that are linked with each other, in
// the order that the manifest lists them.
func linked(tb testing.TB, modules ...host.WasmModule) *host.Package {
	tb.Helper()
	dir := tb.TempDir()
	p := &host.Package{Name: "linked", Dir: dir, Cache: filepath.Join(dir, "cache"), Limits: host.DefaultLimits()}
	p.Manifest.Wasm = host.WasmSpec{ABI: "extism", Modules: modules}
	for _, m := range modules {
		wasm, err := os.ReadFile(filepath.Join("testdata", "guests", m.Path))
		if err == nil {
			err = os.WriteFile(p.Path(m.Path), wasm, 0o600)
		}
		if err != nil {
			tb.Fatal(err)
		}
		p.Files = append(p.Files, m.Path)
	}
	slices.Sort(p.Files)
	return p
}

// lib is a module of the file <guest>.wasm, by the name under which others
// import it.
func lib(name, guest string) host.WasmModule {
	return host.WasmModule{Name: name, Path: guest + ".wasm"}
}

// chain is a plugin of three modules: main imports from base and from mid, which
// imports from base.
func chain(tb testing.TB) *host.Package {
	tb.Helper()
	return linked(tb, lib("base", "link_base"), lib("mid", "link_mid"), lib("main", "link_main"))
}

func u64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// TestLinked: three modules in a chain call each other, and one uses the memory
// of another. Start functions run as the modules are made, _initialize after
// that, the main module's last, wherever the manifest lists it.
func TestLinked(t *testing.T) {
	for form, change := range map[string]func(*host.Package){
		"compiled": func(*host.Package) {}, "interpreted": interpreted,
		"main first": func(p *host.Package) {
			p.Manifest.Wasm.Modules = []host.WasmModule{lib("main", "link_main"), lib("base", "link_base"), lib("mid", "link_mid")}
		},
		"instance": isolated("instance"), "fresh": isolated("fresh"),
	} {
		t.Run(form, func(t *testing.T) {
			p := chain(t)
			change(p)
			m := load(t, p)
			if got := strings.Join(m.Functions(), " "); got != "eat recall remember spin trace work" {
				t.Errorf("its functions are %q: those of the main module are", got)
			}
			for range 3 {
				if out, err := call(t, m, "trace", nil); err != nil || string(out) != "bmxBMX" {
					t.Errorf("initialised in the order %q, %v", out, err)
				}
				if out, err := call(t, m, "work", u64(1000)); err != nil || string(out) != string(u64(2000)) {
					t.Errorf("work: %x, %v", out, err)
				}
			}
		})
	}
}

// TestLinkedOfOtherABIs: libraries are initialised whatever the ABI of the main
// module is.
func TestLinkedOfOtherABIs(t *testing.T) {
	for _, mode := range []string{"keep", "fresh", "instance"} {
		p := linked(t, lib("counter", "counter"), lib("main", "link_numeric"))
		p.Manifest.Wasm.ABI = ""
		isolated(mode)(p)
		m := load(t, p)
		for range 2 {
			if out, err := call(t, m, "inited", nil); err != nil || string(out) != "1" {
				t.Errorf("%s: the library was initialised %s times, %v", mode, out, err)
			}
		}
	}
}

// TestLinkedInterrupted: a loop in a library ends with the deadline as one of
// the main module does.
func TestLinkedInterrupted(t *testing.T) {
	for form, change := range map[string]func(*host.Package){"compiled": func(*host.Package) {}, "interpreted": interpreted} {
		t.Run(form, func(t *testing.T) {
			p := chain(t)
			p.Limits.Timeout = 30 * time.Millisecond
			change(p)
			m := load(t, p)
			if how := m.Status().Interruption; how != "metered" {
				t.Errorf("interrupted by %q", how)
			}
			for range 2 {
				_, err := call(t, m, "spin", nil)
				wantFailure(t, err, host.CodeTimeout, "30ms", "interrupted")
				if out, err := call(t, m, "trace", nil); err != nil || string(out) != "bmxBMX" {
					t.Errorf("after it: %q, %v", out, err)
				}
			}
		})
	}
}

// TestLinkedFuel: what a call takes is what all modules took together, the same
// each time, and that much is what limits.fuel has to be, however it is shared
// out among them.
func TestLinkedFuel(t *testing.T) {
	rounds := []uint64{1, 100, 5_000, 20_000, 200_000} // less than a quantum of fuel, and many
	costs := map[uint64]uint64{}
	{
		p := chain(t)
		p.Limits.Fuel = 1 << 40
		m := load(t, p)
		for range 2 {
			for _, n := range rounds {
				cost := used(t, m, "work", u64(n))
				if before, ok := costs[n]; ok && before != cost {
					t.Errorf("%d rounds take %d, and took %d before", n, cost, before)
				}
				costs[n] = cost
				if cost < 2*n || cost > 40*n+5000 {
					t.Errorf("%d rounds take %d", n, cost)
				}
			}
		}
	}
	for _, n := range rounds {
		for _, change := range []func(*host.Package){func(*host.Package) {}, interpreted, isolated("fresh")} {
			limited := func(fuel uint64) host.Module {
				p := chain(t)
				p.Limits.Fuel = int64(fuel)
				change(p)
				return load(t, p)
			}
			enough, short := limited(costs[n]), limited(costs[n]/2)
			for range 2 {
				if _, err := call(t, enough, "work", u64(n)); err != nil {
					t.Errorf("%d rounds with just the fuel that they take, %d: %v", n, costs[n], err)
				}
				_, err := call(t, short, "work", u64(n))
				wantFailure(t, err, host.CodeTimeout, "fuel")
			}
		}
	}
}

// TestLinkedIsolation: what one caller leaves in the memory and the globals of a
// library.
func TestLinkedIsolation(t *testing.T) {
	const secret = 0x64726f7773736170
	nothing, all := string(make([]byte, 16)), string(u64(secret))+string(u64(secret))
	for mode, want := range map[string]string{"keep": all, "fresh": nothing, "instance": nothing} {
		t.Run(mode, func(t *testing.T) {
			p := chain(t)
			isolated(mode)(p)
			m := load(t, p)
			for range 3 {
				if _, err := call(t, m, "remember", u64(secret)); err != nil {
					t.Fatal(err)
				}
				if out, err := call(t, m, "recall", nil); err != nil || string(out) != want {
					t.Errorf("the next caller finds %x, %v; want %x", out, err, want)
				}
			}
		})
	}
}

// TestLinkedMemory: limits.memory bounds an instance of the plugin, not each of
// the modules that it is made of.
func TestLinkedMemory(t *testing.T) {
	p := chain(t)
	p.Limits.Memory = 1 << 20
	m := load(t, p)
	out, err := call(t, m, "eat", nil)
	if err != nil {
		t.Fatal(err)
	}
	if pages := binary.LittleEndian.Uint32(out); int64(pages)<<16 > int64(p.Limits.Memory) {
		t.Errorf("an instance has %d KiB of linear memory, and its limit is %s", pages<<6, p.Limits.Memory)
	}
}

// TestLinkedRefused: what cannot be linked is refused when it is loaded, and the
// message says what is missing.
func TestLinkedRefused(t *testing.T) {
	base, mid, main := lib("base", "link_base"), lib("mid", "link_mid"), lib("main", "link_main")
	for _, test := range []struct {
		name    string
		modules []host.WasmModule
		says    []string
	}{
		{"no libraries", []host.WasmModule{main}, []string{"base.eat", "base.note", "mid.twice", "does not give"}},
		{"one is missing", []host.WasmModule{base, main}, []string{"mid.twice", "does not give"}},
		{"it has another name", []host.WasmModule{lib("Base", "link_base"), mid, main}, []string{"base.note", "does not give"}},
		{"it comes too late", []host.WasmModule{mid, base, main}, []string{"base.note", "does not give"}},
		{"of itself", []host.WasmModule{lib("mid", "link_mid"), lib("base", "link_mid"), main}, []string{"base.note", "does not give"}},
		{"another library", []host.WasmModule{lib("base", "nomem"), lib("mid", "nomem"), main}, []string{"note", "base"}},
		{"another type", []host.WasmModule{base, lib("other", "link_mid"), lib("mid", "link_base"), main}, []string{"twice", "mid"}},
		{"invalid", []host.WasmModule{lib("base", "invalid"), mid, main}, []string{"invalid.wasm", "validate"}},
		{"truncated", []host.WasmModule{lib("base", "truncated"), mid, main}, []string{"truncated.wasm"}},
		{"a component", []host.WasmModule{lib("base", "component"), mid, main}, []string{"component.wasm", "component"}},
		{"its start traps", []host.WasmModule{base, mid, lib("trap", "start_trap"), main}, []string{"initialised", "unreachable"}},
		{"its _initialize traps", []host.WasmModule{base, mid, lib("trap", "init_trap"), main}, []string{"initialised", "unreachable"}},
		{"the host's own are not all there", []host.WasmModule{base, mid, lib("imports", "imports"), main}, []string{"env.abort", "env.missing_one", "other.act"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			refused(t, linked(t, test.modules...), test.says...)
		})
	}
}

// TestModulesCannotPoseAsTheHost: a library by the name of one of the host's own
// would give the main module functions that look as if they were the host's: a
// tick that never ends a call.
func TestModulesCannotPoseAsTheHost(t *testing.T) {
	for _, name := range []string{"berth:meter", "wasi_snapshot_preview1", "wapc"} {
		for _, main := range []string{"link_numeric", "loop", "extism", "wapc"} {
			p := linked(t, lib("counter", "counter"), lib(name, "forge_tick"), lib("main", main))
			p.Manifest.Wasm.ABI = ""
			refused(t, p, "forge_tick.wasm", strconv.Quote(name), "the host's")
		}
	}
}

// TestModulesCannotReachTheMeter: nor does a module get at what the host adds to
// another, the counter of its fuel.
func TestModulesCannotReachTheMeter(t *testing.T) {
	p := linked(t, lib("lib", "nomem"), lib("main", "forge_fuel"))
	p.Manifest.Wasm.ABI = "numeric"
	refused(t, p, "forge_fuel.wasm", "berth:fuel", "reserved")
}
