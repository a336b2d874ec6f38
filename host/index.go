package host

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// index is what is installed. It is never changed: a change makes a new one,
// so that a call reads it without a lock.
type index struct {
	plugins   map[id]*plugin
	functions map[string]*plugin // by the name they are called by
}

func newIndex() *index {
	return &index{plugins: map[id]*plugin{}, functions: map[string]*plugin{}}
}

// with returns a copy that has p in place of old; either may be nil.
func (x *index) with(p, old *plugin) *index {
	next := &index{plugins: maps.Clone(x.plugins), functions: maps.Clone(x.functions)}
	if old != nil {
		delete(next.plugins, old.record.id())
		for _, name := range old.record.Functions {
			if next.functions[name] == old {
				delete(next.functions, name)
			}
		}
	}
	if p != nil {
		next.add(p)
	}
	return next
}

// add is for an index that nobody else sees yet.
func (x *index) add(p *plugin) {
	x.plugins[p.record.id()] = p
	for _, name := range p.record.Functions {
		x.functions[name] = p
	}
}

// names lists the plugins of a kind, sorted.
func (x *index) names(kind Kind) []string {
	names := []string{}
	for id := range x.plugins {
		if id.kind == kind {
			names = append(names, id.name)
		}
	}
	slices.Sort(names)
	return names
}

// sorted lists every plugin by kind and name.
func (x *index) sorted() []*plugin {
	return slices.SortedFunc(maps.Values(x.plugins), func(a, b *plugin) int {
		if a.record.Kind != b.record.Kind {
			return int(a.record.Kind) - int(b.record.Kind)
		}
		return strings.Compare(a.record.Name, b.record.Name)
	})
}

// swap puts p in the place of old in the index. Either may be nil.
func (h *Host) swap(p, old *plugin) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.index.Store(h.index.Load().with(p, old))
}

// claim reserves function names for a plugin until release, so that two
// installs at once cannot take the same. Names that the plugin itself has
// already are no clash.
func (h *Host) claim(owner id, functions []string) (release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	installed := h.index.Load().functions
	for _, name := range functions {
		other, claimed := h.claims[name]
		if p := installed[name]; p != nil {
			other, claimed = p.record.id(), true
		}
		if claimed && other != owner {
			return nil, Fail(CodeConflict, "function name %s already exists", name)
		}
	}
	for _, name := range functions {
		h.claims[name] = owner
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, name := range functions {
			delete(h.claims, name)
		}
	}, nil
}

// newPlugin makes the run-time side of a record.
func (h *Host) newPlugin(r Record) *plugin {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &plugin{record: r, lasting: h.lastingOf(r.id())}
}

func (h *Host) nextRevision() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.revision++
	return h.revision
}

// lasting is what stays of a plugin over its versions, until it is dropped.
type lasting struct {
	serial uint64
	log    *pluginLog
	fuel   atomic.Uint64 // of modules that are closed
}

// lastingOf returns what stays of a plugin. The caller holds mu.
func (h *Host) lastingOf(i id) *lasting {
	l := h.lasting[i]
	if l == nil {
		h.serial++
		l = &lasting{serial: h.serial, log: h.logs.open(h.log, i)}
		h.lasting[i] = l
	}
	return l
}

// logOf returns the log of a plugin that is or is about to be installed.
func (h *Host) logOf(i id) *pluginLog {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lastingOf(i).log
}

// forgetLasting is called when a plugin is dropped, or was not installed.
func (h *Host) forgetLasting(i id) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.lasting[i]; l != nil {
		l.log.close()
		delete(h.lasting, i)
	}
}

// forgetFigures drops the figures of those of the functions that no plugin has
// any more, or is about to have.
func (h *Host) forgetFigures(functions []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	installed := h.index.Load().functions
	var gone []string
	for _, name := range functions {
		if _, claimed := h.claims[name]; installed[name] == nil && !claimed {
			gone = append(gone, name)
		}
	}
	h.figures.forget(gone)
}
