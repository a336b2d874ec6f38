package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"berth/host"
	"berth/native"
	"berth/portable"
	"berth/sandbox"
)

// killDirs are the folders of the crash test below one.
type killDirs string

func (d killDirs) data() string   { return filepath.Join(string(d), "data") }
func (d killDirs) dropIn() string { return filepath.Join(string(d), "dropin") }
func (d killDirs) object() string { return filepath.Join(string(d), "object.so") }
func (d killDirs) zip(s killSubject, version int) string {
	return filepath.Join(string(d), fmt.Sprintf("%s-%d.zip", s.name(), version))
}

// rig is the host of the crash test, not open yet.
func (d killDirs) rig() *rig {
	engines := []host.Engine{sandbox.New(), native.New(), portable.New()}
	return &rig{dir: d.data(), log: &safeBuffer{}, config: host.Config{Engines: engines, DropIn: d.dropIn()}}
}

// killChange is what an operation makes of a subject.
type killChange struct {
	Subject int
	Then    killState
	Absent  bool // in between it may be seen as absent
}

// killEvent is what the child reports before and after each operation.
type killEvent struct {
	Done    bool
	What    string
	Changes []killChange
	Err     string
}

// killChild changes what is in a host. Two workers do, each its own subjects.
type killChild struct {
	*rig
	dirs     killDirs
	object   string
	subjects []killSubject
	all      sync.RWMutex // held for writing by an operation on everything

	mu     sync.Mutex // guards report
	report *json.Encoder
}

// runKillChild opens the data folder below args[0] and changes it at random until
// it is killed. It tells of each operation on standard output.
func runKillChild(args []string) int {
	dirs := killDirs(args[0])
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return 2
	}
	c := &killChild{rig: dirs.rig(), dirs: dirs, subjects: killSubjects(), report: json.NewEncoder(os.Stdout)}
	object, err := os.ReadFile(dirs.object())
	if err == nil {
		err = c.tryStart()
	}
	if err != nil {
		_ = c.tell(killEvent{Done: true, Err: "start: " + err.Error()})
		return 1
	}
	c.object = string(object)
	var own [2][]killSubject
	for i, s := range c.subjects {
		worker := i % 2
		if s.dropIn {
			worker = 1 // one Reload takes in what all changed
		}
		own[worker] = append(own[worker], s)
	}
	failed := make(chan error, len(own))
	for worker, subjects := range own {
		go func() {
			random := rand.New(rand.NewPCG(seed, uint64(worker)))
			for {
				if err := c.step(subjects[random.IntN(len(subjects))], random); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	<-failed
	return 1
}

func (c *killChild) tell(event killEvent) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.report.Encode(event)
}

// killStep is an operation, and what it is to make of the subjects.
type killStep struct {
	killEvent
	operation func() error
}

// step does one operation, or a few on everything. The error is that the parent is
// gone.
func (c *killChild) step(s killSubject, random *rand.Rand) error {
	var steps []killStep
	if random.IntN(40) == 0 {
		c.all.Lock()
		defer c.all.Unlock()
		steps = c.onAll(random)
	} else {
		c.all.RLock()
		defer c.all.RUnlock()
		steps = []killStep{c.choose(s, random)}
	}
	for _, step := range steps {
		event := step.killEvent
		if err := c.tell(event); err != nil {
			return err
		}
		if err := step.operation(); err != nil {
			event.Err = err.Error()
		}
		event.Done = true
		if err := c.tell(event); err != nil {
			return err
		}
	}
	return nil
}

// choose chooses an operation on a subject.
func (c *killChild) choose(s killSubject, random *rand.Rand) killStep {
	now, err := s.state(c.rig, c.object)
	if err != nil {
		return killStep{killEvent{What: "look at " + s.String()}, func() error { return err }}
	}
	choose := c.request
	switch {
	case s.upload:
		choose = c.file
	case s.dropIn:
		choose = c.folder
	}
	what, then, operation := choose(s, now, random)
	change := killChange{Subject: s.number, Then: then, Absent: s.dropIn}
	return killStep{killEvent{What: what + " " + s.String(), Changes: []killChange{change}}, operation}
}

// next is a state that a subject could have.
func (s killSubject) next(random *rand.Rand) killState {
	state := killState{Version: 1 + random.IntN(killVersions)}
	if s.script {
		state.Paras = killParas[random.IntN(len(killParas))]
	}
	return state
}

// file chooses an operation on an upload.
func (c *killChild) file(s killSubject, now killState, random *rand.Rand) (string, killState, func() error) {
	if now.Version > 0 && random.IntN(3) == 0 {
		return "remove", killState{}, func() error { return c.RemoveUpload(s.name()) }
	}
	then := s.next(random)
	return "save", then, func() error {
		_, err := c.SaveUpload(context.Background(), s.name(), strings.NewReader(s.content(then.Version)))
		return err
	}
}

// request chooses an operation on a plugin that comes by requests.
func (c *killChild) request(s killSubject, now killState, random *rand.Rand) (string, killState, func() error) {
	ctx := context.Background()
	then := s.next(random)
	then.Note = now.Note // what is the plugin's own stays
	req, err := c.requestFor(s, then, random.IntN(2) == 0)
	switch {
	case err != nil:
		return "read the zip of", now, func() error { return err }
	case now.Version == 0 && random.IntN(4) == 0:
		return "import", then, func() error { return c.imports(true, req) }
	case now.Version == 0:
		return "install", then, func() error { _, err := c.Install(ctx, req); return err }
	}
	switch n := random.IntN(9); {
	case n == 8:
		return c.note(s, now, random)
	case n < 2:
		return "drop", killState{}, func() error { return c.Drop(ctx, s.kind, s.name()) }
	case n < 4 && s.hasFunctions():
		return c.register(s, now)
	case n == 4:
		return "import again", now, func() error { return c.imports(true, req) }
	}
	return "update", then, func() error { _, err := c.Update(ctx, req); return err }
}

// note writes into the plugin's own folder, as the plugin would.
func (c *killChild) note(s killSubject, now killState, random *rand.Rand) (string, killState, func() error) {
	then := now
	then.Note = 1 + random.IntN(9)
	return "note", then, func() error {
		record, err := c.Describe(s.kind, s.name())
		if err != nil {
			return err
		}
		dir := filepath.Join(c.dirs.data(), stateDir(record))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		temp := filepath.Join(dir, "note.new")
		return errors.Join(os.WriteFile(temp, []byte(strconv.Itoa(then.Note)), 0o600), os.Rename(temp, filepath.Join(dir, "note")))
	}
}

func (c *killChild) register(s killSubject, now killState) (string, killState, func() error) {
	then := now
	then.Extra = !now.Extra
	return "register", then, func() error {
		return c.Register(context.Background(), s.kind, s.name(), s.functions(then.Extra))
	}
}

// requestFor asks for a version, in the request itself or where it lies.
func (c *killChild) requestFor(s killSubject, state killState, upload bool) (host.Request, error) {
	zip := c.dirs.zip(s, state.Version)
	req := host.Request{Kind: s.kind, Name: s.name(), File: "file://" + zip, Functions: s.functions(false)}
	if s.script {
		req.ShellParas = []string{state.Paras}
	}
	if !upload {
		return req, nil
	}
	data, err := os.ReadFile(zip)
	req.File, req.Upload = "", bytes.NewReader(data)
	return req, err
}

func (c *killChild) imports(partial bool, requests ...host.Request) error {
	var faults []error
	for ref, err := range c.Import(context.Background(), requests, partial) {
		faults = append(faults, fmt.Errorf("%v: %w", ref, err))
	}
	return errors.Join(faults...)
}

// onAll makes the plugins that come by requests those of an import, and perhaps
// then, by a backup, what they were.
func (c *killChild) onAll(random *rand.Rand) []killStep {
	imports, restore := killEvent{What: "import all"}, killEvent{What: "restore"}
	var requests []host.Request
	for _, s := range c.subjects {
		now, err := s.state(c.rig, c.object)
		switch {
		case err != nil:
			return []killStep{{killEvent{What: "look at " + s.String()}, func() error { return err }}}
		case s.dropIn || s.upload:
			continue
		}
		change := killChange{Subject: s.number}
		if random.IntN(5) > 0 {
			change.Then = s.next(random)
			change.Then.Note = now.Note
			req, _ := c.requestFor(s, change.Then, false)
			requests = append(requests, req)
		}
		imports.Changes = append(imports.Changes, change)
		restore.Changes = append(restore.Changes, killChange{Subject: s.number, Then: now})
	}
	imported := killStep{imports, func() error { return c.imports(false, requests...) }}
	if random.IntN(2) == 0 {
		return []killStep{imported}
	}
	var backup bytes.Buffer
	return []killStep{
		{killEvent{What: "backup"}, func() error { return c.Backup(context.Background(), &backup) }},
		imported,
		{restore, func() error { return c.restore(&backup) }},
	}
}

func (c *killChild) restore(backup *bytes.Buffer) error {
	got, err := c.Restore(context.Background(), backup, 0)
	for ref, fault := range got.Failed {
		err = errors.Join(err, fmt.Errorf("%v: %w", ref, fault))
	}
	for name, fault := range got.Uploads {
		err = errors.Join(err, fmt.Errorf("%s: %w", name, fault))
	}
	return err
}

// folder chooses an operation on a plugin of the drop-in folder.
func (c *killChild) folder(s killSubject, now killState, random *rand.Rand) (string, killState, func() error) {
	n := random.IntN(6)
	switch {
	case now.Version > 0 && n == 0:
		return "drop", killState{}, func() error { return c.Drop(context.Background(), s.kind, s.name()) }
	case now.Version > 0 && n == 1:
		return "take out", killState{}, func() error { return c.reload(c.takeOut(s)) }
	case now.Version > 0 && n == 2 && s.hasFunctions():
		return c.register(s, now)
	}
	then := s.next(random)
	then.Extra = s.hasFunctions() && (now.Version == 0 || now.Extra) // what was registered stays
	return "put in", then, func() error { return c.reload(c.putIn(s, then.Version)) }
}

func (c *killChild) reload(err error) error {
	if err != nil {
		return err
	}
	got, err := c.Reload(context.Background())
	for name, fault := range got.Failed {
		err = errors.Join(err, fmt.Errorf("%s: %w", name, fault))
	}
	return err
}

// place is where a plugin lies in the drop-in folder.
func (s killSubject) place() string {
	switch s.kind {
	case host.Portables:
		return filepath.Join("portable", s.name())
	case host.Wasm:
		return filepath.Join("wasm", s.name())
	}
	return s.kind.String()
}

// putIn puts a version into the drop-in folder. What is there of the plugin is
// whole at any instant.
func (c *killChild) putIn(s killSubject, version int) error {
	place := filepath.Join(c.dirs.dropIn(), s.place())
	fresh, old := filepath.Join(filepath.Dir(place), ".new-"+s.name()), filepath.Join(filepath.Dir(place), ".old-"+s.name())
	if err := errors.Join(os.RemoveAll(fresh), os.RemoveAll(old), os.MkdirAll(fresh, 0o700)); err != nil {
		return err
	}
	for name, text := range s.files(version, c.object) {
		plain, executable := strings.CutSuffix(name, "*")
		mode := os.FileMode(0o600)
		if executable {
			mode = 0o700
		}
		path := filepath.Join(fresh, plain)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), mode)); err != nil {
			return err
		}
	}
	if !s.flat() {
		err := os.Rename(place, old)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return errors.Join(os.Rename(fresh, place), os.RemoveAll(old))
	}
	for _, name := range slices.Backward(s.flatFiles()) { // yaml comes before so
		if err := errors.Join(os.MkdirAll(place, 0o700), os.Rename(filepath.Join(fresh, name), filepath.Join(place, name))); err != nil {
			return err
		}
	}
	return os.RemoveAll(fresh)
}

// takeOut takes a plugin out of the drop-in folder.
func (c *killChild) takeOut(s killSubject) error {
	place := filepath.Join(c.dirs.dropIn(), s.place())
	if !s.flat() {
		old := filepath.Join(filepath.Dir(place), ".old-"+s.name())
		return errors.Join(os.RemoveAll(old), os.Rename(place, old), os.RemoveAll(old))
	}
	for _, name := range s.flatFiles() { // so comes before yaml
		if err := os.Remove(filepath.Join(place, name)); err != nil {
			return err
		}
	}
	return nil
}
