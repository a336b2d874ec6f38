package server_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

const (
	modelClients = 16
	modelRound   = 8 // operations that each client does in a round
)

// model is a host, what is known of it, and the history of a round.
type model struct {
	*whole
	subjects []subject
	parcels  [][]parcel // by the subject's number
	clock    atomic.Int64

	states  [][]pluginState // that each plugin may be in
	uploads [][]int         // versions that each upload may have

	mu      sync.Mutex // guards what follows
	history [][]operation[pluginState]
	files   [][]operation[int]
	claims  []claim
	clashes []claim
	fills   []fill
	done    int
}

// claim is a function that a plugin may have since then.
type claim struct {
	subject  int
	function string
	since    int64
}

// fill is a change of what lies of a plugin in the drop-in folder.
type fill struct {
	subject      int
	begun, ended int64
}

// filled tells whether there was one in a time.
func (m *model) filled(s subject, begun, ended int64) bool {
	return slices.ContainsFunc(m.fills, func(f fill) bool { return f.subject == s.number && f.begun < ended && begun < f.ended })
}

func (m *model) fail(format string, args ...any) { m.Errorf(format, args...) }

// note adds an operation to the history of a plugin.
func (m *model) note(s subject, o operation[pluginState]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history[s.number] = append(m.history[s.number], o)
	m.done++
}

// claimed notes that a plugin has functions, or may be about to.
func (m *model) claimed(s subject, functions []string, begun int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, function := range functions {
		m.claims = append(m.claims, claim{s.number, function, begun})
	}
}

// clashed notes that a request was refused for a function's name before then.
func (m *model) clashed(s subject, function string, ended int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clashes = append(m.clashes, claim{s.number, function, ended})
}

// uploadNames are the files that clients upload.
func uploadNames() []string { return []string{"a.txt", "b.zip"} }

// upload changes or lists the uploaded files.
func (c *client) upload(subject) {
	const path = "/config/uploads"
	i := c.random.IntN(len(uploadNames()))
	name := uploadNames()[i]
	place := filepath.Join(c.data(), "uploads", name)
	note := func(i int, o operation[int]) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.files[i] = append(c.files[i], o)
	}
	switch c.random.IntN(3) {
	case 0:
		version := 1 + c.random.IntN(9)
		a, begun, ended := c.timed("POST", path, "", encode(map[string]string{"name": name, "content": uploaded(version)}))
		if a.status != 201 || a.body != place {
			c.fail("upload %s: %d %s", name, a.status, a.body)
		}
		note(i, operation[int]{begun: begun, ended: ended, what: fmt.Sprint("upload ", version), step: func(int) []int { return []int{version} }})
	case 1:
		a, begun, ended := c.timed("DELETE", path+"/"+name, "", nil)
		note(i, operation[int]{begun: begun, ended: ended, what: fmt.Sprintf("delete: %d %s", a.status, a.body), step: func(version int) []int {
			if version > 0 && a.status == 200 && a.body == "ok" || version == 0 && a.refusedExactly(404, "delete upload error: file "+name+": not found") {
				return []int{0}
			}
			return nil
		}})
	default:
		a, begun, ended := c.timed("GET", path, "", nil)
		var paths []string
		if err := json.Unmarshal([]byte(a.body), &paths); err != nil || !slices.IsSorted(paths) {
			c.fail("GET %s: %d %s", path, a.status, a.body)
		}
		for i, name := range uploadNames() {
			there := slices.Contains(paths, filepath.Join(c.data(), "uploads", name))
			note(i, operation[int]{begun: begun, ended: ended, read: true, what: "list: " + a.body, step: func(version int) []int {
				if (version > 0) != there {
					return nil
				}
				return []int{version}
			}})
		}
	}
}

func uploaded(version int) string { return strings.Repeat(fmt.Sprint(version), 1000) }

// round lets the clients work, looks at everything when they are done, and checks
// what was answered.
func (m *model) round(random *rand.Rand) {
	m.begin()
	var wg sync.WaitGroup
	for range modelClients {
		c := &client{model: m, random: rand.New(rand.NewPCG(random.Uint64(), 0))}
		wg.Go(func() {
			for range modelRound {
				c.do()
			}
		})
	}
	wg.Wait()
	m.look(&client{model: m, random: random})
	m.check()
}

// begin forgets the history.
func (m *model) begin() {
	m.history = make([][]operation[pluginState], len(m.subjects))
	m.files = make([][]operation[int], len(uploadNames()))
	m.claims, m.clashes, m.fills = nil, nil, nil
	for i, states := range m.states {
		for _, p := range states {
			m.claimed(m.subjects[i], strings.Split(p.functions, ","), 0)
			if p.folder > 0 {
				m.claimed(m.subjects[i], m.subjects[i].dropped(), 0)
			}
		}
	}
}

// look asks for everything in every way.
func (m *model) look(c *client) {
	for _, kind := range host.Kinds() {
		c.lists(kind, false)
		c.lists(kind, true)
	}
	c.udfs(subject{})
	c.export(subject{})
	for _, s := range m.subjects {
		c.describe(s)
		c.status(s)
		if s.hasFunctions() {
			c.invoke(s)
		}
	}
}

// check fails the test unless there is an order of the operations on each plugin
// and each upload, in which the answers are right.
func (m *model) check() {
	for i, s := range m.subjects {
		to, stuck := linearize(m.states[i], m.history[i])
		if len(to) == 0 {
			m.fail("%v: no order of these explains the answers, from %+v:\n%s\n%s", s, m.states[i], shown(m.history[i]), stuck)
		}
		m.states[i] = to
	}
	for i, name := range uploadNames() {
		to, stuck := linearize(m.uploads[i], m.files[i])
		data, err := os.ReadFile(filepath.Join(m.data(), "uploads", name))
		to = slices.DeleteFunc(to, func(version int) bool {
			return version > 0 && string(data) != uploaded(version) || version == 0 && !os.IsNotExist(err)
		})
		if len(to) == 0 {
			m.fail("%s: no order of these explains the answers, and %q:\n%s\n%s", name, data, shown(m.files[i]), stuck)
		}
		m.uploads[i] = to
	}
	m.checkFunctions()
	m.clean()
}

// transfer imports what the host exports, which changes nothing.
func (m *model) transfer(c *client) {
	m.begin()
	exported := c.ask("GET", "/data/export", "", nil)
	if a := c.ask("POST", "/data/import", "", encode(map[string]string{"content": exported.body})); a.status != 200 {
		m.fail("an import of what was exported: %d %s", a.status, a.body)
	}
	m.look(c)
	m.check()
}

// checkFunctions fails the test unless each function is of one plugin, and those
// requests only were refused for one that another plugin could have had.
func (m *model) checkFunctions() {
	owners := map[string]subject{}
	for i, s := range m.subjects {
		if len(m.states[i]) != 1 {
			continue // the test failed, or only what lies in the drop-in folder is not known
		}
		for _, function := range strings.Split(m.states[i][0].functions, ",") {
			if other, taken := owners[function]; taken && function != "" {
				m.fail("%s belongs to %v and %v", function, other, s)
			}
			owners[function] = s
		}
	}
	for _, clash := range m.clashes {
		if !slices.ContainsFunc(m.claims, func(c claim) bool {
			return c.subject != clash.subject && c.function == clash.function && c.since < clash.since
		}) {
			m.fail("%v was refused for %s, which no other plugin had", m.subjects[clash.subject], clash.function)
		}
	}
}

func shown[S comparable](history []operation[S]) string {
	var b strings.Builder
	slices.SortFunc(history, func(a, b operation[S]) int { return int(a.begun - b.begun) })
	for _, o := range history {
		fmt.Fprintf(&b, "%6d-%-6d %s\n", o.begun, o.ended, o.what)
	}
	return b.String()
}

// TestModel: whatever sixteen clients do at the same time, each of their answers
// is one that they could have had if all had come one after the other. BERTH_MODEL
// is how long they do it; BERTH_MODEL_SEED makes them do the same again.
func TestModel(t *testing.T) {
	long := enginetest.TimeFrom(t, "BERTH_MODEL", 4*time.Second)
	seed := rand.Uint64()
	if text := os.Getenv("BERTH_MODEL_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("BERTH_MODEL_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	m := &model{whole: newWhole(t, nil), subjects: subjects()}
	m.serve()
	object := string(enginetest.SharedObject(t))
	zips := filepath.Join(m.dir, "zips")
	for _, dir := range []string{zips, filepath.Join(m.dropIn(), "functions")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range m.subjects {
		m.parcels = append(m.parcels, s.parcels(t, zips, object))
		m.states = append(m.states, []pluginState{{}})
	}
	for range uploadNames() {
		m.uploads = append(m.uploads, []int{0})
	}
	rounds := 0
	for end := time.Now().Add(long); time.Now().Before(end) && !t.Failed(); rounds++ {
		m.round(random)
	}
	m.transfer(&client{model: m, random: random})
	t.Logf("%d rounds, %d operations", rounds, m.done)
	if m.done < modelClients*modelRound {
		t.Errorf("%d operations are no test", m.done)
	}
}
