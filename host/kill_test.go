package host_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"berth/host"
	"berth/sandbox"
)

const (
	killPlugins  = 5
	killVersions = 4
)

// killState is what is known of a plugin: the version (1...), 0 if it is not
// installed, and whether its second function is registered.
type killState struct {
	Version int
	Extra   bool
}

// killEvent is what the child reports before and after each operation.
type killEvent struct {
	Done   bool
	Plugin int
	Then   killState // what the operation makes of it
	Err    string
}

func killName(plugin int) string { return "p" + strconv.Itoa(plugin) }

func killZip(dir string, plugin, version int) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%d.zip", killName(plugin), version))
}

func killFunctions(plugin int, extra bool) []string {
	functions := []string{"f" + killName(plugin)}
	if extra {
		functions = append(functions, "g"+killName(plugin))
	}
	return functions
}

func killRig(dir string) *rig {
	return &rig{dir: dir, log: &safeBuffer{}, config: host.Config{Engines: []host.Engine{sandbox.New()}}}
}

// runKillChild opens the data folder args[0]/data and changes it at random
// until it is killed. It tells of each operation on standard output.
func runKillChild(args []string) int {
	dir := args[0]
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return 2
	}
	random := rand.New(rand.NewPCG(seed, 1))
	r := killRig(filepath.Join(dir, "data"))
	report := json.NewEncoder(os.Stdout)
	if err := r.tryStart(); err != nil {
		_ = report.Encode(killEvent{Done: true, Err: "start: " + err.Error()})
		return 1
	}
	for {
		event, operation := killStep(r, dir, random)
		if report.Encode(event) != nil {
			return 1
		}
		if err := operation(); err != nil {
			event.Err = err.Error()
		}
		event.Done = true
		if report.Encode(event) != nil {
			return 1
		}
	}
}

// killStep chooses an operation.
func killStep(r *rig, dir string, random *rand.Rand) (killEvent, func() error) {
	ctx := context.Background()
	plugin := random.IntN(killPlugins)
	name := killName(plugin)
	record, err := r.Describe(host.Functions, name)
	event := killEvent{Plugin: plugin, Then: killState{Version: 1 + random.IntN(killVersions)}}
	request := host.Request{Name: name, File: "file://" + killZip(dir, plugin, event.Then.Version), Functions: killFunctions(plugin, false)}
	if err != nil {
		return event, func() error { _, err := r.Install(ctx, request); return err }
	}
	switch random.IntN(4) {
	case 0:
		event.Then = killState{}
		return event, func() error { return r.Drop(ctx, host.Functions, name) }
	case 1:
		version, _ := strconv.Atoi(record.Version)
		event.Then = killState{version, len(record.Functions) == 1}
		return event, func() error {
			return r.Register(ctx, host.Functions, name, killFunctions(plugin, event.Then.Extra))
		}
	}
	return event, func() error { _, err := r.Update(ctx, request); return err }
}

// killRound lets a child work and kills it. It returns what may be now: each
// plugin's states, the last of which is certain if there is only one.
func killRound(t *testing.T, dir string, known [killPlugins]killState, random *rand.Rand) (may [killPlugins][]killState, events int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir, strconv.FormatUint(random.Uint64(), 10))
	cmd.Env = append(os.Environ(), jobVariable+"=kill")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	// Either some time after the start, or some time after an event.
	kill := func() { _ = cmd.Process.Kill() }
	wait, after := time.Duration(random.IntN(8000))*time.Microsecond, 1+random.IntN(30)
	if random.IntN(4) == 0 {
		wait, after = time.Duration(random.IntN(200_000))*time.Microsecond, 0
		time.AfterFunc(wait, kill)
	}
	for i, state := range known {
		may[i] = []killState{state}
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // the pipe's end; a line that was cut short tells nothing
		}
		var event killEvent
		if err := json.Unmarshal(line, &event); err != nil || event.Err != "" {
			t.Errorf("the child: %s%v", line, err)
			kill()
			continue
		}
		if event.Done {
			may[event.Plugin] = []killState{event.Then}
		} else {
			may[event.Plugin] = append(may[event.Plugin], event.Then)
		}
		if events++; events == after {
			time.AfterFunc(wait, kill)
		}
	}
	_, _ = io.Copy(io.Discard, lines)
	_ = cmd.Wait()
	if stderr.Len() > 0 {
		t.Errorf("the child wrote: %s", stderr.String())
	}
	return may, events
}

// killCheck opens the folder and checks that everything is there, whole.
func killCheck(t *testing.T, dir string, may [killPlugins][]killState) (known [killPlugins]killState) {
	t.Helper()
	r := killRig(filepath.Join(dir, "data"))
	r.t = t
	if err := r.tryStart(); err != nil {
		t.Fatalf("it does not open: %v", err)
	}
	defer r.stop()
	var names, functions []string
	for plugin := range killPlugins {
		record, err := r.Describe(host.Functions, killName(plugin))
		var state killState
		if err == nil {
			version, _ := strconv.Atoi(record.Version)
			state = killState{version, len(record.Functions) == 2}
			names, functions = append(names, record.Name), append(functions, record.Functions...)
			if !slices.Equal(record.Functions, killFunctions(plugin, state.Extra)) {
				t.Errorf("%s has the functions %v", record.Name, record.Functions)
			}
		} else if host.CodeOf(err) != host.CodeNotFound {
			t.Error(err)
		}
		if !slices.Contains(may[plugin], state) {
			t.Errorf("%s is in the state %+v, it may be in %+v", killName(plugin), state, may[plugin])
		}
		for i, function := range killFunctions(plugin, true) {
			if state.Version == 0 || i == 1 && !state.Extra {
				r.fails(function, "", host.CodeNotFound)
			} else {
				r.answers(function, "", strconv.Itoa(100*plugin+state.Version))
			}
		}
		known[plugin] = state
	}
	slices.Sort(functions)
	if got := r.List(host.Functions); !slices.Equal(got, names) {
		t.Errorf("listed are %v, described %v", got, names)
	}
	if got := r.FunctionNames(); !slices.Equal(got, functions) {
		t.Errorf("the index has %v, the records %v", got, functions)
	}
	if records, err := r.store.Load(); err != nil || len(records) != len(names) {
		t.Errorf("the store has %d records, %v, the index %d", len(records), err, len(names))
	}
	r.clean()
	return known
}

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// TestKill kills a host at any instant, again and again, on one data folder:
// what was finished holds, what was under way is there as before or as after,
// whole, and nothing else is on disk. BERTH_KILL_ROUNDS and BERTH_KILL_SEED
// make it longer, and the same again as far as the kernel allows.
func TestKill(t *testing.T) {
	rounds, seed := number(t, "BERTH_KILL_ROUNDS", 100), number(t, "BERTH_KILL_SEED", rand.Uint64())
	t.Logf("BERTH_KILL_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for plugin := range killPlugins {
		for version := 1; version <= killVersions; version++ {
			data := zipOf(t, files{
				killName(plugin) + ".wasm": constant(int32(100*plugin+version), killFunctions(plugin, true)...),
				killName(plugin) + ".json": fmt.Sprintf(`{"version":"%d"}`, version),
			})
			if err := os.WriteFile(killZip(dir, plugin, version), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	var known [killPlugins]killState
	events := 0
	for round := range rounds {
		if random.IntN(10) == 0 { // the store is lost: the child builds it anew
			_ = os.Remove(filepath.Join(dir, "data", "berth.db"))
		}
		may, n := killRound(t, dir, known, random)
		events += n
		known = killCheck(t, dir, may)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%d rounds, %d events", rounds, events)
	if uint64(events) < rounds {
		t.Errorf("%d events in %d rounds: the children hardly did anything", events, rounds)
	}
}
