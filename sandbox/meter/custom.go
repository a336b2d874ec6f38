package meter

import (
	"strings"
	"unicode/utf8"
)

// The parts of a name section that are kept, by their id.
const (
	namesModule    = 0
	namesFunctions = 1
	namesLocals    = 2
)

// custom returns what a custom section is to hold, nil for one to leave out.
func (m *module) custom(content []byte) []byte {
	r := reader{data: content}
	name := string(r.name())
	switch {
	case name == "name":
		return m.names(content, &r)
	case strings.HasPrefix(name, ".debug_"), strings.HasPrefix(name, "reloc."), strings.HasPrefix(name, "metadata.code."),
		name == "sourceMappingURL", name == "external_debug_info", name == "linking":
		return nil
	}
	return content
}

// names returns the section of names with the functions' indices shifted, or nil
// where the section is malformed.
func (m *module) names(content []byte, r *reader) []byte {
	out := append([]byte(nil), content[:r.at]...)
	for r.more() {
		id := r.byte()
		part := reader{data: r.name()}
		var names []byte
		switch id {
		case namesModule:
			names = appendName(nil, string(part.text()))
		case namesFunctions:
			n := part.count()
			items := m.shiftNames(n, &part, func() { part.text() })
			names = appendU32(nil, n+1)
			names = append(names, items...)
			names = appendName(appendU32(names, m.refuel()), Module)
		case namesLocals:
			n := part.count()
			names = appendU32(nil, n)
			names = append(names, m.shiftNames(n, &part, func() {
				for locals := part.count(); locals > 0 && part.err == nil; locals-- {
					part.u32()
					part.text()
				}
			})...)
		default:
			continue
		}
		if r.err != nil || !part.done() {
			return nil
		}
		out = append(append(out, id), appendName(nil, string(names))...)
	}
	if r.err != nil {
		return nil
	}
	return out
}

// name returns what the name section calls a function, or nothing.
func (m *module) name(function uint32) (name string) {
	for _, s := range m.sections {
		r := reader{data: s.items}
		if s.id != sectionCustom || string(r.name()) != "name" {
			continue
		}
		for r.more() {
			id := r.byte()
			part := reader{data: r.name()}
			if id != namesFunctions {
				continue
			}
			for n := part.count(); n > 0 && part.err == nil; n-- {
				if i, text := part.u32(), part.text(); i == function {
					name = string(text)
				}
			}
		}
	}
	return name
}

// shiftNames copies n items that begin with the index of a function.
func (m *module) shiftNames(n uint32, r *reader, rest func()) []byte {
	out := make([]byte, 0, len(r.data))
	for ; n > 0 && r.err == nil; n-- {
		out = appendU32(out, m.shifted(r.u32()))
		start := r.at
		rest()
		if r.err == nil {
			out = append(out, r.data[start:r.at]...)
		}
	}
	return out
}

// text reads a name that has to be UTF-8.
func (r *reader) text() []byte {
	name := r.name()
	if !utf8.Valid(name) {
		r.malformed("a name is not UTF-8")
	}
	return name
}
