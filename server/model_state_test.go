package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"berth/host"
)

// pluginState is what the model knows of a plugin.
type pluginState struct {
	version   int    // 0: it is not installed
	functions string // joined with commas
	requested string // the functions that a request named last
	source    string // its URI, or one of the host's words
	folder    int    // the version in the drop-in folder; 0: none
}

func (p pluginState) has(function string) bool {
	return p.version > 0 && slices.Contains(strings.Split(p.functions, ","), function)
}

func join(functions []string) string { return strings.Join(functions, ",") }

// The words of answers, which clients of eKuiper know.

func (s subject) label() string {
	if s.kind == host.Portables {
		return "portable"
	}
	return s.kind.String()
}

func (s subject) native() bool {
	return s.kind == host.Functions || s.kind == host.Sources || s.kind == host.Sinks
}

func (s subject) createFailed() string {
	if s.native() {
		return s.label() + " plugins create command error: "
	}
	return s.label() + " plugin create command error: "
}

func (s subject) updateFailed() string {
	if s.native() {
		return s.createFailed()
	}
	return s.label() + " plugin update command error: "
}

func (s subject) created() string { return fmt.Sprintf("%s plugin %s is created", s.label(), s.name) }

func (s subject) updated() string {
	if s.native() {
		return fmt.Sprintf("plugin %s is updated and serves now.", s.name)
	}
	return fmt.Sprintf("%s plugin %s is updated", s.label(), s.name)
}

func (s subject) deleted() string {
	if s.native() {
		return fmt.Sprintf("%s plugin %s is deleted.", s.label(), s.name)
	}
	return fmt.Sprintf("%s plugin %s is deleted", s.label(), s.name)
}

func (s subject) deleteAbsent() string {
	if s.kind == host.Portables {
		return fmt.Sprintf("delete portable plugin %s error: portable plugin %[1]s is not found", s.name)
	}
	return fmt.Sprintf("delete %s plugin %s error: invalid name %[2]s: not exist", s.label(), s.name)
}

func (s subject) statusAbsent() string {
	if s.kind == host.Portables {
		return fmt.Sprintf("portable plugin %s not found: not found", s.name)
	}
	return fmt.Sprintf("status of %s plugin %s error: not found", s.label(), s.name)
}

// refused tells an answer with an error whose message begins with words.
func (a answer) refused(status int, words string) bool {
	number := map[int]int{http.StatusBadRequest: 1000, http.StatusNotFound: 1002, http.StatusServiceUnavailable: 9503}[status]
	return a.status == status && strings.HasPrefix(a.message(), words) && strings.HasPrefix(a.body, fmt.Sprintf(`{"error":%d,"message":"`, number))
}

// refusedExactly is refused with all of the message.
func (a answer) refusedExactly(status int, words string) bool {
	return a.refused(status, words) && a.message() == words
}

// clash returns the function for whose name a request was refused.
func (a answer) clash(prefix string) (function string, ok bool) {
	rest, ok := strings.CutPrefix(a.message(), prefix+"function name ")
	if !ok || a.status != http.StatusBadRequest {
		return "", false
	}
	return strings.CutSuffix(rest, " already exists")
}

// If an answer fits a state, what follows is one of these.

func only(p pluginState, fits bool) []pluginState {
	if !fits {
		return nil
	}
	return []pluginState{p}
}

// putStep is the step of a request to create or update a plugin.
type putStep struct {
	subject   subject
	update    bool
	parcel    parcel
	functions []string // that it names
	source    string   // as the record will say
	answer    answer
}

func (r putStep) step(p pluginState) []pluginState {
	s, a := r.subject, r.answer
	failed, done, status := s.createFailed(), s.created(), http.StatusCreated
	if r.update {
		failed, done, status = s.updateFailed(), s.updated(), http.StatusOK
	}
	upserts := s.kind == host.Portables
	clash, clashed := a.clash(failed)
	switch {
	case r.update && p.version == 0 && !upserts:
		return only(p, a.refusedExactly(404, fmt.Sprintf("update %s plugin %s error, cannot delete old version: invalid name %[2]s: not exist", s.label(), s.name)))
	case r.parcel.uri == "nowhere" && r.source != host.SourceUpload:
		return only(p, a.refusedExactly(400, failed+r.parcel.fault))
	case !r.update && p.version > 0:
		return only(p, a.refusedExactly(400, failed+"invalid name "+s.name+": duplicate"))
	case r.parcel.version == 0:
		return only(p, a.refused(400, failed+r.parcel.fault))
	case clashed:
		return only(p, slices.Contains(r.wanted(), clash) && slices.Contains(shared(), clash))
	}
	next := pluginState{version: r.parcel.version, functions: join(r.wanted()), requested: join(r.functions), source: r.source, folder: p.folder}
	return only(next, a.status == status && a.body == done)
}

// wanted are the functions that the plugin will have.
func (r putStep) wanted() []string {
	if r.functions != nil {
		return r.functions
	}
	return r.subject.declared(r.parcel.version)
}

// dropStep is that of a request to drop a plugin. What lies of it in the drop-in
// folder is removed, too; filled tells, when all is over, whether the
// folder was changed meanwhile.
func (s subject) dropStep(a answer, filled func() bool) func(pluginState) []pluginState {
	return func(p pluginState) []pluginState {
		switch stays := (pluginState{folder: p.folder}); {
		case p.version == 0:
			return only(p, a.refusedExactly(404, s.deleteAbsent()))
		case a.status != 200 || a.body != s.deleted():
			return nil
		case filled():
			return []pluginState{{}, stays}
		}
		return []pluginState{{}}
	}
}

// registerStep is that of a request to register functions.
func (s subject) registerStep(functions []string, a answer) func(pluginState) []pluginState {
	failed := fmt.Sprintf("function plugins %s register functions error: ", s.name)
	return func(p pluginState) []pluginState {
		clash, clashed := a.clash(failed)
		exported := s.exported()
		if p.source == host.SourceDropIn {
			exported = s.dropped()
		}
		i := slices.IndexFunc(functions, func(f string) bool { return s.form == formWasm && !slices.Contains(exported, f) })
		switch {
		case p.version == 0:
			return only(p, a.refusedExactly(404, fmt.Sprintf("register functions plugin %s error: not found", s.name)))
		case len(functions) == 0:
			return only(p, a.refusedExactly(400, failed+"property 'functions' must not be empty"))
		case clashed:
			return only(p, slices.Contains(functions, clash) && slices.Contains(shared(), clash))
		case i >= 0:
			return only(p, a.refused(400, failed+"function "+functions[i]+": "))
		}
		next := p
		next.functions, next.requested = join(functions), join(functions)
		return only(next, a.status == 200 && a.body == fmt.Sprintf("function plugin %s function list is registered", s.name))
	}
}

// importStep is that of a partial import of one plugin, which does nothing to one
// that is installed.
func (r putStep) importStep(p pluginState) []pluginState {
	s, a := r.subject, r.answer
	imported := a.status == 200 && strings.HasPrefix(a.body, `{"ErrorMsg":"","ConfigResponse":{`)
	refused := a.status == 400 && strings.Contains(a.message(), fmt.Sprintf(`"%s":"`, s.importKey()))
	switch {
	case p.version > 0:
		return only(p, imported)
	case r.parcel.version == 0:
		return only(p, refused && strings.Contains(a.message(), strings.TrimSuffix(r.parcel.fault, ": ")))
	case refused && strings.Contains(a.message(), "function"):
		return only(p, slices.ContainsFunc(r.wanted(), func(f string) bool { return slices.Contains(shared(), f) }))
	}
	next := pluginState{version: r.parcel.version, functions: join(r.wanted()), requested: join(r.functions), source: r.source, folder: p.folder}
	return only(next, imported)
}

// importKey is the plugin's in exports.
func (s subject) importKey() string {
	if s.native() {
		return s.kind.String() + "_" + s.name
	}
	return s.name
}

// reloadStep is that of a look into the drop-in folder, of which the answer says
// one of: installed, updated, dropped, failed, or nothing. filled tells, when all
// is over, whether the folder was changed meanwhile. Then what was found there may
// be something else by the time that it is installed.
func (s subject) reloadStep(change, fault string, filled func() bool) func(pluginState) []pluginState {
	return func(p pluginState) (next []pluginState) {
		if !filled() {
			return s.takenIn(p, p.folder, change, fault)
		}
		if change == "failed" && strings.HasSuffix(fault, ".wasm: no such file or directory") || change == "updated" && p.source == host.SourceDropIn {
			next = append(next, p) // it was removed before it was copied, or is again what it was
		}
		for version := range modelVersions + 1 {
			next = append(next, s.takenIn(p, version, change, fault)...)
		}
		return next
	}
}

// takenIn is the step if a version was found in the folder.
func (s subject) takenIn(p pluginState, found int, change, fault string) []pluginState {
	clashed := change == "failed" && strings.HasPrefix(fault, "function name s") && strings.HasSuffix(fault, " already exists")
	next := p
	next.version, next.source, next.functions = found, host.SourceDropIn, join(s.dropped())
	switch mine := p.source == host.SourceDropIn; {
	case found > 0 && p.version == 0:
		next.requested = ""
		if clashed {
			return []pluginState{p}
		}
		return only(next, change == "installed")
	case mine && found == 0:
		return only(pluginState{folder: p.folder}, change == "dropped")
	case mine && found != p.version:
		if clashed {
			return []pluginState{p}
		}
		if p.requested != "" {
			next.functions = p.requested
		}
		return only(next, change == "updated")
	}
	return only(p, change == "")
}
