package host_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

// killState is what is known of a subject: the version (1...), 0 if it is not
// there, whether its second function is registered, what its script was called
// with, and what is in its own folder.
type killState struct {
	Version int
	Extra   bool
	Paras   string
	Note    int
}

// state tells in which state a subject is. It is whole: every file is that of one
// version.
func (s killSubject) state(r *rig, object string) (killState, error) {
	if s.upload {
		data, err := os.ReadFile(filepath.Join(r.dir, "uploads", s.name()))
		if os.IsNotExist(err) {
			return killState{}, nil
		}
		for version := 1; version <= killVersions; version++ {
			if string(data) == s.content(version) {
				return killState{Version: version}, err
			}
		}
		return killState{}, fmt.Errorf("%v has %d bytes of no version, %v", s, len(data), err)
	}
	record, err := r.Describe(s.kind, s.name())
	if host.CodeOf(err) == host.CodeNotFound {
		return killState{}, nil
	}
	if err != nil {
		return killState{}, err
	}
	tree, err := treeOf(r.File(record, ""))
	for version := 1; version <= killVersions; version++ {
		for _, paras := range killParas {
			state := killState{Version: version}
			if s.script {
				state.Paras = paras
			}
			if maps.Equal(tree, s.installed(state, object)) {
				state.Extra = s.hasFunctions() && slices.Equal(record.Functions, s.functions(true))
				note, _ := os.ReadFile(filepath.Join(r.dir, stateDir(record), "note"))
				state.Note, _ = strconv.Atoi(string(note))
				return state, err
			}
		}
	}
	return killState{}, fmt.Errorf("%v, with the record %+v, has files of no version: %q, %v", s, record, slices.Sorted(maps.Keys(tree)), err)
}

// check fails the test unless all that belongs to a subject is as it is to be in
// a state.
func (s killSubject) check(r *rig, state killState) {
	if s.upload {
		return
	}
	record, err := r.Describe(s.kind, s.name())
	if there := err == nil; there != (state.Version > 0) {
		r.t.Errorf("%v: %v", s, err)
	}
	for _, function := range s.functions(true) {
		switch {
		case !slices.Contains(record.Functions, function):
			r.fails(function, "", host.CodeNotFound)
		case s.form == killWasm:
			r.answers(function, "", strconv.Itoa(s.answer(state.Version)))
		default:
			r.fails(function, "", host.CodeUnavailable, "does not run")
		}
	}
	if state.Version == 0 {
		return
	}
	if !slices.Equal(record.Functions, s.functions(state.Extra)) {
		r.t.Errorf("%v has the functions %q", s, record.Functions)
	}
	if version, _ := strconv.Atoi(record.Version); version != state.Version && !s.flat() {
		r.t.Errorf("%v says that it is version %q, its files are of %d", s, record.Version, state.Version)
	}
	if s.script && !slices.Equal(record.ShellParas, []string{state.Paras}) {
		r.t.Errorf("%v says that its script was called with %q, its files are of %q", s, record.ShellParas, state.Paras)
	}
	if dropIn := record.Source == host.SourceDropIn; dropIn != s.dropIn {
		r.t.Errorf("%v came from %q", s, record.Source)
	}
	etc, err := treeOf(filepath.Join(r.dir, "etc", s.kind.String(), s.name()))
	delete(etc, ".berth.json")
	if want := s.configuration(state.Version); err != nil || !maps.Equal(etc, want) {
		r.t.Errorf("%v: its configuration is %q, %v, want %q", s, etc, err, want)
	}
}

// checkDropIn fails the test unless the drop-in folder has what the host took
// from there, and nothing else of the plugin.
func (s killSubject) checkDropIn(t *testing.T, dirs killDirs, state killState, object string) {
	want := files{}
	if state.Version > 0 {
		want = s.files(state.Version, object)
	}
	got, err := treeOf(filepath.Join(dirs.dropIn(), s.place()))
	if s.flat() { // others lie there, too
		maps.DeleteFunc(got, func(name, _ string) bool { return !slices.Contains(s.flatFiles(), name) })
		if state.Version == 0 {
			delete(got, s.name()+".yaml") // which alone is no plugin
		}
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v is there in version %d, and the drop-in folder has %q, %v", s, state.Version, slices.Sorted(maps.Keys(got)), err)
	}
}

// killTest kills one child after another on one folder.
type killTest struct {
	*testing.T
	dirs     killDirs
	object   string
	subjects []killSubject
	known    []killState // of each subject
	random   *rand.Rand
	events   int
}

// round lets a child work and kills it. It returns what may be now: each
// subject's states, the last of which is certain if there is only one.
func (k *killTest) round() (may [][]killState) {
	k.Helper()
	cmd := exec.Command(os.Args[0], string(k.dirs), strconv.FormatUint(k.random.Uint64(), 10))
	cmd.Env = append(os.Environ(), jobVariable+"=kill")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		k.Fatal(err)
	}
	// Either some time after the start, or some time after an event.
	kill := func() { _ = cmd.Process.Kill() }
	wait, after := time.Duration(k.random.IntN(8000))*time.Microsecond, 1+k.random.IntN(60)
	if k.random.IntN(4) == 0 {
		wait, after = time.Duration(k.random.IntN(200_000))*time.Microsecond, 0
		time.AfterFunc(wait, kill)
	}
	for _, state := range k.known {
		may = append(may, []killState{state})
	}
	lines := bufio.NewReader(out)
	for events := 0; ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // the pipe's end; a line that was cut short tells nothing
		}
		var event killEvent
		if err := json.Unmarshal(line, &event); err != nil || event.Err != "" {
			k.Errorf("the child: %s%v", line, err)
			kill()
			continue
		}
		for _, change := range event.Changes {
			switch states := &may[change.Subject]; {
			case event.Done:
				*states = []killState{change.Then}
			case change.Absent:
				*states = append(*states, killState{}, change.Then)
			default:
				*states = append(*states, change.Then)
			}
		}
		k.events++
		if events++; events == after {
			time.AfterFunc(wait, kill)
		}
	}
	_, _ = io.Copy(io.Discard, lines)
	_ = cmd.Wait()
	if stderr.Len() > 0 {
		k.Errorf("the child wrote: %s", stderr.String())
	}
	return may
}

// check opens the folder and checks that everything is there, whole.
func (k *killTest) check(may [][]killState) {
	k.Helper()
	r := k.dirs.rig()
	r.t = k.T
	if err := r.tryStart(); err != nil {
		k.Fatalf("it does not open: %v", err)
	}
	defer r.stop()
	waitFor(k, "the drop-in folder was read", r.Ready)
	var installed int
	var functions []string
	for i, s := range k.subjects {
		state, err := s.state(r, k.object)
		if err != nil {
			k.Error(err)
		} else if !slices.Contains(may[i], state) {
			k.Errorf("%v is in the state %+v, it may be in %+v", s, state, may[i])
		}
		s.check(r, state)
		if s.dropIn {
			s.checkDropIn(k.T, k.dirs, state, k.object)
		}
		if !s.upload && state.Version > 0 {
			installed++
			functions = append(functions, s.functions(state.Extra)...)
		}
		k.known[i] = state
	}
	slices.Sort(functions)
	if got := r.FunctionNames(); !slices.Equal(got, functions) {
		k.Errorf("the index has %v, the records %v", got, functions)
	}
	if records, err := r.store.Load(); err != nil || len(records) != installed || len(r.Statuses()) != installed {
		k.Errorf("the store has %d records, %v, the index %d, described are %d", len(records), err, len(r.Statuses()), installed)
	}
	r.clean()
	if k.Failed() {
		k.Logf("the host's log:\n%s", r.log)
	}
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
// whole, and nothing else is on disk. That holds for plugins of every kind, by
// whatever way they came, for their data and configuration, and for uploads.
//
// BERTH_KILL_ROUNDS and BERTH_KILL_SEED make it longer, and the same again as far
// as the kernel allows. The folder is in memory if there is such a thing: what a
// process that is killed has written is written, and more happens in the time.
func TestKill(t *testing.T) {
	rounds, seed := number(t, "BERTH_KILL_ROUNDS", 80), number(t, "BERTH_KILL_SEED", rand.Uint64())
	t.Logf("BERTH_KILL_SEED=%d", seed)
	place := rig{dir: t.TempDir()}
	inMemory(t, &place)
	k := &killTest{T: t, dirs: killDirs(place.dir), object: string(enginetest.SharedObject(t)), subjects: killSubjects(), random: rand.New(rand.NewPCG(seed, 0))}
	k.known = make([]killState, len(k.subjects))
	for _, dir := range []string{k.dirs.data(), k.dirs.dropIn()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(k.dirs.object(), []byte(k.object), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range k.subjects {
		for version := 1; version <= killVersions && !s.upload && !s.dropIn; version++ {
			data, err := enginetest.Zip(s.files(version, k.object))
			if err == nil {
				err = os.WriteFile(k.dirs.zip(s, version), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for round := range rounds {
		if k.random.IntN(10) == 0 { // the store is lost: the child builds it anew
			_ = os.Remove(filepath.Join(k.dirs.data(), "berth.db"))
		}
		k.check(k.round())
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%d rounds, %d events", rounds, k.events)
	if uint64(k.events) < rounds {
		t.Errorf("%d events in %d rounds: the children hardly did anything", k.events, rounds)
	}
}
