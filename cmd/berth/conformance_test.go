package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"berth/native/goplugin"
)

// owedSteps are the recorded steps that this version does not answer as it
// should, and why. One that holds must be taken off the list.
func owedSteps() map[string]string {
	const notStarted = "the program of a portable plugin is not started yet, so its status is not \"running\""
	return map[string]string{
		"portable-life[3]": notStarted,
		"portable-life[6]": notStarted,
	}
}

// TestConformance replays requests whose answers eKuiper gave against a fresh
// host, with a native and a portable plugin. The requests are not part of this
// repository; where they are not at hand there is nothing to replay.
func TestConformance(t *testing.T) {
	shared := filepath.Join("..", "..", "..", "shared", "conformance")
	if _, err := os.Stat(filepath.Join(shared, "replay.py")); err != nil {
		t.Skip("the recorded requests are not here")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("the recorded requests are not replayed: there is no python3")
	}
	native, portable := buildEcho(t), buildMirror(t)
	host, _ := serveWith(t, t.TempDir())
	replay := exec.CommandContext(t.Context(), python, filepath.Join(shared, "replay.py"), "--base", host.base,
		"--native-function", native, "--portable-dir", portable, "-v")
	out, err := replay.CombinedOutput() // it ends with 1 when a step fails
	results := replayed(string(out))
	if len(results) == 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	owed := owedSteps()
	for _, s := range recorded(t, filepath.Join(shared, "scenarios.json")) {
		t.Run(s.Name, func(t *testing.T) {
			good := 0
			for i := range s.Steps {
				step := fmt.Sprintf("%s[%d]", s.Name, i)
				reason, isOwed := owed[step]
				delete(owed, step)
				switch result := results[step]; {
				case result == nil:
					t.Errorf("%s was not played", step)
				case result.good && isOwed:
					t.Errorf("%s holds: take it off the list", step)
				case result.good:
					good++
				case isOwed:
					t.Logf("owed: %s: %s", step, reason)
				default:
					t.Error(result.text)
				}
			}
			t.Logf("%d of %d steps hold", good, len(s.Steps))
		})
	}
	for step := range owed {
		t.Errorf("%s is owed, and there is no such step", step)
	}
}

// scenario is one of scenarios.json.
type scenario struct {
	Name  string            `json:"name"`
	Steps []json.RawMessage `json:"steps"`
}

func recorded(t *testing.T, file string) []scenario {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct{ Scenarios []scenario }
	if err := json.Unmarshal(data, &recorded); err != nil || len(recorded.Scenarios) == 0 {
		t.Fatalf("%s: %d scenarios, %v", file, len(recorded.Scenarios), err)
	}
	return recorded.Scenarios
}

// playedStep is what replay.py said of a step.
type playedStep struct {
	good bool
	text string
}

// replayed reads the output of replay.py -v: a line for each step, and indented
// ones with what was wanted and what came.
func replayed(out string) map[string]*playedStep {
	head := regexp.MustCompile(`^(ok  |FAIL) (\S+\[\d+\]) `)
	steps := map[string]*playedStep{}
	var last *playedStep
	for line := range strings.Lines(out) {
		if m := head.FindStringSubmatch(line); m != nil {
			last = &playedStep{good: m[1] == "ok  "}
			steps[m[2]] = last
		}
		if last != nil {
			last.text += line
		}
	}
	return steps
}

// buildEcho builds the native plugin of the recorded requests: a Go plugin, or
// where the host cannot load any, a library.
func buildEcho(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "echo.so")
	source := filepath.Join("testdata", "conformance", "echo")
	if own, err := goplugin.HostBuild(); err != nil || own.Settings["CGO_ENABLED"] != "1" || own.Settings["GOOS"] != "linux" {
		build(t, "cc", "-shared", "-fPIC", "-o", file, source+".c")
		return file
	}
	if code, out, said := command(t, "", "build-plugin", source, "-o", file); exitCode(code) != exitOK {
		t.Fatalf("%d: %s%s", code, out, said)
	}
	return file
}

// buildMirror unpacks the portable plugin of the recorded requests, with its
// program built, as one would zip it.
func buildMirror(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	source := filepath.Join("testdata", "conformance", "mirror")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(source, "package"))); err != nil {
		t.Fatal(err)
	}
	build(t, "go", "build", "-o", filepath.Join(dir, "mirror"), "./"+source)
	return dir
}

func build(t *testing.T, command string, args ...string) {
	t.Helper()
	if out, err := exec.Command(command, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", command, strings.Join(args, " "), err, out)
	}
}
