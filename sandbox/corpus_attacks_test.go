package sandbox_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"berth/host"
)

// corpus is all attacks that are calls.
func corpus() []attack {
	return slices.Concat(processorAttacks(), exceptionAttacks(), memoryAttacks(), berthAttacks(), extismAttacks(), wapcAttacks(), commandAttacks(), wasiAttacks())
}

// is is the answer that is expected.
func is(want string) func([]byte) error {
	return func(out []byte) error {
		if string(out) != want {
			return fmt.Errorf("it was answered with %.60q, want %.60q", out, want)
		}
		return nil
	}
}

// between is an answer that is a number, as JSON.
func between(low, high int) func([]byte) error {
	return func(out []byte) error {
		if n, err := strconv.Atoi(string(out)); err != nil || n < low || n > high {
			return fmt.Errorf("it was answered with %.60q, want a number from %d to %d", out, low, high)
		}
		return nil
	}
}

func endless(guest, function, in string) attack {
	return attack{guest: guest, function: function, in: []byte(in), code: host.CodeTimeout, says: []string{attackTime.String(), "interrupted"}}
}

func traps(guest, function, in string, says ...string) attack {
	return attack{guest: guest, function: function, in: []byte(in), code: host.CodeTrap, says: says}
}

func answers(guest, function, in string, good func([]byte) error) attack {
	return attack{guest: guest, function: function, in: []byte(in), good: good}
}

// with changes the package that an attack comes from.
func (a attack) with(change func(*host.Package)) attack {
	a.change = change
	return a
}

func processorAttacks() []attack {
	return []attack{
		endless("loops", "spin", "[]"),
		endless("loops", "spin_calls", "[]"),
		endless("loops", "spin_host", "[]"),
		endless("loops", "spin_float", "[0]"),
		endless("loops", "spin_exit", "[0]"),
		endless("loops", "nested", "[]"),
		endless("recursion", "fib", "[90]"),
		endless("recursion", "twice", "[0]"),
		traps("recursion", "deep", "[0]", "stack overflow"),
		traps("recursion", "wide", "[0]", "stack overflow"),
		traps("recursion", "even", "[0]", "stack overflow"),
		traps("recursion", "indirect", "[0]", "stack overflow"),
		endless("tailcalls", "ping", "[0]"),
		endless("tailcalls", "self", "[]"),
		endless("tailcalls", "table", "[0]"),
		endless("tailcalls", "swap", "[1,2,3,4,5,6,7,8,9,10,11,12]"),
	}
}

// exceptionAttacks try to outlive what ends a guest by catching it.
func exceptionAttacks() []attack {
	caught := func(tried code) code { // goes on behind itself, whatever is thrown in it
		return join(code{opBlock, noResult, opTryTable, noResult, 1, catchAll, 0}, tried, code{opEnd, opEnd})
	}
	forever := func(body code) code { return join(code{opLoop, noResult}, body, code{opBr, 0, opEnd}) }
	guest := func(a attack, body code) attack {
		var m assembler
		m.tags = [][]byte{{0, byte(m.functionType(0, 0))}}
		m.export("f", m.function(m.functionType(1, 1), 0, join(body, code{opLocalGet, 0})))
		a.wasm = m.module()
		return a
	}
	spin := forever(nil)
	return []attack{
		guest(endless("catch_interrupt", "f", "[0]"), forever(caught(spin))),
		guest(endless("catch_throw", "f", "[0]"), forever(caught(code{opThrow, 0}))),
		guest(traps("catch_trap", "f", "[0]", "unreachable"), caught(code{opUnreachable})),
		guest(traps("throw", "f", "[0]", "exception"), code{opThrow, 0}),
		guest(traps("catch_overflow", "f", "[0]", "stack overflow"), caught(code{opLocalGet, 0, opCall, 0, opLocalSet, 0})),
	}
}

func memoryAttacks() []attack {
	const pages = attackMemory >> 16
	const entries = attackMemory / 8
	return []attack{
		answers("memory", "grow", "[]", is(strconv.Itoa(pages))),
		answers("memory", "leap", "[65535]", is("-1")),
		answers("memory", "leap", "[-1]", is("-1")),
		endless("memory", "grow_forever", "[]"),
		endless("memory", "fill", "[]"),
		endless("memory", "copy", "[]"),
		endless("memory", "init", "[]"),
		traps("memory", "outside", "[]", "out of bounds memory access"),
		traps("memory", "wrap", "[]", "out of bounds memory access"),
		answers("tables", "grow", "[]", between(1000, entries)),
		answers("tables", "grow_two", "[]", between(1000, entries)),
		answers("tables", "leap", "[-1]", is("-1")),
		answers("tables", "leap", "[134217728]", is("-1")),
		endless("tables", "grow_forever", "[]"),
		endless("tables", "fill", "[]"),
		endless("tables", "copy", "[]"),
		endless("tables", "init", "[]"),
		traps("tables", "outside", "[]", "invalid table access"),
		traps("tables", "wild", "[1000000]", "invalid table access"),
		traps("tables", "wild", "[-1]", "invalid table access"),
	}
}

func berthAttacks() []attack {
	input := func(n int) string { return string(bytes.Repeat([]byte("x"), n)) }
	packed := func(ptr, length uint32) string {
		return string(binary.LittleEndian.AppendUint64(nil, uint64(ptr)<<32|uint64(length)))
	}
	const broke = "broke the berth ABI"
	return []attack{
		traps("berth", "echo", input(1), "unreachable"),
		endless("berth", "echo", input(2)),
		traps("berth", "echo", input(3), broke, "alloc(3) returned 4294967295"),
		traps("berth", "echo", input(4), broke, "alloc(4) returned 65535"),
		answers("berth", "echo", input(5), is("xxxxx")),
		traps("berth", "echo", input(6), "stack overflow"),
		{guest: "berth", function: "echo", in: []byte(input(7)), code: host.CodeTooLarge, says: []string{"no room"}},
		traps("berth", "echo", input(1<<20), broke),
		traps("berth", "packed", packed(1<<32-1, 1), broke, "1 bytes at 4294967295"),
		traps("berth", "packed", packed(0, attackOutput), broke, "1048576 bytes at 0"),
		traps("berth", "packed", packed(0, 1<<31-1), "limits.output"),
		traps("berth", "packed", packed(0, 1<<32-1), broke),
		traps("berth", "packed", packed(1<<32-1, 1<<32-1), broke),
		answers("berth", "packed", packed(1<<32-1, 0), is("")),
		{guest: "berth", function: "packed", in: []byte(packed(1<<32-1, 1<<31)), code: host.CodeRejected},
		answers("berth", "overwrite", "01234567", is("xxxxxxxx")),
	}
}

func extismAttacks() []attack {
	pages := func(out []byte) error {
		if len(out) == 0 || len(out) > attackMemory || len(bytes.Trim(out, "\x00")) > 0 {
			return fmt.Errorf("an arena of %d bytes, or what another call left in it", len(out))
		}
		return nil
	}
	hosts := func(p *host.Package) { p.Grants.Hosts = []string{"granted.example"} }
	roomy := func(p *host.Package) { p.Limits.Memory = 64 << 20 }
	return []attack{
		answers("handles", "wild", "", is("")),
		answers("handles", "huge", "", is("")),
		answers("handles", "freed", "", is("")),
		answers("handles", "overlap", "", is("a"+string(make([]byte, 23))+"b"+string(make([]byte, 15)))),
		answers("handles", "lie", "", is("")),
		answers("handles", "whole", "", pages),
		answers("handles", "null", "", is("")),
		endless("floods", "blocks", ""),
		endless("floods", "churn", ""),
		endless("floods", "grow", ""),
		traps("floods", "vars", "", "var_set"),
		endless("floods", "var", ""),
		endless("floods", "configs", ""),
		endless("floods", "logs", ""),
		endless("floods", "errors", ""),
		endless("floods", "resets", ""),
		endless("floods", "loads", ""),
		traps("floods", "requests", "", "http_request"),
		traps("floods", "requests", "", "http_request").with(hosts),
		attack{guest: "floods", function: "error_big", code: host.CodeRejected}.with(roomy),
		{guest: "floods", function: "error_wild", code: host.CodeRejected, says: []string{"\uFFFD"}},
		traps("floods", "output", "", "33554432 bytes", "limits.output").with(roomy),
	}
}

func wapcAttacks() []attack {
	attacks := []attack{}
	add := func(n int, a attack) {
		a.guest, a.function, a.in = "wapc", "wapc", bytes.Repeat([]byte("x"), n)
		attacks = append(attacks, a)
	}
	outside := attack{code: host.CodeTrap, says: []string{"broke the wapc ABI", "memory of 1048576 bytes"}}
	late := attack{code: host.CodeTimeout, says: []string{"interrupted"}}
	add(1, outside)
	add(2, outside)
	add(3, outside)
	add(4, outside)
	add(5, attack{good: func(out []byte) error {
		if len(out) != 1<<20 {
			return fmt.Errorf("%d bytes", len(out))
		}
		return nil
	}})
	add(6, outside)
	add(7, outside)
	add(8, outside)
	add(9, late)
	add(10, outside)
	add(11, outside)
	add(12, late)
	add(13, late)
	add(14, attack{code: host.CodeRejected})
	add(15, attack{code: host.CodeRejected, says: []string{"\uFFFD"}})
	return attacks
}

func commandAttacks() []attack {
	program := func(in string, a attack) attack {
		a.guest, a.function, a.in = "command", "command", []byte(in)
		return a
	}
	exits := func(code string) string { return "x" + code }
	return []attack{
		program("o", attack{code: host.CodeTrap, says: []string{"wrote more", "limits.output"}}),
		program("e", attack{code: host.CodeTimeout, says: []string{"interrupted"}}),
		program("l", attack{code: host.CodeTimeout, says: []string{"interrupted"}}),
		program("i", attack{code: host.CodeTimeout, says: []string{"interrupted"}}),
		program("w", attack{code: host.CodeTimeout, says: []string{"interrupted"}}),
		program("s", attack{code: host.CodeTimeout, says: []string{"interrupted"}}),
		program(exits("\x03\x00\x00\x00"), attack{code: host.CodeRejected, says: []string{"code 3"}}),
		program(exits("\xff\xff\xff\xff"), attack{code: host.CodeRejected, says: []string{"code 4294967295"}}),
		program(exits("\xff\xff\xff\xef"), attack{code: host.CodeRejected, says: []string{"code 4026531839"}}),
		program(exits("\x00\x00\x00\x00"), attack{good: is("")}),
		program("p", attack{good: is("p")}),
	}
}

func wasiAttacks() []attack {
	const invalid, fault = "28", "21" // EINVAL, EFAULT
	clock := func(p *host.Package) { p.Grants.Clock = true }
	random := func(p *host.Package) { p.Grants.Random = true }
	hour := strconv.FormatInt(int64(time.Hour), 10)
	failed := func(out []byte) error {
		if n, err := strconv.Atoi(string(out)); err != nil || n == 0 {
			return fmt.Errorf("%q: want the number of an error", out)
		}
		return nil
	}
	return []attack{
		traps("wasi", "exit", "[0]", "exited with code 0"),
		traps("wasi", "exit", "[-1]", "exited with code 4294967295"),
		traps("wasi", "exit", "[4026531839]", "exited with code 4026531839"),
		traps("wasi", "exit", "[2147483647]", "exited with code 2147483647"),
		answers("wasi", "sleep", "["+hour+"]", is("0")), // it takes no time
		endless("wasi", "sleep", "["+hour+"]").with(clock),
		endless("wasi", "sleep", "[9223372036854775807]").with(clock),
		answers("wasi", "sleep", "[-1]", between(0, 100)).with(func(p *host.Package) { p.Limits.Timeout = generous }),
		endless("wasi", "sleep_forever", "[1]").with(clock),
		endless("wasi", "sleep_forever", "["+hour+"]"),
		endless("wasi", "yield_forever", "[]"),
		answers("wasi", "sleep_many", "[0,1]", is(invalid)),
		answers("wasi", "sleep_many", "[-1,1]", failed),
		answers("wasi", "sleep_many", "[100000,1]", failed),
		answers("wasi", "sleep_filled", "[10000,"+hour+"]", is("0")),
		answers("wasi", "random", "[0,1048576]", is("0")).with(random),
		answers("wasi", "random", "[0,-1]", is(fault)).with(random),
		answers("wasi", "random", "[1,1048576]", is(fault)).with(random),
		endless("wasi", "random_forever", "[]"),
		endless("wasi", "random_forever", "[]").with(random),
		answers("wasi", "write", "[1,0,1048576]", is("0")),
		answers("wasi", "write", "[1,0,1048577]", is(fault)),
		answers("wasi", "write", "[1,-1,-1]", is(fault)),
		answers("wasi", "write", "[100000,0,0]", is("0")),
		answers("wasi", "write", "[536870912,0,0]", is("0")), // wazero counts modulo 2²⁹: nothing is written
		answers("wasi", "write", "[-1,0,0]", failed),
		answers("wasi", "read", "[100000,0,0]", is("0")),
		answers("wasi", "read", "[100000,0,1048576]", is("0")),
		answers("wasi", "read", "[-1,0,0]", failed),
		endless("wasi", "write_forever", "[]"),
		endless("wasi", "scatter", "[0,100000]"),
		endless("wasi", "scatter", "[10,1000]"),
		answers("wasi", "wild", "[]", is("0")),
		answers("wasi", "closes", "[]", failed),
	}
}
