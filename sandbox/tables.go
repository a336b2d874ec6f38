package sandbox

import (
	"encoding/binary"

	"berth/host"
)

// limitTables returns the build with a maximum for each of its tables, so that
// all together cannot grow beyond what linear memory may have: wazero bounds
// memories, not tables. A table that begins larger than that keeps its size. The
// result is wasm itself where it has no tables; what does not parse is left for
// wazero to refuse.
func limitTables(wasm []byte, memory host.Bytes) []byte {
	const entry = 8 // bytes
	limited := wasm[:8:8]
	module := reader{rest: wasm[8:]}
	for len(module.rest) > 0 {
		section := module.rest
		id := module.byte()
		content := module.take(module.uint())
		if module.short {
			return wasm
		}
		if id != tableSection {
			limited = append(limited, section[:len(section)-len(module.rest)]...)
			continue
		}
		tables, ok := content.limitedTables(uint64(memory) / entry)
		if !ok {
			return wasm
		}
		limited = append(limited, id)
		limited = binary.AppendUvarint(limited, uint64(len(tables)))
		limited = append(limited, tables...)
	}
	return limited
}

// limitedTables writes the section of tables anew; most is for all of them.
func (r *reader) limitedTables(most uint64) (section []byte, ok bool) {
	const initialised, maximum = 0x40, 1
	n := r.uint()
	section = binary.AppendUvarint(nil, n)
	for i := uint64(0); i < n && !r.done(); i++ {
		start := r.rest
		with := len(start) > 0 && start[0] == initialised
		if with {
			r.skip(2)
		}
		r.valueType()
		section = append(section, start[:len(start)-len(r.rest)]...)
		flags, least := r.byte(), r.uint()
		limit := max(least, most/n)
		if flags&maximum != 0 {
			limit = min(limit, r.uint())
		}
		section = append(section, flags|maximum)
		section = binary.AppendUvarint(binary.AppendUvarint(section, least), limit)
		if with {
			start = r.rest
			r.constant()
			section = append(section, start[:len(start)-len(r.rest)]...)
		}
	}
	return section, !r.done() && len(r.rest) == 0
}
