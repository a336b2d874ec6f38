package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestBatch(t *testing.T) {
	odd := map[string]call{
		"empty":   func(_ context.Context, dst, _ []byte) ([]byte, error) { return dst, nil },
		"literal": func(_ context.Context, dst, in []byte) ([]byte, error) { return append(dst, in[1:]...), nil },
	}
	r := serve(t, odd, nil)
	r.install("p", "echo", "echo-json", "rejected", "internal", "empty-json", "literal-json", "timeout-json")
	for _, c := range []struct{ name, function, in, want string }{
		{"json", "echo-json", "[1]\n[ 2 , \"a b\" ]\n", "{\"result\":[1]}\n{\"result\":[2,\"a b\"]}\n"},
		{"no last newline", "echo-json", "1\n2", "{\"result\":1}\n{\"result\":2}\n"},
		{"CRLF and blanks", "echo-json", "\r\n\n1\r\n \t\r\n2\r\n\r\n", "{\"result\":1}\n{\"result\":2}\n"},
		{"nothing", "echo-json", "", ""},
		{"only blanks", "echo", " \n\r\n", ""},
		{"not JSON", "echo-json", "1\nnope\n3", "{\"result\":1}\n{\"error\":\"function echo-json: its result is not JSON\",\"code\":\"trap\"}\n{\"result\":3}\n"},
		{"two values", "echo-json", "1 2", "{\"error\":\"function echo-json: its result is not JSON\",\"code\":\"trap\"}\n"},
		{"not UTF-8", "echo-json", "\"\xff\"", "{\"error\":\"function echo-json: its result is not JSON\",\"code\":\"trap\"}\n"},
		{"no result", "empty-json", "1", "{\"error\":\"function empty-json: its result is not JSON\",\"code\":\"trap\"}\n"},
		{"over lines", "literal-json", "x{\r\"a\":\r1}", "{\"result\":{\"a\":1}}\n"},
		{"raw string", "echo", `"a\n\u00e9"`, "{\"result\":\"a\\né\"}\n"},
		{"raw line", "echo", " plain \n{\"a\":1}\n\"open\n\"a\" b", "{\"result\":\" plain \"}\n{\"result\":\"{\\\"a\\\":1}\"}\n{\"result\":\"\\\"open\"}\n{\"result\":\"\\\"a\\\" b\"}\n"},
		{"raw bytes", "echo", "\xff\xfe\n\"\xff\"", "{\"base64\":\"//4=\"}\n{\"base64\":\"Iv8i\"}\n"},
		{"raw empty", "echo", `""`, "{\"result\":\"\"}\n"},
		{"rejected", "rejected", "1\n2", strings.Repeat("{\"error\":\"no <such> \\\"thing\\\"\\nat\\u0000all \ufffd\",\"code\":\"rejected\"}\n", 2)},
		{"internal", "internal", "1", "{\"error\":\"" + internalMessage + "\",\"code\":\"internal\"}\n"},
		{"timeout", "timeout-json", "1", "{\"error\":\"call plugin p function timeout-json: after 5s\",\"code\":\"timeout\"}\n"},
	} {
		g := r.do("POST", "/invoke/"+c.function+"/batch", c.in)
		if g.status != 200 || g.body != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, g.body, c.want)
		}
		if got := g.header.Get("Content-Type"); got != "application/x-ndjson" {
			t.Errorf("%s: Content-Type %q", c.name, got)
		}
	}
	if !strings.Contains(r.log.String(), "secret detail") {
		t.Error("the detail of an internal error is not in the log")
	}
}

func TestBatchBig(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo-json")
	var in, want strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&in, "[%d,\"%s\"]\n", i, strings.Repeat("x", i%100))
		fmt.Fprintf(&want, "{\"result\":[%d,\"%s\"]}\n", i, strings.Repeat("x", i%100))
	}
	if g := r.do("POST", "/invoke/echo-json/batch", in.String()); g.body != want.String() {
		t.Errorf("%d bytes differ from the %d wanted", len(g.body), want.Len())
	}
	// One line that is larger than every buffer, and the connection after it.
	long := `"` + strings.Repeat("y", 8<<20) + `"`
	if g := r.do("POST", "/invoke/echo-json/batch", long+"\n1\n"); g.body != `{"result":`+long+"}\n{\"result\":1}\n" {
		t.Errorf("a long line: %d bytes", len(g.body))
	}
}

// TestBatchStreams checks that an answer arrives while the next line is still
// being worked on.
func TestBatchStreams(t *testing.T) {
	next := make(chan struct{})
	r := serve(t, map[string]call{"step": func(_ context.Context, dst, in []byte) ([]byte, error) {
		if string(in) == "2" {
			<-next
		}
		time.Sleep(2 * flushTime) // a slow function: its answers do not wait for more
		return append(dst, in...), nil
	}}, nil)
	r.install("p", "step-json")
	resp, err := http.Post(r.base+"/invoke/step-json/batch", "application/x-ndjson", strings.NewReader("1\n2\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	first, err := lines.ReadString('\n')
	if first != "{\"result\":1}\n" {
		t.Fatalf("%q %v", first, err)
	}
	close(next)
	rest, err := io.ReadAll(lines)
	if string(rest) != "{\"result\":2}\n" || err != nil {
		t.Fatalf("%q %v", rest, err)
	}
}

// TestBatchSlowerThanWriteTimeout: the limit is for taking a part of the answer,
// not for making all of it.
func TestBatchSlowerThanWriteTimeout(t *testing.T) {
	const limit = 50 * time.Millisecond
	r := serve(t, map[string]call{"slow": func(_ context.Context, dst, in []byte) ([]byte, error) {
		<-time.After(2 * limit)
		return append(dst, in...), nil
	}}, func(c *Config) { c.WriteTimeout = limit })
	r.install("p", "slow-json")
	if g := r.do("POST", "/invoke/slow-json/batch", "1\n2\n3\n"); g.body != "{\"result\":1}\n{\"result\":2}\n{\"result\":3}\n" {
		t.Errorf("%q", g.body)
	}
}

// TestBatchClientGoesAway: nobody works for a client that is gone.
func TestBatchClientGoesAway(t *testing.T) {
	var calls atomic.Int64
	r := serve(t, map[string]call{"count": func(_ context.Context, dst, _ []byte) ([]byte, error) {
		calls.Add(1)
		return append(append(append(dst, '"'), strings.Repeat("z", 64<<10)...), '"'), nil
	}}, nil)
	r.install("p", "count-json")
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	const lines = 100_000 // 6 GB of answers
	body := strings.Repeat("1\n", lines)
	fmt.Fprintf(conn, "POST /invoke/count-json/batch HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := io.ReadFull(conn, make([]byte, 100<<10)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	r.eventually("the connection ends", func() bool { return r.server.conns.count() == 0 })
	if n := calls.Load(); n == 0 || n > lines/2 {
		t.Errorf("%d calls", n)
	}
	if g := r.do("DELETE", "/plugins/functions/p", ""); g.status != 200 {
		t.Errorf("after it: %v", g)
	}
}

// TestBatchOutlivesItsPlugin: dropping does not wait for a batch, whose lines
// then fail one by one.
func TestBatchOutlivesItsPlugin(t *testing.T) {
	began, proceed := make(chan struct{}), make(chan struct{})
	r := serve(t, map[string]call{"drop": func(_ context.Context, dst, in []byte) ([]byte, error) {
		if string(in) == "1" {
			close(began)
			<-proceed
		}
		return append(dst, in...), nil
	}}, nil)
	r.install("p", "drop-json")
	answer := make(chan got, 1)
	go func() { answer <- r.do("POST", "/invoke/drop-json/batch", "1\n2\n") }()
	<-began
	dropped := make(chan got, 1)
	go func() { dropped <- r.do("DELETE", "/plugins/functions/p", "") }()
	r.eventually("the plugin is off the list", func() bool { return len(r.host.List(0)) == 0 })
	close(proceed)
	if g := <-dropped; g.status != 200 {
		t.Errorf("drop: %v", g)
	}
	if g := <-answer; g.body != "{\"result\":1}\n{\"error\":\"call function drop-json: no installed plugin has this function\",\"code\":\"not_found\"}\n" {
		t.Errorf("batch: %v", g)
	}
}

func TestBatchNeedsHTTP11(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo")
	g := r.raw("POST /invoke/echo/batch HTTP/1.0\r\nHost: x\r\nContent-Length: 1\r\n\r\n1")
	if g.status != 505 {
		t.Errorf("%v", g)
	}
	r.checkError("batch", g)
}

// eventually waits for something to happen.
func (r *rig) eventually(what string, cond func() bool) {
	r.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(testLimit)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			r.Fatalf("it did not happen: %s", what)
		}
	}
}

// raw sends bytes on a connection of its own and returns the first answer.
func (r *rig) raw(request string) got {
	r.Helper()
	conn := r.dial()
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		r.Fatal(err)
	}
	return r.answer(bufio.NewReader(conn))
}

func (r *rig) dial() net.Conn {
	r.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(testLimit))
	return conn
}

func (r *rig) answer(from *bufio.Reader) got {
	r.Helper()
	resp, err := http.ReadResponse(from, nil)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return got{resp.StatusCode, resp.Header, string(body)}
}

// validLines checks that an answer to a batch has one JSON value a line.
func validLines(body string) (lines int, err error) {
	for line := range strings.Lines(body) {
		if !strings.HasSuffix(line, "\n") || !json.Valid([]byte(line)) {
			return lines, fmt.Errorf("line %d is %q", lines, line)
		}
		lines++
	}
	return lines, nil
}
