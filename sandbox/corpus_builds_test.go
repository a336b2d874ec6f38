package sandbox_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime/metrics"
	"testing"
	"time"

	"berth/host"
	"berth/sandbox"
)

// bomb is a build that is small, or looks like any other, and takes a compiler
// long, or much memory. Those below the limits are compiled; others are refused
// before that.
type bomb struct {
	name    string
	build   func() []byte
	refused string // what the error says; empty: it is compiled
}

// get is the function's parameter.
var get = code{opLocalGet, 0}

// leave is a block that is left on a condition; round a loop that begins anew.
var (
	leave = code{opBlock, noResult, opLocalGet, 0, opBrIf, 0, opEnd}
	round = code{opLoop, noResult, opLocalGet, 0, opBrIf, 0, opEnd}
)

// locals sets and reads n local variables, each with a value of its own.
func locals(n int) (set, read code) {
	for i := range n {
		set = append(set, join(code{opConst, 5, opLoad, 2, 0, opLocalSet}, uleb(i+1))...)
		read = append(read, join(code{opLocalGet}, uleb(i+1), code{opAdd})...)
	}
	return set, read
}

// add and branch are what the longest functions consist of.
var (
	add    = code{opLocalGet, 0, opConst, 7, opAdd, opLocalSet, 0}
	branch = code{opLocalGet, 0, opBrIf, 0}
)

// nested is a function of n blocks in each other.
func nested(n int, open, end code) func() []byte {
	return func() []byte { return single(0, join(bytes.Repeat(open, n), bytes.Repeat(end, n), get)) }
}

// repeated is a function of n times the same.
func repeated(n int, before, each, after code) func() []byte {
	return func() []byte { return single(0, join(before, bytes.Repeat(each, n), after)) }
}

// table is a br_table of n targets.
func table(n int) func() []byte {
	return func() []byte {
		return single(0, join(code{opBlock, noResult, opLocalGet, 0, opBrTable}, uleb(n), make([]byte, n+1), code{opEnd}, get))
	}
}

// many is a module that change changes n times.
func many(n int, change func(a *assembler, i int)) func() []byte {
	return func() []byte {
		var a assembler
		f := a.function(a.functionType(1, 1), 0, get)
		for i := range n {
			change(&a, i)
		}
		if len(a.exports) == 0 {
			a.export("f", f+len(a.imports))
		}
		return a.module()
	}
}

// crossing is n locals, and loops between what sets and what reads them.
func crossing(n, loops int) func() []byte {
	return func() []byte {
		set, read := locals(n)
		return single(n, join(set, bytes.Repeat(round, loops), get, read))
	}
}

// passing is calls that take and give so many values.
func passing(values, calls int) func() []byte {
	return func() []byte {
		var a assembler
		wide := a.functionType(values, values)
		var all code
		for i := range values {
			all = append(all, join(code{opLocalGet}, uleb(i))...)
		}
		f := a.function(wide, 0, all)
		a.export("f", a.function(a.functionType(1, 1), 0, join(bytes.Repeat(get, values), times(calls, opCall, byte(f)), times(values-1, opAdd))))
		return a.module()
	}
}

// carrying is blocks that take and give so many values.
func carrying(values, blocks int) func() []byte {
	return func() []byte {
		var a assembler
		one, wide := a.functionType(1, 1), a.functionType(values, values)
		block := join(code{opBlock}, sleb(wide), get, code{opBrIf, 0, opEnd})
		a.export("f", a.function(one, 0, join(bytes.Repeat(get, values), bytes.Repeat(block, blocks), times(values-1, opAdd))))
		return a.module()
	}
}

// wide is a type of so many parameters and results.
func wide(params, results int) func() []byte {
	return many(1, func(a *assembler, _ int) { a.functionType(params, results) })
}

// bombs are what is refused.
func bombs() []bomb {
	return []bomb{
		{"a function of 10 MB", repeated(1_500_000, nil, add, get), "instructions"},
		{"3,000 functions of 49,000 locals", many(3000, func(a *assembler, _ int) { a.function(0, 49_000, get) }), "local"},
		{"a million nested blocks", nested(1_000_000, code{opBlock, noResult}, code{opEnd}), "too large to compile"},
		{"40,000 nested blocks", nested(40_000, code{opBlock, noResult}, code{opEnd}), "too large to compile"},
		{"blocks in a row", repeated(40_000, nil, leave, get), "too large to compile"},
		{"branches to one label", repeated(40_000, code{opBlock, noResult}, branch, join(code{opEnd}, get)), "too large to compile"},
		{"ten functions of 10,000 branches", many(10, func(a *assembler, _ int) {
			a.function(0, 0, join(code{opBlock, noResult}, bytes.Repeat(branch, 10_000), code{opEnd}, get))
		}), "too large to compile"},
		{"a br_table of a million targets", table(1_000_000), "br_table"},
		{"1,000 locals across 3,000 loops", crossing(1000, 3000), "too large to compile"},
		{"calls that pass 1,000 values", passing(1000, 1000), "values"},
		{"blocks that take 1,000 values", carrying(1000, 1000), "values"},
		{"a type of 1,001 parameters", wide(1001, 0), "parameters"},
		{"a type of 1,001 results", wide(0, 1001), "results"},
		{"200,000 types", many(200_000, func(a *assembler, _ int) { a.functionType(2, 1) }), "types"},
		{"100,000 exports", many(100_000, func(a *assembler, i int) { a.export(fmt.Sprintf("f%d", i), 0) }), "export"},
		{"200,000 imports", many(200_000, func(a *assembler, _ int) {
			a.imports = append(a.imports, join(sized([]byte("wasi_snapshot_preview1")), sized([]byte("sched_yield")), code{0, 0}))
		}), "imports"},
		{"200,000 globals", many(200_000, func(a *assembler, _ int) { a.globals = append(a.globals, code{typeI32, 1, opConst, 0, opEnd}) }), "globals"},
		{"200,000 data segments", many(200_000, func(a *assembler, _ int) { a.datas = append(a.datas, code{0, opConst, 0, opEnd, 0}) }), "data"},
		{"a data segment outside", many(1, func(a *assembler, _ int) {
			a.datas = append(a.datas, join(code{0, opConst}, sleb(70_000), code{opEnd, 1, 0}))
		}), "out of bounds"},
		{"10,000 tables", many(10_000, func(a *assembler, _ int) { a.tables = append(a.tables, code{0x70, 0, 1}) }), "tables"},
	}
}

// What compiling may take: bounds that are far above what it does on any machine
// that is not much too slow.
const (
	buildTime   = generous
	buildMemory = 1 << 30
)

// TestCorpusBuilds: what would take too long to compile, or too much memory, is
// refused at once; and another plugin's calls are answered meanwhile.
func TestCorpusBuilds(t *testing.T) {
	e := sandbox.New()
	healthy := newWitness(t, e)
	for _, b := range bombs() {
		t.Run(b.name, func(t *testing.T) { b.run(t, e, healthy) })
	}
}

// run loads the build.
func (b *bomb) run(t *testing.T, e *sandbox.Engine, healthy *witness) {
	p := wasmPackage(t, "bomb", b.build())
	stop, most := healthy.watch(t), heapWatch()
	ctx, cancel := context.WithTimeout(t.Context(), buildTime)
	defer cancel()
	m, err := e.Load(ctx, p)
	stop()
	if n := most(); n > buildMemory {
		t.Errorf("the heap grew to %d MiB", n>>20)
	}
	if err == nil {
		defer m.Close(context.Background())
	}
	switch {
	case b.refused != "":
		wantFailure(t, err, host.CodeInvalid, b.refused)
	case err != nil:
		t.Error(err)
	}
}

// heapWatch samples the size of the heap until the function that it returns is
// called, which tells the largest.
func heapWatch() (stop func() (most uint64)) {
	done, result := make(chan struct{}), make(chan uint64)
	go func() {
		most := uint64(0)
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-tick.C:
			case <-done:
				result <- most
				return
			}
		}
	}()
	return func() uint64 { close(done); return <-result }
}
