package sandbox

import "fmt"

// What follows reads one item of each section, in wazero's way.

func (r *reader) recursiveTypes(t *totals) {
	const recursive = 0x4e
	if len(r.rest) > 0 && r.rest[0] == recursive {
		r.byte()
		r.each(func() { r.functionType(t) })
		return
	}
	r.functionType(t)
}

func (r *reader) functionType(t *totals) {
	const function = 0x60
	if r.byte() != function {
		r.odd = true
		return
	}
	t.types++
	r.tooMany(t.types, maxTypes, "types")
	values := func(what string) {
		r.atMost(maxValues, what)
		r.each(func() {
			r.valueType()
			t.values++
		})
	}
	values("parameters of one type")
	values("results of one type")
	r.tooMany(t.values, maxAllValues, "parameters and results of all types")
}

func (r *reader) export(t *totals) {
	r.name()
	if r.byte() == 0 { // a function
		t.called++
		r.tooMany(t.called, maxExports, "exported functions")
	}
	r.uint()
}

func (r *reader) imported() {
	r.name()
	r.name()
	switch r.byte() {
	case 0: // a function
		r.uint()
	case 1: // a table
		r.table(new(uint64))
	case 2: // a memory
		r.limits()
	case 3: // a global
		r.valueType()
		r.byte()
	case 4: // a tag
		r.byte()
		r.uint()
	default:
		r.odd = true
	}
}

func (r *reader) limits() (least uint64) {
	const most = 1 // a bit: there is a maximum too
	flags := r.byte()
	least = r.uint()
	if flags&most != 0 {
		r.uint()
	}
	return least
}

func (r *reader) table(entries *uint64) {
	const initialised = 0x40
	with := len(r.rest) > 0 && r.rest[0] == initialised
	if with {
		r.skip(2)
	}
	r.valueType()
	if *entries += min(r.limits(), maxTableEntries+1); *entries > maxTableEntries && !r.done() {
		r.excess = fmt.Errorf("has tables of more than %d entries, which this host does not make", maxTableEntries)
	}
	if with {
		r.constant()
	}
}

// constant skips a constant expression.
func (r *reader) constant() {
	for !r.done() {
		switch r.byte() {
		case 0x0b: // end
			return
		case 0x41, 0x42, 0xd0: // i32.const, i64.const, ref.null
			r.signed()
		case 0x43: // f32.const
			r.skip(4)
		case 0x44: // f64.const
			r.skip(8)
		case 0x23, 0xd2: // global.get, ref.func
			r.uint()
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: // add, sub, mul
		case 0xfd: // v128.const
			r.skip(1 + 16)
		default:
			r.odd = true
		}
	}
}

func (r *reader) element() {
	const passive, index, expressions = 1, 2, 4 // bits; both of the first two: declarative
	flags := r.uint()
	if flags > 7 {
		r.odd = true
		return
	}
	if flags&passive == 0 {
		if flags&index != 0 {
			r.uint()
		}
		r.constant()
	}
	if flags&(passive|index) != 0 {
		r.valueType() // or the kind, one byte
	}
	if flags&expressions != 0 {
		r.each(r.constant)
	} else {
		r.each(func() { r.uint() })
	}
}

func (r *reader) code(t *totals) {
	body := r.take(r.uint())
	locals := uint64(0)
	body.atMost(maxLocalGroups, "groups of local variables in one function")
	body.each(func() {
		locals += min(body.uint(), maxLocals+1)
		body.valueType()
		if locals > maxLocals && !body.done() {
			body.excess = fmt.Errorf("has a function of more than %d local variables, which this host does not compile", maxLocals)
		}
	})
	r.short, r.excess = r.short || body.short, body.excess
	t.locals += locals
	r.tooMany(t.locals, maxAllLocals, "local variables in all functions")
}

func (r *reader) data() {
	switch r.uint() {
	case 0: // active
		r.constant()
	case 1: // passive
	case 2: // active, of a memory
		r.uint()
		r.constant()
	default:
		r.odd = true
	}
	r.skip(r.uint())
}

// custom reads the section of names; others are not looked at. A part of it must
// be as long as it says: wazero goes by both.
func (r *reader) custom() {
	name := r.take(r.uint())
	if string(name.rest) != "name" {
		return
	}
	for len(r.rest) > 0 && !r.done() {
		id := r.byte()
		part := r.take(r.uint())
		association := func() {
			part.uint()
			part.name()
		}
		switch id {
		case 0: // the module
			part.name()
		case 1: // functions
			part.each(association)
		case 2: // locals of functions
			part.each(func() {
				part.uint()
				part.each(association)
			})
		default:
			continue
		}
		r.short = r.short || part.short || len(part.rest) > 0
	}
}
