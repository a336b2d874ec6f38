package cabi_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/host"
	"berth/host/enginetest"
	"berth/native/cabi"
)

// TestRefused: what cannot be a library of the ABI is refused with a word on what
// is wrong, and does not stay loaded.
func TestRefused(t *testing.T) {
	text := func(text string) func(*testing.T) string {
		return func(t *testing.T) string { return compileText(t, text) }
	}
	const ok = `static int32_t f(void *s, berth_call *c) { (void)s; (void)c; return BERTH_OK; }
		static int32_t o(void *s, berth_call *c, void **p) { (void)s; (void)c; (void)p; return BERTH_OK; }
		static int32_t st(void *s, berth_call *c, const berth_stream *p) { (void)s; (void)c; (void)p; return BERTH_OK; }
		static void cl(void *s) { (void)s; }
		static const berth_function functions[] = {{"f", f, BERTH_RAW, 0}};
		void unused(void); void unused(void) { (void)f; (void)o; (void)cl; (void)functions; (void)st; }
		`
	descriptor := func(fields string) func(*testing.T) string {
		return text(ok + "BERTH_EXPORT const berth_plugin berth_plugin_v1 = {" + fields + "};")
	}
	table := func(kind, entries, rest string) func(*testing.T) string {
		return text(ok + "static const berth_" + kind + " table[] = {" + entries + "};\n" +
			"BERTH_EXPORT const berth_plugin berth_plugin_v1 = {BERTH_ABI, sizeof(berth_plugin), \"p\", NULL, BERTH_SERIAL, NULL, NULL, " + rest + "};")
	}
	functions := func(entries string) func(*testing.T) string {
		return table("function", entries, "table, sizeof table / sizeof *table, NULL, 0, NULL, 0")
	}
	source := func(entries string) func(*testing.T) string {
		return table("source", entries, "functions, 1, table, sizeof table / sizeof *table, NULL, 0")
	}
	sink := func(entries string) func(*testing.T) string {
		return table("sink", entries, "functions, 1, NULL, 0, table, sizeof table / sizeof *table")
	}
	file := func(content string) func(*testing.T) string {
		return func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "Plugin.so")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	for name, c := range map[string]struct {
		build func(*testing.T) string
		says  string
	}{
		"garbage":                {file("no library"), "Plugin.so is no shared object (ELF): it begins with"},
		"empty":                  {file(""), "Plugin.so is no shared object (ELF): it is empty"},
		"a folder":               {func(t *testing.T) string { return t.TempDir() }, "is no regular file"},
		"cut off":                {truncated, "is cut off"},
		"a program":              {func(t *testing.T) string { return os.Args[0] }, "is no shared object for"},
		"a symbol that is not":   {text("void nowhere_to_be_found(void); void go(void); void go(void) { nowhere_to_be_found(); }"), "nowhere_to_be_found"},
		"no descriptor":          {text("int nothing;"), "does not export berth_plugin_v1: include berth_plugin.h"},
		"a function by its name": {function, "the descriptor berth_plugin_v1 is wrong"},
		"another version":        {descriptor(`2, sizeof(berth_plugin), "p", NULL, 0, NULL, NULL, functions, 1, NULL, 0, NULL, 0`), "it is of version 2 of the C ABI, this host has version 1: build it with the berth_plugin.h"},
		"too small":              {descriptor(`1, 8, "p", NULL, 0, NULL, NULL, functions, 1, NULL, 0, NULL, 0`), "its size is 8, want sizeof(berth_plugin)"},
		"too large":              {descriptor(`1, 1 << 30, "p", NULL, 0, NULL, NULL, functions, 1, NULL, 0, NULL, 0`), "its size is 1073741824"},
		"no name":                {descriptor(`1, sizeof(berth_plugin), NULL, NULL, 0, NULL, NULL, functions, 1, NULL, 0, NULL, 0`), "the name of the plugin is NULL"},
		"no thread safety":       {descriptor(`1, sizeof(berth_plugin), "p", NULL, 7, NULL, NULL, functions, 1, NULL, 0, NULL, 0`), "its concurrency is 7"},
		"no table":               {descriptor(`1, sizeof(berth_plugin), "p", NULL, 0, NULL, NULL, NULL, 3, NULL, 0, NULL, 0`), "it has 3 functions, and their table is NULL"},
		"endless table":          {descriptor(`1, sizeof(berth_plugin), "p", NULL, 0, NULL, NULL, functions, SIZE_MAX, NULL, 0, NULL, 0`), "at most 65536 are allowed"},
		"a crooked table":        {descriptor(`1, sizeof(berth_plugin), "p", NULL, 0, NULL, NULL, (const berth_function *)((const char *)functions + 1), 1, NULL, 0, NULL, 0`), "where none can"},
		"a function's name":      {functions(`{"../f", f, BERTH_RAW, 0}`), "the name of function 0"},
		"a long name":            {functions(`{"` + strings.Repeat("f", 4000) + `", f, BERTH_RAW, 0}`), "longer than 128"},
		"an empty name":          {functions(`{"f", f, BERTH_RAW, 0}, {"", f, BERTH_RAW, 0}`), "the name of function 1"},
		"no function's name":     {functions(`{NULL, f, BERTH_RAW, 0}`), "the name of function 0 is NULL"},
		"no call":                {functions(`{"f", NULL, BERTH_RAW, 0}`), "function f: its call is NULL"},
		"a flag of the future":   {functions(`{"f", f, 4, 0}`), "function f: its flags are 0x4"},
		"a reserved field":       {functions(`{"f", f, 0, 9}`), "function f: its reserved is 9"},
		"one name twice":         {functions(`{"f", f, 0, 0}, {"g", f, 0, 0}, {"f", f, 1, 0}`), "two functions of the name f"},
		"a source without open":  {source(`{"s", 0, 0, NULL, f, NULL, cl}`), "source s: its open is NULL"},
		"a source without close": {source(`{"s", 0, 0, o, f, NULL, NULL}`), "source s: its close is NULL"},
		"a source without next":  {source(`{"s", 0, 0, o, NULL, NULL, cl}`), "source s: one of next and start"},
		"a source of two kinds":  {source(`{"s", 0, 0, o, f, st, cl}`), "source s: one of next and start"},
		"a source twice":         {source(`{"s", 0, 0, o, f, NULL, cl}, {"s", 0, 0, o, f, NULL, cl}`), "two sources of the name s"},
		"a sink without collect": {sink(`{"s", 0, 0, o, NULL, cl}`), "sink s: its collect is NULL"},
		"a sink's name":          {sink(`{"a b", 0, 0, o, f, cl}`), "the name of sink 0"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, c.build(t))
			l, err := cabi.Open(t.Context(), o)
			enginetest.WantError(t, err, host.CodeInvalid, c.says)
			if l != nil || mapped(t, o.Path) != 0 && o.Path != os.Args[0] {
				t.Error("it is loaded")
			}
		})
	}
	o := options(t, filepath.Join(t.TempDir(), "gone.so"))
	_, err := cabi.Open(t.Context(), o)
	enginetest.WantError(t, err, host.CodeInternal, "no such file")
}

func truncated(t *testing.T) string {
	path := conform(t, "BERTH_OBJECT")
	if err := os.Truncate(path, 3000); err != nil {
		t.Fatal(err)
	}
	return path
}

// function builds a library whose symbol is a function.
func function(t *testing.T) string {
	source := filepath.Join(t.TempDir(), "plugin.c")
	if err := os.WriteFile(source, []byte("int berth_plugin_v1(int a);\nint berth_plugin_v1(int a) { return a * 77; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return compile(t, source)
}

// TestLaterDescriptor: a descriptor that has grown at its end is read as far as
// it is known.
func TestLaterDescriptor(t *testing.T) {
	l := open(t, options(t, compileText(t, `
		static int32_t f(void *s, berth_call *c) { (void)s; return berth_text(c, "later"); }
		static const berth_function functions[] = {{"f", f, BERTH_RAW, 0}};
		struct later { berth_plugin now; void *more[8]; };
		extern const struct later later;
		BERTH_EXPORT const struct later later __asm__("berth_plugin_v1");
		const struct later later = {{BERTH_ABI, sizeof(struct later), "p", NULL, BERTH_SERIAL, NULL, NULL, functions, 1, NULL, 0, NULL, 0}, {0}};`)))
	if out := call(t, l, "f", ""); out != "later" {
		t.Errorf("%q", out)
	}
}

// TestManyFunctions: a library of 10,000 functions, each of which knows which it
// is.
func TestManyFunctions(t *testing.T) {
	const n = 10_000
	var text strings.Builder
	text.WriteString("static int32_t f(void *s, berth_call *c) { (void)s; return berth_text(c, c->function->name); }\nstatic const berth_function functions[] = {\n")
	for i := range n {
		fmt.Fprintf(&text, "{\"f%d\", f, BERTH_RAW, 0},\n", i)
	}
	text.WriteString("};\nBERTH_EXPORT const berth_plugin berth_plugin_v1 = {BERTH_ABI, sizeof(berth_plugin), \"p\", NULL, BERTH_PARALLEL, NULL, NULL, functions, 10000, NULL, 0, NULL, 0};")
	o := options(t, compileText(t, text.String()))
	o.Functions = []string{"f0", "f9999"}
	l := open(t, o)
	if got := len(l.Functions()); got != n {
		t.Fatalf("%d functions", got)
	}
	for _, name := range l.Functions() {
		if out := call(t, l, name, ""); out != name {
			t.Fatalf("%s answers as %s", name, out)
		}
	}
	_, err := l.Function("f10000")
	enginetest.WantError(t, err, host.CodeInvalid, "f0, f1, f10,", "and 9968 more")
	o.Functions = []string{"f1", "other"}
	_, err = cabi.Open(t.Context(), o)
	enginetest.WantError(t, err, host.CodeInvalid, "has no function other")
}
