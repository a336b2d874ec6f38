package meter

// Harmless tells whether a module claims nothing that wazero would make much
// room for: tests may compile it then.
func Harmless(wasm []byte) bool {
	const most = 1000
	m, err := parse(wasm)
	if err != nil {
		return false
	}
	for _, s := range m.sections {
		r := reader{data: s.items}
		switch s.id {
		case sectionCustom:
			if string(r.name()) == "name" && m.custom(s.items) == nil {
				return false
			}
		case sectionTable:
			for n := r.count(); n > 0 && r.err == nil; n-- {
				if s.items[r.at] == 0x40 {
					r.take(2)
				}
				r.valueType(m.types())
				flags := r.byte()
				if r.u32() > most {
					return false
				}
				if flags&1 != 0 {
					r.u32()
				}
				for r.err == nil && n > 1 { // what fills it is not looked into
					return false
				}
			}
		}
	}
	for _, body := range m.bodies {
		r := reader{data: body}
		for n, total := r.count(), uint64(0); n > 0 && r.err == nil; n-- {
			if total += uint64(r.u32()); total > most {
				return false
			}
			r.valueType(m.types())
		}
	}
	return true
}
