package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestIsolationOverHTTP: what one caller leaves behind for the next, by ABI and
// mode: in memory, and in Extism's variables.
func TestIsolationOverHTTP(t *testing.T) {
	s, _ := serveWith(t, t.TempDir(), "--instances", "1")
	const secret, other = "password", "anything"
	zeros := strings.Repeat("\x00", 8)
	for _, c := range []struct{ guest, function, abi, mode, is, next string }{
		{"agent", "swap", "extism", "keep", "keep", secret},
		{"agent", "swap", "extism", "fresh", "fresh", ""},
		{"agent", "swap", "extism", "instance", "instance", ""},
		{"agent", "swap_var", "extism", "keep", "keep", secret},
		{"agent", "swap_var", "extism", "fresh", "fresh", ""},
		{"agent", "swap_var", "extism", "instance", "instance", ""},
		{"swap_wapc", "swap", "wapc", "keep", "keep", secret},
		{"swap_wapc", "swap", "wapc", "fresh", "fresh", zeros},
		{"swap_wapc", "swap", "wapc", "instance", "instance", zeros},
		{"swap_command", "swap", "command", "keep", "instance", zeros},
		{"swap_command", "swap", "command", "fresh", "instance", zeros},
		{"swap_command", "swap", "command", "instance", "instance", zeros},
	} {
		t.Run(c.guest+"/"+c.function+"/"+c.mode, func(t *testing.T) {
			s := served{t, s.base}
			s.install("p", map[string]string{"p.wasm": guest(t, c.guest), "p.json": fmt.Sprintf(`{"functions":[%q],"wasm":{"isolation":%q}}`, c.function, c.mode)})
			defer s.drop("p")
			first := c.next
			if c.is == "keep" {
				first = strings.Repeat("\x00", 8)
				if c.abi == "extism" {
					first = ""
				}
			}
			s.wants(c.function, secret, first)
			s.wants(c.function, other, c.next)
			if c.is != "keep" {
				s.wants(c.function, secret, c.next)
			}
			if _, status := s.do("GET", "/plugins/functions/p/status", ""); !strings.Contains(status, fmt.Sprintf(`"isolation":%q`, c.is)) || !strings.Contains(status, c.abi+" ABI") {
				t.Errorf("the status is %s", status)
			}
		})
	}
}

// probe asks the guest of that name, which answers each line of its input with
// one line.
func (s served) probe(requests ...string) []string {
	s.t.Helper()
	status, got := s.do("POST", "/invoke/probe", strings.Join(requests, "\n")+"\n")
	answers := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if status != http.StatusOK || len(answers) != len(requests) {
		s.t.Fatalf("%q: %d %q", requests, status, got)
	}
	return answers
}

// differs tells whether the guest's answers to one request, in two calls, are not
// the same.
func (s served) differs(request string) bool {
	first := s.probe(request)
	return first[0] != s.probe(request)[0]
}

// TestCapabilities: what a command sees of the machine is what its manifest asks
// for and the policy allows, and the status says which is which.
func TestCapabilities(t *testing.T) {
	t.Setenv("BERTH_TEST_SECRET", "of the host")
	shared := t.TempDir()
	manifest := fmt.Sprintf(`{"wasm":{"args":["-v"]},"capabilities":{"env":{"TZ":"UTC","KEY":"k"},"clock":true,"random":true,"paths":{"db":"/db","%s":"/shared"}}}`, shared)
	files := map[string]string{"probe.wasm": guest(t, "probe"), "probe.json": manifest}
	ask := []string{"args", "env TZ", "env BERTH_TEST_SECRET", "write /db/x 1", "read /db/x", "write /shared/x 1"}
	for name, c := range map[string]struct {
		flags  []string
		want   string
		random bool // and the clock
		denied []string
	}{
		"default": {nil, "ok [probe] [-v]|ok UTC|unset|ok|ok 1|-", true, []string{"paths " + shared + ": it does not lie below"}},
		"all":     {[]string{"--policy-paths", shared}, "ok [probe] [-v]|ok UTC|unset|ok|ok 1|ok", true, nil},
		"reading": {[]string{"--policy-paths", shared + ":ro"}, "ok [probe] [-v]|ok UTC|unset|ok|ok 1|-", true, []string{"paths " + shared + ": granted for reading only"}},
		"nothing": {[]string{"--policy-env=false", "--policy-clock=false", "--policy-random=false"}, "ok [probe] [-v]|unset|unset|ok|ok 1|-", false,
			[]string{"paths " + shared, "env KEY, TZ: the policy does not allow it", "clock clock: ", "random random: "}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := serveWith(t, t.TempDir(), c.flags...)
			s.install("probe", files)
			got := s.probe(ask...)
			for i, answer := range got {
				if !strings.HasPrefix(answer, "ok") && answer != "unset" {
					got[i] = "-"
				}
			}
			if got := strings.Join(got, "|"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if differ := s.differs("random"); differ != c.random {
				t.Errorf("numbers are random: %v", differ)
			}
			if differ := s.differs("clock"); differ != c.random {
				t.Errorf("the clock goes on: %v", differ)
			}
			status := s.capabilities("probe")
			if len(status.Denied) != len(c.denied) {
				t.Errorf("denied are %s", status.denied())
			}
			for _, text := range c.denied {
				if !strings.Contains(status.denied(), text) {
					t.Errorf("denied are %s, and not %s", status.denied(), text)
				}
			}
			if status.Asked["clock"] != true || status.Asked["random"] != true || (status.Granted["clock"] == true) != c.random || (status.Granted["random"] == true) != c.random {
				t.Errorf("%s", status.text())
			}
			if text := status.text(); strings.Contains(text, "UTC") {
				t.Errorf("values are shown, which may be secret: %s", text)
			}
		})
	}
}

// TestPolicyOfTheHostThatRuns: a plugin that was installed under one policy has
// what the next one allows.
func TestPolicyOfTheHostThatRuns(t *testing.T) {
	data := t.TempDir()
	s, stop := serveWith(t, data)
	s.install("probe", map[string]string{"probe.wasm": guest(t, "probe"), "probe.json": `{"capabilities":{"env":{"TZ":"UTC"},"random":true}}`})
	if got := s.probe("env TZ")[0]; got != "ok UTC" {
		t.Error(got)
	}
	stop()
	s, stop = serveWith(t, data, "--policy-env=false", "--policy-random=false")
	if got := s.probe("env TZ")[0]; got != "unset" || s.differs("random") {
		t.Errorf("%s, and perhaps random", got)
	}
	stop()
	s, _ = serveWith(t, data)
	if got := s.probe("env TZ")[0]; got != "ok UTC" {
		t.Error(got)
	}
}

// TestOwnFolder: a plugin's folder stays over updates, restarts and a failed
// update, holds nothing of another's, and goes when the plugin is dropped.
func TestOwnFolder(t *testing.T) {
	data := t.TempDir()
	s, stop := serveWith(t, data)
	files := func(paths string) map[string]string {
		return map[string]string{"probe.wasm": guest(t, "probe"), "probe.json": `{"capabilities":{"paths":` + paths + `}}`}
	}
	s.install("probe", files(`{".":"/db"}`))
	if got := s.probe("write /db/x kept", "mkdir /db/sub", "write /db/sub/y deep"); !slices.Equal(got, []string{"ok", "ok", "ok"}) {
		t.Errorf("%q", got)
	}
	s.update("probe", files(`{".":"/db:ro"}`))
	if got := s.probe("read /db/x", "write /db/x lost", "remove /db/x", "read /db/x"); got[0] != "ok kept" || got[1] == "ok" || got[2] == "ok" || got[3] != "ok kept" {
		t.Errorf("read-only: %q", got)
	}
	s.update("probe", files(`{"sub":"/deep"}`))
	if got := s.probe("read /deep/y", "read /deep/../x", "read /db/x", "symlink ../x /deep/l", "read /deep/l"); got[0] != "ok deep" || strings.HasPrefix(got[1]+got[2]+got[4], "ok") || strings.Contains(strings.Join(got, ""), "kept") {
		t.Errorf("a folder below: %q", got)
	}
	bad := files(`{".":"/db"}`)
	bad["probe.wasm"] = guest(t, "invalid")
	if status, message := s.send("PUT", "/probe", "probe", bad); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, message)
	}
	stop()
	s, _ = serveWith(t, data)
	s.update("probe", files(`{".":"/db"}`))
	if got := s.probe("read /db/x", "read /db/sub/y"); !slices.Equal(got, []string{"ok kept", "ok deep"}) {
		t.Errorf("after an update that failed and a restart: %q", got)
	}
	s.drop("probe")
	if left, err := filepath.Glob(filepath.Join(data, "state", "functions", "*")); err != nil || len(left) > 0 {
		t.Errorf("after drop there are %q, %v", left, err)
	}
	s.install("probe", files(`{".":"/db"}`))
	if got := s.probe("list /db"); got[0] != "ok" {
		t.Errorf("installed anew it finds %q", got)
	}
}
