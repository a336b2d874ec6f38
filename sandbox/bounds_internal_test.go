package sandbox

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wasmOf makes a build of one section.
func wasmOf(id byte, content string) []byte {
	return []byte("\x00asm\x01\x00\x00\x00" + string([]byte{id, byte(len(content))}) + content)
}

// TestBounds: builds of a few bytes that say that they have billions of
// something. Without the check, wazero makes room for them.
func TestBounds(t *testing.T) {
	const many = "\xff\xff\xff\xff\x0f" // 2³²−1
	for name, c := range map[string]struct {
		id      byte
		content string
	}{
		"types":                    {typeSection, many},
		"parameters":               {typeSection, "\x01\x60" + many},
		"results":                  {typeSection, "\x01\x60\x00" + many},
		"recursive types":          {typeSection, "\x01\x4e" + many},
		"parameters in recursion":  {typeSection, "\x01\x4e\x01\x60" + many},
		"imports":                  {importSection, many},
		"name of import":           {importSection, "\x01\x01m" + many},
		"functions":                {functionSection, many},
		"tables":                   {tableSection, many},
		"entries of table":         {tableSection, "\x01\x70\x00\x81\xad\xe2\x04"},
		"entries of two":           {tableSection, "\x02\x70\x00\xc0\x96\xb1\x02\x70\x01\xc1\x96\xb1\x02" + many},
		"memories":                 {memorySection, many},
		"globals":                  {globalSection, many},
		"exports":                  {exportSection, many},
		"name of export":           {exportSection, "\x01" + many},
		"elements":                 {elementSection, many},
		"functions of element":     {elementSection, "\x01\x00\x41\x00\x0b" + many},
		"functions of passive":     {elementSection, "\x01\x01\x00" + many},
		"expressions of element":   {elementSection, "\x01\x06\x00\x42\x80\x7f\x0b\x70" + many},
		"behind an expression":     {elementSection, "\x01\x04\xfd\x0c0123456789abcdef\x44________\x43____\x23\x00\x6a\xd2\x00\x0b" + many},
		"code":                     {codeSection, many},
		"size of code":             {codeSection, "\x01" + many},
		"groups of locals":         {codeSection, "\x01\x06" + many + "\x0b"},
		"locals":                   {codeSection, "\x01\x08\x01" + many + "\x7f\x0b"},
		"locals of a reference":    {codeSection, "\x01\x0d\x02\x01\x63\xff\x00" + many + "\x64\x00\x0b"},
		"data":                     {dataSection, many},
		"bytes of data":            {dataSection, "\x01\x00\x41\x00\x0b" + many},
		"bytes of passive data":    {dataSection, "\x01\x01" + many},
		"tags":                     {tagSection, many},
		"name of custom":           {customSection, many},
		"name of module":           {customSection, "\x04name\x00\x05" + many},
		"names":                    {customSection, "\x04name\x01\x05" + many},
		"name of function":         {customSection, "\x04name\x01\x07\x01\x00" + many},
		"functions with locals":    {customSection, "\x04name\x02\x05" + many},
		"names of locals":          {customSection, "\x04name\x02\x07\x01\x00" + many},
		"part of names":            {customSection, "\x04name\x05" + many},
		"part longer than it says": {customSection, "\x04name\x01\x00\x01\x00\x01f"},
		"number that never ends":   {typeSection, strings.Repeat("\x80", 20)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := checkBounds(wasmOf(c.id, c.content)); err == nil {
				t.Error("no error")
			}
		})
	}
	if err := checkBounds([]byte("\x00asm\x01\x00\x00\x00\x01" + many)); err == nil {
		t.Error("a section beyond the end of the file: no error")
	}
}

// repeatedly makes a build of one section, of n items that are the same.
func repeatedly(id byte, n int, item string) []byte {
	content := string(binary.AppendUvarint(nil, uint64(n))) + strings.Repeat(item, n)
	return append(binary.AppendUvarint([]byte("\x00asm\x01\x00\x00\x00"+string([]byte{id})), uint64(len(content))), content...)
}

// TestBoundsOfCounts: one more than there may be is refused, with what it is.
func TestBoundsOfCounts(t *testing.T) {
	values := func(n int) string {
		return string(binary.AppendUvarint(nil, uint64(n))) + strings.Repeat("\x7f", n)
	}
	for what, c := range map[string]struct {
		id   byte
		most int
		item string
	}{
		" types":                            {typeSection, maxTypes, "\x60\x00\x00"},
		" parameters and results of all":    {typeSection, maxAllValues / maxValues, "\x60" + values(maxValues/2) + values(maxValues/2)},
		" imports":                          {importSection, maxItems, "\x00\x00\x00\x00"},
		" functions":                        {functionSection, maxFunctions, "\x00"},
		" tables":                           {tableSection, maxTables, "\x70\x00\x00"},
		" globals":                          {globalSection, maxItems, "\x7f\x00\x41\x00\x0b"},
		" exports":                          {exportSection, maxItems, "\x00\x03\x00"},
		" exported functions":               {exportSection, maxExports, "\x00\x00\x00"},
		" segments of elements":             {elementSection, maxItems, "\x01\x00\x00"},
		" segments of data":                 {dataSection, maxItems, "\x01\x00"},
		" tags":                             {tagSection, maxItems, "\x00\x00"},
		" local variables in all":           {codeSection, maxAllLocals / maxLocals, "\x06\x01\xd0\x86\x03\x7f\x0b"},
		" parameters of one type":           {typeSection, 0, "\x60" + values(maxValues+1) + "\x00"},
		" results of one type":              {typeSection, 0, "\x60\x00" + values(maxValues+1)},
		" groups of local variables in one": {codeSection, 0, string(binary.AppendUvarint(nil, 3+2*(maxLocalGroups+1)+1)) + "\xd1\x86\x03" + strings.Repeat("\x00\x7f", maxLocalGroups+1) + "\x0b"},
	} {
		if err := checkBounds(repeatedly(c.id, c.most, c.item)); err != nil {
			t.Errorf("%d%s: %v", c.most, what, err)
		}
		if err := checkBounds(repeatedly(c.id, c.most+1, c.item)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("one more than%s: %v", what, err)
		}
	}
	// The types of groups count with the others.
	group := "\x4e" + string(repeatedly(typeSection, 1000, "\x60\x00\x00")[8+1+2:])
	if err := checkBounds(repeatedly(typeSection, maxTypes/1000+1, group)); err == nil || !strings.Contains(err.Error(), " types") {
		t.Errorf("types in groups: %v", err)
	}
}

// TestBoundsOfGoodBuilds: what is within its bounds is left for wazero to judge.
func TestBoundsOfGoodBuilds(t *testing.T) {
	guests, err := filepath.Glob(filepath.Join("testdata", "guests", "*.wasm"))
	if err != nil || len(guests) == 0 {
		t.Fatalf("no guests: %v", err)
	}
	for _, guest := range guests {
		name := filepath.Base(guest)
		if name == "component.wasm" || name == "truncated.wasm" {
			continue
		}
		wasm, err := os.ReadFile(guest)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkBounds(wasm); err != nil {
			t.Errorf("%s %v", name, err)
		}
	}
	for name, wasm := range map[string][]byte{
		"nothing":                    []byte("\x00asm\x01\x00\x00\x00"),
		"ten million entries":        wasmOf(tableSection, "\x01\x70\x00\x80\xad\xe2\x04"),
		"a table with initial":       wasmOf(tableSection, "\x01\x40\x00\x70\x00\x01\xd0\x70\x0b"),
		"fifty thousand locals":      wasmOf(codeSection, "\x01\x06\x01\xd0\x86\x03\x7f\x0b"),
		"names":                      wasmOf(customSection, "\x04name\x00\x02\x01m\x01\x04\x01\x00\x01f\x02\x06\x01\x00\x01\x00\x01l\x09\x01x"),
		"a section of the toolchain": wasmOf(customSection, "\x09producers\xff\xff"),
		"what does not validate":     wasmOf(typeSection, "\x01\x61\xff\xff"),
	} {
		if err := checkBounds(wasm); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
