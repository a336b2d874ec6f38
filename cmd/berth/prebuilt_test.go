package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestPrebuilt asks a host what its plugin hosts have, by HTTP and by command.
func TestPrebuilt(t *testing.T) {
	plugins := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/kuiper-plugins/2.3.1/alpine/functions/index.json" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"plugins":[{"name":"zip","file":"z.zip"},{"name":"echo","file":"/e.zip"},{"name":"not a name"}]}`)
	}))
	t.Cleanup(plugins.Close)
	s, _ := serveWith(t, t.TempDir(), "--plugin-hosts", plugins.URL, "--plugin-version=2.3.1", "--plugin-system=alpine")
	want := `{"echo":"` + plugins.URL + `/e.zip","zip":"` + plugins.URL + `/kuiper-plugins/2.3.1/alpine/functions/z.zip"}`
	if status, got := s.do("GET", "/plugins/functions/prebuild", ""); status != http.StatusOK || got != want {
		t.Errorf("%d %s, want %s", status, got, want)
	}
	code, stdout, stderr := berth(t, nil, "plugin", "prebuilt", "functions", "--host", s.base)
	shown := "echo:  " + plugins.URL + "/e.zip\nzip:   " + plugins.URL + "/kuiper-plugins/2.3.1/alpine/functions/z.zip\n"
	if code != 0 || stdout != shown {
		t.Errorf("exit %d, %s%s, want %s", code, stdout, stderr, shown)
	}
	code, stdout, _ = berth(t, nil, "plugin", "prebuilt", "sinks", "--json", "--host", s.base) // eKuiper's list
	if code != 0 || !strings.Contains(stdout, `"zmq": "`+plugins.URL+`/kuiper-plugins/2.3.1/alpine/sinks/zmq_`) {
		t.Errorf("exit %d, %s", code, stdout)
	}
	code, _, stderr = berth(t, nil, "plugin", "prebuilt", "portables", "--host", s.base)
	if code != int(exitUsage) || !strings.Contains(stderr, `"portables" is not one of functions, sinks, sources`) {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// TestPrebuiltNone has a host without plugin hosts.
func TestPrebuiltNone(t *testing.T) {
	s, _ := serveWith(t, t.TempDir(), "--plugin-hosts=")
	code, _, stderr := berth(t, nil, "plugin", "prebuilt", "functions", "--host", s.base)
	if code != int(exitRefused) || !strings.Contains(stderr, "invalid configuration for plugin host in berth.yaml: set plugin-hosts") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// TestPrebuiltForbidden: a plugin host that packages may not come from is not asked.
func TestPrebuiltForbidden(t *testing.T) {
	plugins := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	t.Cleanup(plugins.Close)
	s, _ := serveWith(t, t.TempDir(), "--plugin-hosts", plugins.URL, "--download-hosts=*.example.com")
	if status, got := s.do("GET", "/plugins/functions/prebuild", ""); status != http.StatusOK || got != "{}" {
		t.Errorf("%d %s", status, got)
	}
}
