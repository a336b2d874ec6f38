//go:build !race

// The race detector has nothing to find in a compiler that runs by itself, and
// makes it ten times slower.

package sandbox_test

import (
	"fmt"
	"testing"

	"berth/host/enginetest"
	"berth/sandbox"
)

// hardBuilds are what is compiled, and takes the compiler some time.
func hardBuilds() []bomb {
	return []bomb{
		{"a function of 1 MB", repeated(35_000, nil, add, get), ""},
		{"calls in one function", repeated(50_000, get, code{opCall, 0}, nil), ""},
		{"a function of 50,000 locals", func() []byte { return single(49_000, get) }, ""},
		{"50,000 functions", many(50_000, func(a *assembler, _ int) { a.function(0, 0, get) }), ""},
		{"1,500 nested blocks", nested(1500, code{opBlock, noResult}, code{opLocalGet, 0, opBrIf, 0, opEnd}), ""},
		{"500 nested loops", nested(500, code{opLoop, noResult}, code{opLocalGet, 0, opBrIf, 0, opEnd}), ""},
		{"1,500 nested ifs", nested(1500, code{opLocalGet, 0, opIf, noResult}, code{opEnd}), ""},
		{"a br_table of 20,000 targets", table(20_000), ""},
		{"100 locals across 100 loops", crossing(100, 100), ""},
		{"calls that pass 20 values", passing(20, 1000), ""},
		{"blocks that take 20 values", carrying(20, 500), ""},
		{"a type of 1,000 parameters", wide(1000, 1000), ""},
		{"20,000 types", many(20_000, func(a *assembler, _ int) { a.functionType(2, 1) }), ""},
		{"4,000 exports", many(4000, func(a *assembler, i int) { a.export(fmt.Sprintf("f%d", i), 0) }), ""},
		{"a data segment of 16 MB", many(1, func(a *assembler, _ int) { a.datas = append(a.datas, join(code{1}, sized(make([]byte, 16<<20)))) }), ""},
	}
}

// TestCorpusCompiled: compiling what is not refused takes no more time and memory
// than it may; and another plugin's calls are answered meanwhile.
func TestCorpusCompiled(t *testing.T) {
	e := sandbox.New()
	healthy := newWitness(t, e)
	for _, b := range hardBuilds() {
		t.Run(b.name, func(t *testing.T) { b.run(t, e, healthy) })
	}
	enginetest.HeapInUse() // gives back what the tests behind this do not need
}
