package meter

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// survey reads all functions once: what is wrong with them, how large they are,
// and which of them are paid for by their callers. They may take so much work to
// compile.
func (m *module) survey(left int64) error {
	s := scan{m: m}
	var unknown *Unknown // the first
	var heaviest struct {
		function int
		work     int64
	}
	for i := range m.bodies {
		s.left = left - m.info.Work
		err := s.function(i)
		if met := (*Unknown)(nil); errors.As(err, &met) && s.code != nil {
			if unknown == nil {
				unknown = &Unknown{met.What, met.Code, true}
			}
			err = s.unreadable()
		}
		if work := s.work(); work > heaviest.work {
			heaviest.function, heaviest.work = i, work
		}
		if excess := (*TooLarge)(nil); errors.As(err, &excess) {
			if excess.What == "" {
				i, excess.Work = heaviest.function, heaviest.work
			}
			excess.Function = m.importedFunctions + uint32(i)
			excess.Name = m.name(excess.Function)
		}
		if err != nil {
			return err
		}
		m.info.Work += s.work()
		m.info.Instructions += int(s.instructions)
		m.info.Loops += int(s.loopCount)
		m.info.LargestFunction = max(m.info.LargestFunction, int(s.instructions))
		m.info.MostBlocks = max(m.info.MostBlocks, int(s.blocks))
		if unknown != nil || !s.plain || m.called[i] {
			continue
		}
		if s.measure(); s.entry.gap <= maxLeaf {
			m.leaves[i] = uint32(s.entry.cost)
		}
	}
	if unknown != nil {
		return unknown
	}
	return nil
}

// write puts the module together again.
func (m *module) write(o Options) ([]byte, error) {
	out := append([]byte(nil), header[:]...)
	added := []byte{sectionType, sectionImport, sectionFunction, sectionGlobal, sectionExport, sectionCode}
	if len(m.functions) == 0 { // there is nothing to meter
		added = []byte{sectionGlobal, sectionExport}
	}
	var err error
	emit := func(s section) {
		var content []byte
		if content, err = m.content(s, o); err != nil || content == nil {
			return
		}
		if uint64(len(content)) > math.MaxUint32 {
			err = fmt.Errorf("meter: section %d of the metered module is too large", s.id)
			return
		}
		out = append(appendU32(append(out, s.id), uint32(len(content))), content...)
	}
	for _, s := range m.sections {
		for s.id != sectionCustom && len(added) > 0 && place(added[0]) <= place(s.id) && err == nil {
			if added[0] != s.id {
				emit(section{id: added[0]})
			}
			added = added[1:]
		}
		if err == nil {
			emit(s)
		}
	}
	for _, id := range added {
		if err == nil {
			emit(section{id: id})
		}
	}
	return out, err
}

// content returns what a section is to hold, nil for a section to leave out.
func (m *module) content(s section, o Options) ([]byte, error) {
	add := func(n uint32, items []byte) ([]byte, error) {
		if s.count > math.MaxUint32-n {
			return nil, fmt.Errorf("meter: section %d has too many items", s.id)
		}
		content := appendU32(make([]byte, 0, 5+len(s.items)+len(items)), s.count+n)
		return append(append(content, s.items...), items...), nil
	}
	tick, refuel := m.types(), m.types()+1 // their types
	if len(m.functions) == 0 && (s.id == sectionType || s.id == sectionImport || s.id == sectionFunction || s.id == sectionCode) {
		return add(0, nil)
	}
	switch s.id {
	case sectionCustom:
		return m.custom(s.items), nil
	case sectionType:
		return add(2, []byte{formFunction, 1, typeI64, 1, typeI64, formFunction, 0, 0})
	case sectionImport:
		item := appendName(appendName(nil, Module), Tick)
		return add(1, appendU32(append(item, kindFunction), tick))
	case sectionFunction:
		return add(1, appendU32(nil, refuel))
	case sectionGlobal:
		item := appendSigned([]byte{typeI64, 1, opI64Const}, InitialFuel)
		return add(1, append(item, opEnd))
	case sectionExport:
		return add(m.exports(o))
	case sectionCode:
		return m.appendBodies(nil), nil
	default:
		return s.items, nil
	}
}

// exports returns the exports that are added.
func (m *module) exports(o Options) (n uint32, items []byte) {
	add := func(name string, kind byte, index uint32) {
		items = appendU32(append(appendName(items, name), kind), index)
		n++
	}
	add(Fuel, kindGlobal, m.globals)
	if o.Memory && m.memories > 0 {
		add(Memory, kindMemory, 0)
	}
	if o.Globals {
		m.info.Globals = m.mutable
		for _, i := range m.mutable {
			add(Global+strconv.FormatUint(uint64(i), 10), kindGlobal, i)
		}
	}
	return n, items
}

// appendBodies appends the functions' code. They were read before, so nothing in
// them is wrong now.
func (m *module) appendBodies(out []byte) []byte {
	s := scan{m: m, left: MaxWork}
	out = appendU32(out, uint32(len(m.bodies))+1)
	var body []byte
	for i := range m.bodies {
		if s.function(i) != nil {
			break
		}
		s.measure()
		entry := charge{cost: uint32(s.entry.cost), check: true}
		if s.plain && s.entry.gap <= maxLeaf {
			entry.check = false
			if !m.called[i] {
				entry.cost = 0 // the callers pay
			}
		}
		body = s.emit(body[:0], entry)
		out = append(appendU32(out, uint32(len(body))), body...)
	}
	return m.appendRefuel(out)
}
