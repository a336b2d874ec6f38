package meter

import (
	"bytes"
	"fmt"
	"strings"
)

// Sections by their id.
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
	sectionTag
)

// Kinds of what is imported and exported.
const (
	kindFunction = iota
	kindTable
	kindMemory
	kindGlobal
	kindTag
)

// place tells where a section stands among the others.
func place(id byte) int {
	switch {
	case id <= sectionMemory:
		return int(id)
	case id == sectionTag:
		return sectionMemory + 1
	case id <= sectionElement:
		return int(id) + 1
	case id == sectionDataCount:
		return sectionElement + 2
	default:
		return int(id) + 2
	}
}

// A section is a list of items, with its indices of functions already shifted.
// In the sections that nothing is added to, count is zero and items is all.
type section struct {
	id    byte
	count uint32
	items []byte
}

// module is a module taken apart. Indices in it are the original ones.
type module struct {
	sections []section

	arities           []arity  // of the types
	widest            int64    // the most parameters and results of one type
	imported          []uint32 // the types of the imported functions
	importedFunctions uint32
	functions         []uint32 // the types of the defined functions
	importedGlobals   uint32
	globals           uint32   // with the imported ones
	mutable           []uint32 // the defined globals that a snapshot holds
	memories          uint32
	tags              []uint32 // how many values an exception with each carries
	bodies            [][]byte // of the defined functions, after the size
	// called holds for each defined function whether it may be called by other
	// means than a direct call.
	called []bool
	// leaves holds for each defined function what its direct callers pay for it,
	// zero for those that pay for themselves.
	leaves []uint32

	info Info
}

func (m *module) types() uint32 { return uint32(len(m.arities)) }

func (m *module) allFunctions() uint32 { return m.importedFunctions + uint32(len(m.functions)) }

// functionArity is the arity of a function that is there.
func (m *module) functionArity(function uint32) arity {
	if function < m.importedFunctions {
		return m.arities[m.imported[function]]
	}
	return m.arities[m.functions[function-m.importedFunctions]]
}

// shifted is where a function is found once Tick is imported.
func (m *module) shifted(function uint32) uint32 {
	if function >= m.importedFunctions {
		function++
	}
	return function
}

func (m *module) escapes(function uint32) {
	if function >= m.importedFunctions {
		m.called[function-m.importedFunctions] = true
	}
}

var header = [8]byte{0, 'a', 's', 'm', 1}

// parse takes a module apart. The functions' code is not looked into.
func parse(wasm []byte) (*module, error) {
	if !bytes.HasPrefix(wasm, header[:]) {
		return nil, fmt.Errorf("meter: malformed: not a module of version 1 in the binary format")
	}
	m := &module{}
	r := reader{data: wasm, at: len(header)}
	last := 0
	for r.more() {
		id := r.byte()
		content := reader{data: r.name()}
		switch {
		case r.err != nil:
			return nil, r.err
		case id > sectionTag:
			return nil, &Unknown{What: "section", Code: uint32(id)}
		case id != sectionCustom && place(id) <= last:
			return nil, fmt.Errorf("meter: malformed: section %d is out of order", id)
		case id != sectionCustom:
			last = place(id)
		}
		m.section(id, &content)
		if !content.done() {
			return nil, content.err
		}
	}
	if len(m.bodies) != len(m.functions) {
		return nil, fmt.Errorf("meter: malformed: %d functions have %d bodies", len(m.functions), len(m.bodies))
	}
	return m, nil
}

// section parses one section and adds it.
func (m *module) section(id byte, r *reader) {
	s := section{id: id}
	switch id {
	case sectionCustom:
		if r.text(); r.err != nil {
			return
		}
		r.at = len(r.data)
		s.items = r.data
	case sectionType:
		s.parse(m.parseTypes, r)
	case sectionImport:
		s.parse(m.parseImports, r)
	case sectionFunction:
		s.parse(m.parseFunctions, r)
	case sectionTable:
		s.items = m.parseTables(r)
	case sectionMemory:
		n := r.count()
		for i := uint32(0); i < n && r.err == nil; i++ {
			r.limits()
			m.memories++
		}
		s.items = r.data
	case sectionGlobal:
		s.count = r.count()
		s.items = m.parseGlobals(s.count, r)
	case sectionExport:
		s.count = r.count()
		s.items = m.parseExports(s.count, r)
	case sectionStart:
		function := r.index("function", m.allFunctions())
		if r.err == nil {
			m.escapes(function)
		}
		s.items = appendU32(nil, m.shifted(function))
	case sectionElement:
		s.items = m.parseElements(r)
	case sectionCode:
		m.parseBodies(r)
	case sectionData:
		m.parseData(r)
		s.items = r.data
	case sectionTag:
		for n := r.count(); n > 0 && r.err == nil; n-- {
			m.parseTag(r)
		}
		s.items = r.data
	default: // of data counts, which hold nothing that changes
		r.at = len(r.data)
		s.items = r.data
	}
	m.sections = append(m.sections, s)
}

// parse parses a section whose items stay as they are.
func (s *section) parse(items func(n uint32, r *reader), r *reader) {
	s.count = r.count()
	start := r.at
	items(s.count, r)
	s.items = r.data[min(start, r.at):r.at]
}

func (m *module) parseTypes(n uint32, r *reader) {
	// A type may name later ones of its group, but none that is added here: how
	// far it may look is left to wazero.
	const any = 1 << 31
	values := func() uint32 {
		n := r.count()
		for i := uint32(0); i < n && r.err == nil; i++ {
			r.valueType(any)
		}
		return n
	}
	function := func() {
		params := values()
		results := values()
		m.arities = append(m.arities, arity{params, results})
		m.widest = max(m.widest, int64(params)+int64(results))
	}
	for ; n > 0 && r.err == nil; n-- {
		switch form := r.byte(); form {
		case formFunction:
			function()
		case formGroup:
			for members := r.count(); members > 0 && r.err == nil; members-- {
				if form := r.byte(); form != formFunction {
					r.unknown("form of type", uint32(form))
				}
				function()
			}
		default:
			r.unknown("form of type", uint32(form))
		}
	}
}

func (m *module) parseImports(n uint32, r *reader) {
	for ; n > 0 && r.err == nil; n-- {
		if string(r.name()) == Module {
			r.fail(fmt.Errorf("meter: a module may not import from %s", Module))
		}
		if name := string(r.name()); strings.HasPrefix(name, reserved) {
			r.fail(fmt.Errorf("meter: a module may not import %q: names that begin with %s are reserved", name, reserved))
		}
		switch kind := r.byte(); kind {
		case kindFunction:
			m.imported = append(m.imported, r.index("type", m.types()))
			m.importedFunctions++
		case kindTable:
			m.tableType(r)
		case kindMemory:
			r.limits()
			m.memories++
		case kindGlobal:
			r.valueType(m.types())
			if m.mutability(r) {
				m.info.ImportedMutableGlobals = true
			}
			m.importedGlobals++
		case kindTag:
			m.parseTag(r)
		default:
			r.unknown("kind of import", uint32(kind))
		}
	}
	m.globals = m.importedGlobals
}

func (m *module) parseTag(r *reader) {
	r.byte()
	t := r.index("type", m.types())
	if r.err == nil {
		m.tags = append(m.tags, m.arities[t].params)
	}
}

func (m *module) mutability(r *reader) bool {
	flag := r.byte()
	if flag > 1 {
		r.malformed("a global is neither constant nor mutable")
	}
	return flag == 1
}

func (m *module) parseFunctions(n uint32, r *reader) {
	m.functions = make([]uint32, n)
	for i := range m.functions {
		m.functions[i] = r.index("type", m.types())
	}
	m.called = make([]bool, n)
	m.leaves = make([]uint32, n)
	m.info.Functions = int(n)
}

// tableType reads a table without what it is filled with.
func (m *module) tableType(r *reader) {
	r.valueType(m.types())
	r.limits()
}

func (m *module) parseTables(r *reader) []byte {
	const initialised = 0x40
	n := r.count()
	out := appendU32(make([]byte, 0, len(r.data)), n)
	for ; n > 0 && r.err == nil; n-- {
		start := r.at
		with := r.byte() == initialised
		if with {
			r.byte()
		} else {
			r.at = start
		}
		m.tableType(r)
		out = append(out, r.data[min(start, r.at):r.at]...)
		if with {
			out = m.constant(out, r, m.importedGlobals)
		}
	}
	return out
}

func (m *module) parseGlobals(n uint32, r *reader) []byte {
	out := make([]byte, 0, len(r.data))
	m.globals += n
	for i := m.importedGlobals; i < m.globals && r.err == nil; i++ {
		start := r.at
		t := r.valueType(m.types())
		mutable := m.mutability(r)
		out = append(out, r.data[min(start, r.at):r.at]...)
		out = m.constant(out, r, m.globals)
		switch {
		case !mutable:
		case t == typeI32 || t == typeI64 || t == typeF32 || t == typeF64:
			m.mutable = append(m.mutable, i)
		case t == typeV128:
			m.notResettable("a mutable global of type v128")
		default:
			m.notResettable("a mutable global of a reference type")
		}
	}
	return out
}

// notResettable keeps the first reason.
func (m *module) notResettable(why string) {
	if m.info.Resettable == "" {
		m.info.Resettable = why
	}
}

func (m *module) parseExports(n uint32, r *reader) []byte {
	out := make([]byte, 0, len(r.data))
	for ; n > 0 && r.err == nil; n-- {
		name := string(r.name())
		if strings.HasPrefix(name, reserved) {
			r.fail(fmt.Errorf("meter: a module may not export %q: names that begin with %s are reserved", name, reserved))
		}
		kind, index := r.byte(), uint32(0)
		switch kind {
		case kindFunction:
			function := r.index("function", m.allFunctions())
			if r.err == nil {
				m.escapes(function)
			}
			index = m.shifted(function)
		case kindGlobal:
			index = r.index("global", m.globals)
		case kindTable, kindMemory, kindTag:
			index = r.u32()
		default:
			r.unknown("kind of export", uint32(kind))
		}
		out = appendU32(append(appendName(out, name), kind), index)
	}
	return out
}

func (m *module) parseBodies(r *reader) {
	n := r.count()
	if uint64(n) != uint64(len(m.functions)) {
		r.malformed("%d functions have %d bodies", len(m.functions), n)
		return
	}
	m.bodies = make([][]byte, n)
	for i := range m.bodies {
		m.bodies[i] = r.name()
	}
}
