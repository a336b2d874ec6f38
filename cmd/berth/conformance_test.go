package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestConformance replays requests whose answers eKuiper gave against a fresh
// host: those that need neither native nor portable plugins, for functions.
// The requests are not part of this repository; where they are not at hand
// there is nothing to replay.
func TestConformance(t *testing.T) {
	replay := filepath.Join("..", "..", "..", "shared", "conformance", "replay.py")
	if _, err := os.Stat(replay); err != nil {
		t.Skip("the recorded requests are not here")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("the recorded requests are not replayed: there is no python3")
	}
	for _, only := range []string{"functions", "udf", "register", "root"} {
		t.Run(only, func(t *testing.T) {
			s, _ := serveWith(t, t.TempDir())
			out, err := exec.Command(python, replay, "--base", s.base, "--only", only).CombinedOutput()
			if err != nil || strings.HasPrefix(string(out), "0 passed") {
				t.Errorf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}
