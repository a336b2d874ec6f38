package server_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"berth/host"
)

// message is the text of an error.
func (a answer) message() string {
	var body struct{ Message string }
	if a.status < 400 || json.Unmarshal([]byte(a.body), &body) != nil {
		return ""
	}
	return body.Message
}

// client does operations, one after the other.
type client struct {
	*model
	random *rand.Rand
}

func pick[T any](c *client, of []T) T { return of[c.random.IntN(len(of))] }

// timed sends a request, and returns when it began and ended.
func (c *client) timed(method, path, contentType string, body []byte) (a answer, begun, ended int64) {
	begun = c.clock.Add(1)
	a = c.ask(method, path, contentType, body)
	ended = c.clock.Add(1)
	if a.status >= 400 && a.status != http.StatusMethodNotAllowed && (a.message() == "" || a.header.Get("Content-Type") != "application/json") {
		c.fail("%s %s is answered with %d and no error: %q", method, path, a.status, a.body)
	}
	return a, begun, ended
}

// do does a random operation on a random plugin.
func (c *client) do() {
	s := pick(c, c.subjects)
	operations := []func(*client, subject){
		(*client).put, (*client).put, (*client).put, (*client).drop, (*client).imports,
		(*client).describe, (*client).status, (*client).list, (*client).udfs, (*client).export, (*client).upload,
	}
	switch {
	case s.folder:
		operations = append(operations, (*client).fill, (*client).fill, (*client).reload, (*client).reload, (*client).register)
	case s.kind == host.Functions:
		operations = append(operations, (*client).register, (*client).register)
	}
	if s.hasFunctions() {
		operations = append(operations, (*client).invoke, (*client).invoke, (*client).udf)
	}
	pick(c, operations)(c, s)
}

// functions are those that a request names: none, or some that the build has.
func (c *client) functions(s subject) []string {
	if !s.hasFunctions() || s.form == formProgram {
		return nil
	}
	return pick(c, [][]string{nil, {s.own()}, {s.own(), "s1"}, {"s2", s.own()}, {"s3"}, {s.own(), "s3", "s1"}})
}

// put creates or updates a plugin, with a zip that is good in most cases.
func (c *client) put(s subject) {
	r := putStep{subject: s, update: c.random.IntN(2) == 0, parcel: c.parcel(s), functions: c.functions(s)}
	r.source = r.parcel.uri
	method, path := "POST", "/plugins/"+s.kind.String()
	if r.update {
		method, path = "PUT", s.path()
	}
	var begun, ended int64
	if r.parcel.data != nil && c.random.IntN(3) == 0 {
		r.source = host.SourceUpload
		query := url.Values{"name": {s.name}, "functions": r.functions}
		r.answer, begun, ended = c.timed(method, path+"?"+query.Encode(), "application/zip", r.parcel.data)
	} else {
		body := map[string]any{"name": s.name, "file": r.parcel.uri, "functions": r.functions}
		if r.parcel.data != nil && c.random.IntN(2) == 0 {
			body["sha256"] = r.parcel.digest
		}
		r.answer, begun, ended = c.timed(method, path, "", encode(body))
	}
	if r.parcel.version > 0 {
		c.claimed(s, r.wanted(), begun)
	}
	if function, ok := r.answer.clash(s.createFailed()); ok {
		c.clashed(s, function, ended)
	} else if function, ok := r.answer.clash(s.updateFailed()); ok {
		c.clashed(s, function, ended)
	}
	c.note(s, operation[pluginState]{begun: begun, ended: ended, step: r.step,
		what: fmt.Sprintf("%s %v %+v %v: %d %s", method, r.source, r.parcel.version, r.functions, r.answer.status, r.answer.body)})
}

// parcel is one of a plugin's zips, a good one in most cases.
func (c *client) parcel(s subject) parcel {
	all := c.parcels[s.number]
	if c.random.IntN(4) == 0 {
		return pick(c, all)
	}
	return all[c.random.IntN(modelVersions)]
}

func encode(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}

func (c *client) drop(s subject) {
	a, begun, ended := c.timed("DELETE", s.path(), "", nil)
	c.note(s, operation[pluginState]{begun: begun, ended: ended, step: s.dropStep(a, func() bool { return c.filled(s, begun, ended) }), what: fmt.Sprintf("drop: %d %s", a.status, a.body)})
}

func (c *client) register(s subject) {
	functions := pick(c, [][]string{{s.own()}, {s.own(), "s1"}, {"s2"}, {s.own(), "s2", "s3"}, nil, {s.own(), "unknown"}})
	if s.form != formWasm && slices.Contains(functions, "unknown") {
		functions = nil // it takes any
	}
	a, begun, ended := c.timed("POST", s.path()+"/register", "", encode(map[string]any{"functions": functions}))
	c.claimed(s, functions, begun)
	if function, ok := a.clash(fmt.Sprintf("function plugins %s register functions error: ", s.name)); ok {
		c.clashed(s, function, ended)
	}
	c.note(s, operation[pluginState]{begun: begun, ended: ended, step: s.registerStep(functions, a), what: fmt.Sprintf("register %v: %d %s", functions, a.status, a.body)})
}

// imports imports one plugin, if it is not there.
func (c *client) imports(s subject) {
	r := putStep{subject: s, parcel: c.parcel(s), functions: c.functions(s)}
	r.source = r.parcel.uri
	part := map[string]string{"portables": "portablePlugins", "wasm": "wasmPlugins"}[s.kind.String()]
	if part == "" {
		part = "nativePlugins"
	}
	script := encode(map[string]any{"name": s.name, "file": r.parcel.uri, "functions": r.functions})
	content := encode(map[string]any{part: map[string]string{s.importKey(): string(script)}})
	var begun, ended int64
	r.answer, begun, ended = c.timed("POST", "/data/import?partial=1", "", encode(map[string]string{"content": string(content)}))
	if r.parcel.version > 0 {
		c.claimed(s, r.wanted(), begun)
	}
	c.note(s, operation[pluginState]{begun: begun, ended: ended, step: r.importStep, what: fmt.Sprintf("import %s %v: %d %s", r.source, r.functions, r.answer.status, r.answer.body)})
}

// fill puts a version into the drop-in folder, or takes what is there away.
func (c *client) fill(s subject) {
	version := c.random.IntN(modelVersions + 1)
	place := filepath.Join(c.dropIn(), s.kind.String(), s.name+".wasm")
	begun := c.clock.Add(1)
	var err error
	if version == 0 {
		if err = os.Remove(place); os.IsNotExist(err) {
			err = nil
		}
	} else {
		temp := filepath.Join(c.dir, fmt.Sprintf("%s-%d", s.name, begun))
		if err = os.WriteFile(temp, s.dropIn(version), 0o600); err == nil {
			err = os.Rename(temp, place)
		}
	}
	if err != nil {
		c.fail("fill %v: %v", s, err)
	}
	ended := c.clock.Add(1)
	c.claimed(s, s.dropped(), begun) // once somebody reloads
	c.mu.Lock()
	c.fills = append(c.fills, fill{s.number, begun, ended})
	c.mu.Unlock()
	c.note(s, operation[pluginState]{begun: begun, ended: ended, what: fmt.Sprintf("fill %d", version), step: func(p pluginState) []pluginState {
		p.folder = version
		return []pluginState{p}
	}})
}

// reload makes the host look into the drop-in folder.
func (c *client) reload(subject) {
	a, begun, ended := c.timed("POST", "/plugins/reload", "", nil)
	var got struct {
		Installed, Updated, Dropped []string
		Failed                      map[string]string
	}
	if a.status != 200 || json.Unmarshal([]byte(a.body), &got) != nil {
		c.fail("reload: %d %s", a.status, a.body)
		return
	}
	known := 0
	for _, s := range c.subjects {
		if !s.folder {
			continue
		}
		change := ""
		fault, failed := got.Failed[s.String()]
		for what, is := range map[string]bool{"installed": slices.Contains(got.Installed, s.String()), "updated": slices.Contains(got.Updated, s.String()),
			"dropped": slices.Contains(got.Dropped, s.String()), "failed": failed} {
			if is {
				known++
				change = what
			}
		}
		if function, ok := strings.CutPrefix(fault, "function name "); ok {
			c.clashed(s, strings.TrimSuffix(function, " already exists"), ended)
		}
		c.claimed(s, s.dropped(), begun)
		c.note(s, operation[pluginState]{begun: begun, ended: ended, step: s.reloadStep(change, fault, func() bool { return c.filled(s, begun, ended) }), what: fmt.Sprintf("reload: %s %s", change, fault)})
	}
	if all := len(got.Installed) + len(got.Updated) + len(got.Dropped) + len(got.Failed); all != known {
		c.fail("reload changed what it could not: %s", a.body)
	}
}

// see notes what was seen of a plugin.
func (c *client) see(s subject, begun, ended int64, what string, fits func(pluginState) bool) {
	c.note(s, operation[pluginState]{begun: begun, ended: ended, read: true, what: what, step: func(p pluginState) []pluginState { return only(p, fits(p)) }})
}

// seen is what answers tell of a plugin. nil and "" are what they leave out.
type seen struct {
	Name      string
	Version   *string
	Functions json.RawMessage // names, or objects
	Source    string
	Digest    string
	Status    string
}

// fits tells whether that is true of a state.
func (o seen) fits(c *client, s subject, p pluginState) bool {
	if p.version == 0 || o.Name != s.name {
		return false
	}
	version, digest := strconv.Itoa(p.version), ""
	if p.source == host.SourceDropIn {
		version, digest = "", droppedDigest(s.name+".wasm", s.dropIn(p.version))
	} else {
		digest = c.parcels[s.number][p.version-1].digest
	}
	return (o.Version == nil || *o.Version == version) && (o.Source == "" || o.Source == p.source) && (o.Digest == "" || o.Digest == digest) &&
		(o.Functions == nil || o.functions() == p.functions)
}

func (o seen) functions() string {
	var names []string
	var objects []struct{ Name string }
	if json.Unmarshal(o.Functions, &names) != nil {
		names = nil
		_ = json.Unmarshal(o.Functions, &objects)
		for _, object := range objects {
			names = append(names, object.Name)
		}
	}
	return join(names)
}

func (c *client) describe(s subject) {
	c.look(s, s.path(), fmt.Sprintf("describe %s plugin %s error: not found", s.label(), s.name))
}

func (c *client) status(s subject) { c.look(s, s.path()+"/status", s.statusAbsent()) }

func (c *client) look(s subject, path, absent string) {
	a, begun, ended := c.timed("GET", path, "", nil)
	var got seen
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		c.fail("GET %s: %v: %s", path, err, a.body)
	}
	states := []string{"", "idle", "loading", "active"}
	switch {
	case s.form == formNative:
		states = []string{"", "idle", "loading", "failed"} // it is not run yet
	case s.form == formProgram:
		states = []string{"", "stop", "initializing", "error"}
	case s.kind == host.Portables:
		states = []string{"", "stop", "initializing", "running"}
	}
	if a.status == 200 && !slices.Contains(states, got.Status) {
		c.fail("GET %s: the state is %q", path, got.Status)
	}
	c.see(s, begun, ended, fmt.Sprintf("GET %s: %d %s", path, a.status, a.body), func(p pluginState) bool {
		if p.version == 0 {
			return a.refusedExactly(404, absent)
		}
		return a.status == 200 && got.fits(c, s, p)
	})
}

// list lists the plugins of a kind, with or without details.
func (c *client) list(s subject) { c.lists(s.kind, c.random.IntN(2) == 0) }

func (c *client) lists(kind host.Kind, detail bool) {
	path := "/plugins/" + kind.String()
	if detail {
		path += "?detail=1"
	}
	a, begun, ended := c.timed("GET", path, "", nil)
	var listed []seen
	var names []string
	if err := json.Unmarshal([]byte(a.body), &listed); err != nil {
		err = json.Unmarshal([]byte(a.body), &names)
		listed = nil
		for _, name := range names {
			listed = append(listed, seen{Name: name})
		}
		if err != nil || detail {
			c.fail("GET %s: %d %s", path, a.status, a.body)
		}
	}
	if !slices.IsSortedFunc(listed, func(a, b seen) int { return strings.Compare(a.Name, b.Name) }) {
		c.fail("GET %s: it is not sorted: %s", path, a.body)
	}
	owners := map[string]string{}
	for _, one := range listed { // all at one instant
		for _, function := range strings.Split(one.functions(), ",") {
			if other := owners[function]; other != "" && function != "" {
				c.fail("GET %s: %s belongs to %s and %s", path, function, other, one.Name)
			}
			owners[function] = one.Name
		}
	}
	for _, s := range c.subjects {
		if s.kind != kind {
			continue
		}
		i := slices.IndexFunc(listed, func(one seen) bool { return one.Name == s.name })
		c.see(s, begun, ended, fmt.Sprintf("GET %s: %s", path, a.body), func(p pluginState) bool {
			if i < 0 {
				return p.version == 0
			}
			return listed[i].fits(c, s, p)
		})
	}
}

// udfs lists the functions of all plugins.
func (c *client) udfs(subject) {
	a, begun, ended := c.timed("GET", "/plugins/udfs", "", nil)
	var names []string
	if err := json.Unmarshal([]byte(a.body), &names); err != nil || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		c.fail("GET /plugins/udfs: %v: %s", err, a.body)
	}
	for _, s := range c.subjects {
		c.see(s, begun, ended, "udfs: "+a.body, func(p pluginState) bool { return p.has(s.own()) == slices.Contains(names, s.own()) })
	}
}

// function is one that a plugin may have.
func (c *client) function(s subject) string {
	return pick(c, append(shared(), s.own(), s.own(), s.own()))
}

// udf describes a function.
func (c *client) udf(s subject) {
	function := c.function(s)
	a, begun, ended := c.timed("GET", "/plugins/udfs/"+function, "", nil)
	var got struct{ Name, Plugin, Kind, Encoding string }
	_ = json.Unmarshal([]byte(a.body), &got)
	owner := slices.IndexFunc(c.subjects, func(s subject) bool { return s.String() == got.Kind+"/"+got.Plugin })
	what := fmt.Sprintf("udf %s: %d %s", function, a.status, a.body)
	switch {
	case a.status == 200 && owner >= 0 && got.Name == function && got.Encoding == "json":
		c.see(c.subjects[owner], begun, ended, what, func(p pluginState) bool { return p.has(function) })
	case !a.refusedExactly(404, fmt.Sprintf("describe function %s error: not found", function)):
		c.fail("%s", what)
	case function == s.own():
		c.see(s, begun, ended, what, func(p pluginState) bool { return !p.has(function) })
	}
}

// invoke calls a function.
func (c *client) invoke(s subject) {
	function := c.function(s)
	a, begun, ended := c.timed("POST", "/invoke/"+function, "", []byte("[]"))
	what := fmt.Sprintf("invoke %s: %d %s", function, a.status, a.body)
	result, err := strconv.Atoi(a.body)
	number, version := subjectOf(result)
	switch {
	case a.status == 200 && err == nil && number < len(c.subjects) && c.subjects[number].form == formWasm:
		c.see(c.subjects[number], begun, ended, what, func(p pluginState) bool { return p.has(function) && p.version == version })
	case a.status == 503 && strings.Contains(a.message(), "does not run yet"):
		owner := slices.IndexFunc(c.subjects, func(s subject) bool {
			return s.form != formWasm && s.hasFunctions() && strings.HasPrefix(a.message(), "call plugin "+s.name+" function "+function+": ")
		})
		if owner < 0 {
			c.fail("%s", what)
			return
		}
		c.see(c.subjects[owner], begun, ended, what, func(p pluginState) bool { return p.has(function) })
	case !a.refusedExactly(404, "call function "+function+": no installed plugin has this function"):
		c.fail("%s", what)
	case function == s.own():
		c.see(s, begun, ended, what, func(p pluginState) bool { return !p.has(function) })
	}
}

// export asks for what would install everything again.
func (c *client) export(subject) {
	a, begun, ended := c.timed("GET", "/data/export", "", nil)
	var got struct{ NativePlugins, PortablePlugins, WasmPlugins map[string]string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 {
		c.fail("export: %d %v: %s", a.status, err, a.body)
	}
	for _, s := range c.subjects {
		part := map[host.Kind]map[string]string{host.Portables: got.PortablePlugins, host.Wasm: got.WasmPlugins}[s.kind]
		if s.native() {
			part = got.NativePlugins
		}
		script, there := part[s.importKey()]
		var entry struct {
			Name, File string
			Functions  []string
		}
		if err := json.Unmarshal([]byte(script), &entry); there && err != nil {
			c.fail("export: %v: %s", err, script)
		}
		c.see(s, begun, ended, "export: "+script, func(p pluginState) bool {
			if p.version == 0 || !there {
				return p.version == 0 && !there
			}
			return entry.Name == s.name && entry.File == p.source && join(entry.Functions) == p.requested
		})
	}
}
