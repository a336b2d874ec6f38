package meter

// arm is the cost from which on code that may be left out pays for itself.
const arm = 64

// A way is the longest way from a place in the code: cost is what it costs up
// to where something is paid, gap what it costs up to where fuel is checked.
// Both end with the function.
type way struct{ cost, gap uint64 }

func (w way) plus(cost uint32) way { return way{w.cost + uint64(cost), w.gap + uint64(cost)} }

func longer(a, b way) way { return way{max(a.cost, b.cost), max(a.gap, b.gap)} }

// A region is the body of a loop without the loops in it. Its header pays for
// the longest way through it. What the loop is left for is paid by the region
// around it, as if the loop itself took nothing.
type region struct {
	exit  way // the longest way from where the loop is left, in the region around
	catch way // what catch was there
}

// measure finds what is to be paid where: it goes through the events from the
// last to the first, so that it knows the ways from all labels but those of
// loops, and there something is paid.
func (s *scan) measure() {
	s.loops, s.catches = s.loops[:0], s.catches[:0]
	var w, catch way // catch is the longest way from where an exception may lead
	for i := len(s.events) - 1; i >= 0; i-- {
		e := &s.events[i]
		switch e.kind {
		case eventEnd:
			if e.target < 0 {
				break
			}
			opener := &s.events[e.target]
			if opener.again && opener.kind == eventLoop {
				s.loops = append(s.loops, region{longer(w, catch), catch})
				opener.region = int32(len(s.loops))
				w, catch = way{gap: w.gap}, way{gap: catch.gap}
				break
			}
			w = e.settle(w)
			opener.label, opener.region = w, int32(len(s.loops))
			if opener.kind == eventTry {
				s.catches = append(s.catches, catch)
				catch = longer(catch, s.farthest(opener))
			}
		case eventElse:
			e.label = e.settle(w)
			opener := &s.events[e.target]
			opener.from = uint32(i)
			w = opener.label
		case eventIf:
			other := e.label
			if e.from > 0 {
				other = s.events[e.from].label
			}
			w = longer(e.settle(w), other)
		case eventLoop:
			if !e.again {
				break
			}
			e.charge, e.check = uint32(w.cost)+costLoop, true
			r := s.loops[len(s.loops)-1]
			s.loops = s.loops[:len(s.loops)-1]
			w, catch = way{cost: r.exit.cost}, r.catch
		case eventTry:
			catch = s.catches[len(s.catches)-1]
			s.catches = s.catches[:len(s.catches)-1]
		case eventJump:
			w = s.jump(e.target)
		case eventBranch:
			w = longer(e.settle(w), s.jump(e.target))
		case eventTable:
			w = s.farthest(e)
		case eventLeave, eventTail:
			w = way{}
		case eventThrow:
			w = catch
		case eventCall:
			w = longer(w, catch)
		case eventBulk:
			w.gap = 0
		case eventStretch:
			if w.gap >= stretch {
				w = e.settle(w)
			}
		}
		w = w.plus(e.cost).plus(e.run)
	}
	s.entry = w.plus(costFunction)
}

// settle pays right after the event, where the way from there is long, and tells
// the way that remains.
func (e *event) settle(w way) way {
	switch {
	case w.gap >= stretch:
		e.charge, e.check = uint32(w.cost), true
		return way{}
	case w.cost >= arm:
		e.charge = uint32(w.cost)
		w.cost = 0
	}
	return w
}

// jump tells the longest way from a label, as the region that the branch is in
// has to pay for it.
func (s *scan) jump(target int32) way {
	if target < 0 {
		return way{}
	}
	opener := &s.events[target]
	switch {
	case opener.kind == eventLoop:
		return way{}
	case int(opener.region) == len(s.loops):
		return opener.label
	}
	left := &s.loops[opener.region]
	left.exit = longer(left.exit, opener.label)
	return way{gap: opener.label.gap}
}

// farthest tells the longest way from any label of an event.
func (s *scan) farthest(e *event) way {
	var w way
	for _, target := range s.branches[e.from:e.to] {
		w = longer(w, s.jump(target))
	}
	return w
}
