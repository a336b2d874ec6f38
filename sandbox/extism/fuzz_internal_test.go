package extism

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"
)

// FuzzKernel plays the same calls, in the order and with the arguments that the
// input says, to a new kernel, to one with a past, and to a simple model of the
// ABI. All three must agree, and nothing may panic but with a Trap.
func FuzzKernel(f *testing.F) {
	f.Add([]byte("input"), []byte{})
	f.Add([]byte(""), []byte{0, 1, 10, 0, 10, 1, 1, 0, 1, 0})
	for op := range len(imports(nil, nil)) {
		f.Add([]byte("some input"), slices.Repeat([]byte{0, 0, 9, byte(op), 1, 0, 0, byte(op), 2, 1, 3, 0}, 20))
	}
	past := make([]byte, 3000)
	for i := range past {
		past[i] = byte(i * i / 7)
	}
	f.Add(past, past)
	f.Fuzz(func(t *testing.T, input, ops []byte) {
		if len(input) > 20_000 || len(ops) > 4000 {
			return // it takes long and tells nothing new
		}
		used := newPlayer(t)
		for _, earlier := range [][]byte{past, ops} {
			used.begin(t, input)
			used.play(earlier, nil)
		}
		used.kernel.config.Vars.Clear()
		used.begin(t, input)
		fresh := newPlayer(t)
		fresh.begin(t, input)

		m := newModel(t, fresh.kernel, input)
		first := fresh.play(ops, m.check)
		if second := used.play(ops, nil); !slices.Equal(first, second) {
			t.Errorf("a new kernel answers %v\na used one %v", first, second)
		}
		m.finish(fresh.kernel)
	})
}

// player calls the imports of one kernel.
type player struct {
	kernel *Kernel
	table  []function
}

func newPlayer(t *testing.T) *player {
	p := &player{kernel: NewKernel(Config{
		ArenaLimit: 200_000,
		Config:     map[string]string{"\x01": "one", "": "nameless"},
		Vars:       NewVars(500),
		Log:        func(Level, string) {},
		LogLevel:   LevelInfo,
	})}
	p.table = imports(func(context.Context) *Kernel { return p.kernel }, func(ctx context.Context) (context.Context, func()) {
		t.Error("a request was sent") // this plugin may send none
		return ctx, func() {}
	})
	return p
}

func (p *player) begin(t *testing.T, input []byte) {
	if err := p.kernel.Begin(input); err != nil {
		t.Fatal(err)
	}
}

// play makes the calls that ops describe. It returns their results.
func (p *player) play(ops []byte, check func(name string, args []uint64, result uint64, trap error)) (results []uint64) {
	next := func() byte {
		if len(ops) == 0 {
			return 0
		}
		b := ops[0]
		ops = ops[1:]
		return b
	}
	for len(ops) > 0 {
		f := p.table[int(next())%len(p.table)]
		stack := make([]uint64, max(len(f.params), len(f.results)))
		for i := range f.params {
			stack[i] = p.argument(next(), next())
		}
		args := slices.Clone(stack[:len(f.params)])
		trap := p.call(f, stack)
		result := uint64(0)
		switch {
		case trap != nil:
			result = math.MaxUint64
		case len(f.results) > 0 && f.results[0] == api.ValueTypeI32:
			result = uint64(uint32(stack[0]))
		case len(f.results) > 0:
			result = stack[0]
		}
		if check != nil {
			check(f.name, args, result, trap)
		}
		results = append(results, result)
	}
	return results
}

// argument makes a telling number of two bytes: near a handle, near an end of
// something, or small.
func (p *player) argument(kind, detail byte) uint64 {
	near := uint64(int64(int8(detail)))
	switch kind % 8 {
	case 0:
		return uint64(detail)
	case 1, 2, 3:
		if blocks := p.kernel.arena.blocks; len(blocks) > 0 {
			b := blocks[int(kind/8)%len(blocks)]
			if kind%8 == 3 {
				return base + uint64(b.at) + uint64(b.size) + near
			}
			return base + uint64(b.at) + near&^7*uint64(kind%2)
		}
	case 4:
		return base + uint64(len(p.kernel.arena.mem)) + near
	case 5:
		return 1<<(detail%64) + near>>6
	case 6:
		return uint64(detail) * 1000
	}
	return near
}

func (p *player) call(f function, stack []uint64) (trap error) {
	defer func() {
		if r := recover(); r != nil {
			t, ok := r.(*Trap)
			if !ok || t.Function != f.name {
				panic(r)
			}
			trap = t
		}
	}()
	f.call(context.Background(), stack)
	return nil
}

// model is the ABI, written down as simply as can be. Where blocks lie, and
// where the arena ends, it learns from the kernel.
type model struct {
	t             *testing.T
	kernel        *Kernel
	memory        map[uint64]byte
	live          map[uint64]uint64 // sizes of blocks by handle
	last          uint64            // end of the last block
	end           uint64
	input, output span
	failure       uint64
	vars          map[string]string
}

func newModel(t *testing.T, k *Kernel, input []byte) *model {
	m := &model{t: t, kernel: k, vars: map[string]string{}}
	m.reset()
	m.input = span{k.input.at, uint64(len(input))}
	if len(input) > 0 {
		m.made(k.input.at, string(input))
	}
	return m
}

func (m *model) reset() {
	m.memory, m.live = map[uint64]byte{}, map[uint64]uint64{}
	m.last, m.end = base, base+uint64(len(m.kernel.arena.mem))
	m.input, m.output, m.failure = span{}, span{}, 0
}

// made notes a new block, if handle is one, and checks where it lies.
func (m *model) made(handle uint64, content string) {
	end := base + uint64(len(m.kernel.arena.mem))
	switch {
	case end < m.end || end > base+200_000:
		m.t.Fatalf("the arena ended at %#x, and now at %#x", m.end, end)
	case handle == 0:
		return
	case handle < m.last || handle+uint64(len(content))+slack > end:
		m.t.Fatalf("block of %d bytes at %#x, between %#x and %#x", len(content), handle, m.last, end)
	}
	m.live[handle] = uint64(len(content))
	m.last, m.end = handle+uint64(len(content))+slack, end
	for i := range len(content) {
		if content[i] != 0 { // a block of zeros is as it was
			m.memory[handle+uint64(i)] = content[i]
		}
	}
}

func (m *model) inside(p uint64) bool { return base <= p && p < m.end }

func (m *model) rangeInside(p, n uint64) bool {
	return m.inside(p) && n <= m.end-p
}

func (m *model) word(p uint64) (v uint64) {
	if !m.inside(p) || !m.inside(p+7) {
		return 0
	}
	for i := range uint64(8) {
		v |= uint64(m.memory[p+i]) << (8 * i)
	}
	return v
}

func (m *model) text(p, n uint64) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = m.memory[p+uint64(i)]
	}
	return string(text)
}

func (m *model) free(h uint64) {
	if h == m.input.at {
		m.input.length = 0
	}
	delete(m.live, h)
}

// take is what a function does with a handle that it gets.
func (m *model) take(h uint64) string {
	text := m.text(h, m.live[h])
	m.free(h)
	return text
}

// copied checks a block that the host made of content.
func (m *model) copied(name string, handle uint64, content string) {
	if content == "" && handle != 0 {
		m.t.Fatalf("%s: block %#x for nothing", name, handle)
	}
	m.made(handle, content)
}

// check compares one call with what the ABI says.
func (m *model) check(name string, args []uint64, result uint64, trap error) {
	var want uint64
	var wantTrap bool
	switch name {
	case "alloc":
		want = result
		if fits := args[0] > 0 && args[0] < 50_000 && m.last < base+50_000 && len(m.live) < 100; fits && result == 0 {
			m.t.Fatalf("no room for %d bytes", args[0])
		}
		if result != 0 && (args[0] == 0 || args[0] > 200_000) {
			m.t.Fatalf("alloc(%d) = %#x", args[0], result)
		}
		if result != 0 { // new blocks are what lay there, and that is zero unless it was stored beyond the last block
			m.made(result, m.text(result, args[0]))
		} else {
			m.made(0, "")
		}
	case "free":
		m.free(args[0])
	case "length", "length_unsafe":
		want = m.live[args[0]]
	case "reset":
		m.reset()
	case "memory_bytes":
		want = m.end - base
	case "load_u8":
		if m.inside(args[0]) {
			want = uint64(m.memory[args[0]])
		}
	case "load_u64":
		want = m.word(args[0])
	case "store_u8":
		if m.inside(args[0]) {
			m.memory[args[0]] = byte(args[1])
		}
	case "store_u64":
		if m.inside(args[0]) && m.inside(args[0]+7) {
			for i := range uint64(8) {
				m.memory[args[0]+i] = byte(args[1] >> (8 * i))
			}
		}
	case "input_length":
		want = m.input.length
	case "input_offset":
		want = m.input.at
	case "input_load_u8":
		if args[0] < m.input.length {
			want = uint64(m.memory[m.input.at+args[0]])
		}
	case "input_load_u64":
		if args[0] < m.input.length && m.input.length-args[0] >= 8 {
			want = m.word(m.input.at + args[0])
		}
	case "input_set":
		if m.rangeInside(args[0], args[1]) {
			m.input = span{args[0], args[1]}
		}
	case "output_set":
		if m.rangeInside(args[0], args[1]) {
			m.output = span{args[0], args[1]}
		}
	case "output_length":
		want = m.output.length
	case "output_offset":
		want = m.output.at
	case "error_set":
		if args[0] == 0 || m.inside(args[0]) {
			m.failure = args[0]
		}
	case "error_get":
		want = m.failure
	case "config_get":
		m.copied(name, result, m.kernel.config.Config[m.take(args[0])])
		want = result
	case "var_get":
		m.copied(name, result, m.vars[m.take(args[0])])
		want = result
	case "var_set":
		value := m.text(args[1], m.live[args[1]]) // which may be the key's block
		key := m.take(args[0])
		m.free(args[1])
		next := maps.Clone(m.vars)
		if next[key] = value; args[1] == 0 {
			delete(next, key)
		}
		size := 0
		for k, v := range next {
			size += len(k) + len(v) + VarOverhead
		}
		if wantTrap = size > 500; !wantTrap {
			m.vars = next
		}
	case "http_request":
		m.take(args[0])
		m.take(args[1])
		wantTrap = true
	case "log_trace", "log_debug", "log_info", "log_warn", "log_error":
		m.take(args[0])
	case "get_log_level":
		want = uint64(LevelInfo)
	case "http_status_code", "http_headers":
	default:
		m.t.Fatalf("the model does not know %s", name)
	}
	if wantTrap != (trap != nil) || trap == nil && result != want {
		m.t.Fatalf("%s%#x = %#x, %v; want %#x, trap %v", name, args, result, trap, want, wantTrap)
	}
}

// finish compares what the host sees.
func (m *model) finish(k *Kernel) {
	if got, want := string(k.Output()), m.text(m.output.at, m.output.length); got != want {
		m.t.Errorf("output %q, want %q", got, want)
	}
	text, set := k.Error()
	if want := m.live[m.failure] > 0; set != want || set && text == "" {
		m.t.Errorf("error %q, %v; want %v", text, set, want)
	}
	if k.Size() > 300_000 {
		m.t.Errorf("the kernel holds %d bytes", k.Size())
	}
}

// FuzzRequest: whatever a description says, what is sent is one HTTP request
// with the headers that the description has.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"url": "http://127.0.0.1/"}`,
		`{"url": "https://u:p@example.com:8443/a b?c=d#e", "method": "post", "headers": {"X-A": "b", "Host": "c"}}`,
		`{"url": "http://h/\r\nX: y", "method": "GET /\r\n", "headers": {"a\n": "b\r\nc"}}`,
		`{"url": "http://[::1]:80/%00", "headers": {"é": "\u0000", "TE": "trailers", "x": "\ud800"}}`,
		`{"url": null, "method": {}, "headers": []}`,
		strings.Repeat(`{"url":`, 1000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRequest(text)
		if err != nil {
			return
		}
		req, err := r.build(context.Background(), []byte("body"))
		if err != nil {
			return // net/http is stricter
		}
		if !json.Valid(text) || len(text) > MaxRequest {
			t.Error("that is no description")
		}
		if req.URL.Hostname() == "" || req.Method == http.MethodConnect {
			t.Errorf("request %v", req)
		}
		var wire strings.Builder
		if err := req.Write(&wire); err != nil {
			return // net/http is stricter still
		}
		head, body, _ := strings.Cut(wire.String(), "\r\n\r\n")
		if body != "body" {
			t.Errorf("the body is %q", body)
		}
		// The line of the request, Host, User-Agent, Content-Length, and its own.
		lines := strings.Split(head, "\r\n")
		if most := 4 + len(r.header); len(lines) > most || strings.ContainsAny(head, "\x00") || strings.Count(head, "\n") != len(lines)-1 {
			t.Errorf("%d lines, at most %d expected: %q", len(lines), most, head)
		}
	})
}

// FuzzReadable: what is made of a guest's text is valid, and no longer than told.
func FuzzReadable(f *testing.F) {
	f.Add([]byte("plain"), 20)
	f.Add([]byte("caf\xc3\xa9\xc3"), 12)
	f.Add(binary.BigEndian.AppendUint64(nil, 0xff41ff41ff41ff41), 16)
	f.Fuzz(func(t *testing.T, p []byte, limit int) {
		limit = len(cutMark) + max(0, limit%100)
		text := readable(p, limit)
		if len(text) > limit || text != strings.ToValidUTF8(text, "") {
			t.Errorf("%q has %d bytes, at most %d are allowed", text, len(text), limit)
		}
		if string(p) == strings.ToValidUTF8(string(p), "") && len(p) <= limit && text != string(p) {
			t.Errorf("%q became %q", p, text)
		}
	})
}

func TestTrapIsUnwrapped(t *testing.T) {
	err := error(&Trap{Function: "f", Err: &Denied{Capability: "hosts", Target: "h"}})
	if denied := (*Denied)(nil); !errors.As(err, &denied) || denied.Target != "h" {
		t.Errorf("error %v", err)
	}
}
