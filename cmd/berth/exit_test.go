package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestExitTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, help, _ := berth(t, nil, "help", "exit-codes")
	for code, text := range exitTexts {
		line := fmt.Sprintf("%d  %s\n", code, text)
		if text == "" || !strings.Contains(string(doc), "//\t"+line) || !strings.Contains(help, "  "+line) {
			t.Errorf("doc.go or the help lacks %q", line)
		}
	}
}

func TestExitOf(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want exitCode
	}{
		{nil, exitOK},
		{errors.New("x"), exitFailure},
		{fmt.Errorf("x: %w", fail(exitTrap, "y")), exitTrap},
		{errors.Join(fail(exitNotFound, "a"), fail(exitTrap, "b")), exitNotFound},
		{context.DeadlineExceeded, exitTimeout},
	} {
		if got := exitOf(tt.err); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.want)
		}
	}
}

// TestExitOfAnswers holds each status of the house to its exit code, and what is printed to the answer's message.
func TestExitOfAnswers(t *testing.T) {
	for _, tt := range []struct {
		status, number int
		want           exitCode
	}{
		{400, 1000, exitRefused}, {401, 9401, exitRefused}, {403, 9403, exitRefused}, {404, 1002, exitNotFound}, {405, 0, exitRefused},
		{409, 1000, exitRefused}, {413, 9413, exitRefused}, {422, 9422, exitRejected}, {500, 9500, exitFailure}, {500, 9501, exitTrap},
		{502, 0, exitFailure}, {503, 9503, exitUnavailable}, {504, 9504, exitTimeout}, {302, 0, exitFailure},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			if tt.number != 0 {
				fmt.Fprintf(w, `{"error":%d,"message":"no: \u001b[31m%d"}`, tt.number, tt.status)
			}
		}))
		code, _, stderr := berth(t, []string{"BERTH_HOST=" + server.URL}, "invoke", "--raw", "f", "x")
		if code != int(tt.want) || strings.Contains(stderr, "\x1b") || !strings.Contains(stderr, fmt.Sprint(tt.status)) {
			t.Errorf("%d: exit %d, want %d: %s", tt.status, code, tt.want, stderr)
		}
		_, _, stderr = berth(t, nil, "plugin", "describe", "p", "--json", "--host", server.URL)
		if !strings.Contains(stderr, fmt.Sprintf("%q: %d", "status", tt.status)) || !strings.Contains(stderr, fmt.Sprintf("%q: %d", "exit", tt.want)) {
			t.Errorf("%d as JSON: %s", tt.status, stderr)
		}
		server.Close()
	}
}

func TestUnreachable(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for _, tt := range []struct {
		name string
		args []string
		want exitCode
	}{
		{"silent", []string{"--timeout", "20ms", "--host", silent.Addr().String()}, exitTimeout},
		{"gone", []string{"--host", "http://" + gone.Addr().String()}, exitUnavailable},
		{"no socket", []string{"--host", "unix:///does/not/exist"}, exitUnavailable},
		{"relative socket", []string{"--host", "unix://x"}, exitUsage},
		{"no host", []string{"--host", "ftp://x"}, exitUsage},
		{"a query", []string{"--host", "http://x?y"}, exitUsage},
		{"bad timeout", []string{"--timeout", "soon"}, exitUsage},
	} {
		code, _, stderr := berth(t, nil, append([]string{"plugin", "list"}, tt.args...)...)
		if code != int(tt.want) || stderr == "" {
			t.Errorf("%s: exit %d, want %d: %s", tt.name, code, tt.want, stderr)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var out strings.Builder
	if code := run(ctx, []string{"plugin", "list", "--host", silent.Addr().String()}, nil, nil, &out, &out); code == 0 {
		t.Error("a cancelled command succeeded")
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"frobnicate"}, {"plugin", "frobnicate"}, {"plugin", "describe"}, {"plugin", "list", "x"}, {"invoke"}, {"pack"},
		{"--nope"}, {"serve", "x"}, {"version", "x"}, {"plugin", "register", "x"}, {"plugin", "create", "x"},
	} {
		if code, stdout, stderr := berth(t, nil, args...); code != int(exitUsage) || stdout != "" || !strings.Contains(stderr, "--help") {
			t.Errorf("%v: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
	for _, args := range [][]string{{}, {"help"}, {"plugin"}, {"help", "invoke"}, {"exit-codes"}, {"version"}, {"completion", "bash"}} {
		if code, stdout, stderr := berth(t, nil, args...); code != 0 || stdout == "" || stderr != "" {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
	}
}

func TestNamesAreNoPaths(t *testing.T) {
	for _, args := range [][]string{{"plugin", "drop", ".."}, {"plugin", "describe", "a/b"}, {"invoke", "x?y"}, {"plugin", "status", ""}} {
		if code, _, stderr := berth(t, []string{"BERTH_HOST=127.0.0.1:1"}, args...); code != int(exitRefused) {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
}

func TestJSONArguments(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, `[]`},
		{[]string{"1", " -2.5 ", "one", `"1"`, `{"a": [1]}`, "", "null", "NaN", "a\"b", "01"}, `[1,-2.5,"one","1",{"a": [1]},"",null,"NaN","a\"b","01"]`},
	} {
		if got := string(jsonArguments(tt.args)); got != tt.want {
			t.Errorf("%q: %s", tt.args, got)
		}
	}
}

func TestShieldNumbers(t *testing.T) {
	args := []string{"invoke", "add", "-1", "--timeout", "-5", "--", "-2e3", "-x", "-"}
	shielded := shieldNumbers(args)
	if got := strings.Join(shielded, " "); got != "invoke add \x00-1 --timeout -5 -- \x00-2e3 -x -" {
		t.Errorf("%q", got)
	}
	if got := strings.Join(unshield(shielded), " "); got != strings.Join(args, " ") {
		t.Errorf("%q", got)
	}
	if got := shieldNumbers([]string{"plugin", "-1"}); got[1] != "-1" {
		t.Errorf("%q", got)
	}
}

func TestShow(t *testing.T) {
	var out strings.Builder
	a := &app{out: &out}
	err := a.show([]byte(`{"name":"x\u001b[2J","z":null,"functions":["a","b"],"empty":[],"o":{},"none":"","warnings":["x is\ty","z"],"figures":[{"calls":1}],"module":{"form":"wasm","busy":0}}`))
	const want = "name:       x [2J\nz:          -\nfunctions:  a, b\nempty:      -\no:          -\nnone:       -\nwarnings:   \n  -         x is y\n  -         z\nfigures:    \n  -         \n    calls:  1\nmodule:     \n  form:     wasm\n  busy:     0\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := a.show([]byte(`[1]`)); err == nil {
		t.Error("a list was shown as an object")
	}
}
