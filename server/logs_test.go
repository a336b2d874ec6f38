package server

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"berth/host"
)

func TestLogs(t *testing.T) {
	r := serve(t, nil, nil)
	var log host.PluginLog
	r.engine.load = func(p *host.Package) error {
		log = p.Log
		return nil
	}
	r.install("p", "echo")
	if g := r.do("GET", "/plugins/functions/p/logs", ""); g.status != 200 || g.body != "" || g.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("of a plugin that is silent: %v, %v", g, g.header)
	}
	log.Line(slog.LevelInfo, "first")
	log.Line(slog.LevelError, "second\nthird")
	want := regexp.MustCompile(`^\S+Z INFO first\n\S+Z ERROR second\n\S+Z ERROR third\n$`)
	if g := r.do("GET", "/plugins/functions/p/logs", ""); !want.MatchString(g.body) {
		t.Errorf("%q", g.body)
	}
	if g := r.do("HEAD", "/plugins/functions/p/logs", ""); g.status != 200 || g.body != "" {
		t.Errorf("HEAD: %v", g)
	}
	for path, status := range map[string]int{"/plugins/functions/nope/logs": 404, "/plugins/functions/a.b/logs": 400} {
		g := r.do("GET", path, "")
		if g.status != status || !strings.Contains(g.body, `"error":`) {
			t.Errorf("%s: %v", path, g)
		}
	}
	if g := r.do("POST", "/plugins/functions/p/logs", ""); g.status != 405 {
		t.Errorf("POST: %v", g)
	}
}

// TestStatusOfCapabilities: the status tells what is asked for, granted and
// denied, and nothing of what may be secret.
func TestStatusOfCapabilities(t *testing.T) {
	r := serve(t, nil, nil)
	uri := r.zip("p.zip", map[string]string{"p.wasm": "echo", "p.json": `{"capabilities":{"hosts":["api.example.com"],"paths":{"db":"/db:ro"},
		"env":{"TOKEN":"hunter2"},"config":{"key":"hunter3"},"random":true}}`})
	if _, err := r.host.Install(t.Context(), host.Request{Name: "p", File: uri}); err != nil {
		t.Fatal(err)
	}
	body := r.do("GET", "/plugins/functions/p/status", "").body
	for _, part := range []string{
		`"asked":{"hosts":["api.example.com"],"paths":{"db":"/db:ro"},"env":["TOKEN"],"config":["key"],"random":true}`,
		`"granted":{"paths":[{"host":"`, `/state/functions/p/db","guest":"/db","readOnly":true}],"env":["TOKEN"],"config":["key"],"random":true}`,
		`"denied":[{"capability":"hosts","asked":"api.example.com","reason":"the policy allows no hosts"}]`,
		`"fuel":77`, `"interruption":"metered"`, `"isolation":"fresh"`, `"notes":["a note"]`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in: %s", part, body)
		}
	}
	if strings.Contains(body, "hunter") {
		t.Errorf("it gives secrets away: %s", body)
	}
	r.install("q", "twin")
	if body := r.do("GET", "/plugins/functions/q/status", "").body; strings.Contains(body, "capabilities") {
		t.Errorf("a plugin that asks for nothing: %s", body)
	}
}
