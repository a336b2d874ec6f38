package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"berth/host"
)

// TestEveryCode walks host's codes through the table and over the wire.
func TestEveryCode(t *testing.T) {
	want := map[string]string{
		"internal":    "500 9500 " + internalMessage,
		"invalid":     "400 1000 call plugin p function invalid: two arguments are needed",
		"conflict":    "400 1000 call plugin p function conflict: taken",
		"not_found":   "404 1002 call plugin p function not_found: gone",
		"forbidden":   "403 9403 call plugin p function forbidden: policy",
		"too_large":   "413 9413 call plugin p function too_large: does not fit",
		"rejected":    "422 9422 no <such> \"thing\"\nat\x00all \ufffd",
		"trap":        "500 9501 call plugin p function trap: unreachable",
		"timeout":     "504 9504 call plugin p function timeout: after 5s",
		"unavailable": "503 9503 call plugin p function unavailable: every instance is busy",
		"canceled":    "503 9499 call plugin p function canceled: context canceled",
	}
	r := serve(t, nil, nil)
	var names []string
	for _, code := range host.Codes() {
		names = append(names, code.String())
	}
	r.install("p", names...)
	r.install("q", "foreign", "panics")
	numbers := map[int]host.Code{}
	for _, code := range host.Codes() {
		if int(code) >= len(codeAnswers) || codeAnswers[code].status == 0 {
			t.Errorf("%v has no status", code)
			continue
		}
		if number := codeAnswers[code].number; number >= 9000 {
			if other, taken := numbers[number]; taken {
				t.Errorf("%v and %v have one number", code, other)
			}
			numbers[number] = code
		}
		g := r.do("POST", "/invoke/"+code.String(), "x")
		r.checkError(code.String(), g)
		var body struct {
			Error   int
			Message string
		}
		if err := json.Unmarshal([]byte(g.body), &body); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprintf("%d %d %s", g.status, body.Error, body.Message); got != want[code.String()] {
			t.Errorf("%v: got %q, want %q", code, got, want[code.String()])
		}
	}
	for _, function := range []string{"foreign", "panics"} {
		g := r.do("POST", "/invoke/"+function, "x")
		r.checkError(function, g)
		if g.status != 500 || !strings.Contains(g.body, internalMessage) {
			t.Errorf("%s: %v", function, g)
		}
	}
	log := r.log.String()
	for _, part := range []string{"secret detail", "multiple Read calls", "engine bug", "stack="} {
		if !strings.Contains(log, part) {
			t.Errorf("the log lacks %q:\n%s", part, log)
		}
	}
	if answerOf(host.Code(200)) != codeAnswers[host.CodeInternal] {
		t.Error("an unknown code is not internal")
	}
}

// TestPanicReleases checks that a plugin whose engine panicked can be dropped,
// and that the connection lives on.
func TestPanicReleases(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "panics", "echo")
	r.play([]step{
		{"POST", "/invoke/panics", "", 500, "~9500"},
		{"POST", "/invoke/echo", "a", 200, "a"},
		{"POST", "/invoke/panics/batch", "1\n", 200, "~^{\"error\":\"internal.*\",\"code\":\"internal\"}\n$"},
		{"DELETE", "/plugins/functions/p", "", 200, "functions plugin p is deleted."},
	})
	if strings.Contains(r.log.String(), "drain time") {
		t.Error("a call was never released")
	}
}

// failingParts is a host whose operations fail in part, for a reason of its own.
type failingParts struct {
	Host
	err error
}

func (f failingParts) Import(context.Context, []host.Request, bool) map[host.Ref]error {
	return map[host.Ref]error{{Kind: host.Functions, Name: "p"}: host.Fail(host.CodeInternal, "%w", f.err)}
}

func (f failingParts) Reload(context.Context) (host.Reloaded, error) {
	return host.Reloaded{Failed: map[string]error{"functions/p": f.err}}, nil
}

func (f failingParts) Restore(context.Context, io.Reader, host.Bytes) (host.Restored, error) {
	return host.Restored{Failed: map[host.Ref]error{{Kind: host.Functions, Name: "p"}: f.err}}, nil
}

// TestInternalParts: what is internal is for the log also where only a part of an
// operation failed.
func TestInternalParts(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.Host = failingParts{c.Host, errors.New("secret detail")} })
	for what, g := range map[string]got{
		"import":  r.do("POST", "/data/import", `{"content":"{}"}`),
		"reload":  r.do("POST", "/plugins/reload", ""),
		"restore": r.post("/data/restore", "application/zip", "x"),
	} {
		if !strings.Contains(g.body, "internal error of the host") || strings.Contains(g.body, "secret") {
			t.Errorf("%s: %v", what, g)
		}
	}
	if n := strings.Count(r.log.String(), "secret detail"); n != 3 {
		t.Errorf("the log has the detail %d times", n)
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "plain", "<a href=\"x\">&\\", "\x00\x01\x1f\x7f\n\r\t", "é漢😀", "\xff", "a\xe6\xbc", "\xed\xa0\x80x", "\u2028", "\ufffd"} {
		for _, encoded := range []string{string(appendString(nil, s)), string(appendString([]byte{}, []byte(s)))} {
			var back string
			if err := json.Unmarshal([]byte(encoded), &back); err != nil {
				t.Errorf("%q: %v", s, err)
			}
			wantBack, _ := json.Marshal(s)
			var want string
			if err := json.Unmarshal(wantBack, &want); err != nil || back != want {
				t.Errorf("%q: got %q, want %q", s, back, want)
			}
		}
	}
	if long := clip(strings.Repeat("é", maxMessage)); len(long) > maxMessage+len("…") || !utf8.ValidString(long) {
		t.Errorf("clipped to %d bytes", len(long))
	}
}
