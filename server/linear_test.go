package server_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
)

// operation is something that a client did to an object and that took some time:
// it took effect at one instant of it, in some state of the object.
type operation[S comparable] struct {
	begun, ended int64 // on a clock that all clients share
	what         string
	read         bool // it never changes anything

	// step gives the states that may follow one: none if the answer that was
	// given could not be given in it.
	step func(S) []S
}

// linearize returns the states in which an object may be once the operations, at
// most 256, are over, starting in one of some. It is none if there is no order of
// them in which each one's answer is right, with those that ended before another
// began before that one.
func linearize[S comparable](from []S, operations []operation[S]) (to []S, stuck string) {
	l := linearizer[S]{operations: slices.Clone(operations), seen: map[situation[S]]bool{}, last: map[S]bool{}, most: -1}
	slices.SortFunc(l.operations, func(a, b operation[S]) int { return cmp.Compare(a.begun, b.begun) })
	for _, state := range from {
		l.visit(situation[S]{state: state})
	}
	for state := range l.last {
		to = append(to, state)
	}
	return to, l.stuck
}

// situation is what was done, by the numbers of the operations, and what came of
// it.
type situation[S comparable] struct {
	done  [4]uint64
	state S
}

func (s situation[S]) has(i int) bool { return s.done[i/64]&(1<<(i%64)) != 0 }

func (s situation[S]) with(i int, state S) situation[S] {
	s.done[i/64] |= 1 << (i % 64)
	s.state = state
	return s
}

type linearizer[S comparable] struct {
	operations []operation[S] // by their begin
	seen       map[situation[S]]bool
	last       map[S]bool

	most  int // operations in an order that goes no further
	stuck string
}

// visit goes on from a situation in every way there is.
func (l *linearizer[S]) visit(s situation[S]) {
	if l.seen[s] {
		return
	}
	l.seen[s] = true
	first := int64(math.MaxInt64) // when the first of those that are not done ends
	for i, o := range l.operations {
		if !s.has(i) {
			first = min(first, o.ended)
		}
	}
	if first == math.MaxInt64 {
		l.last[s.state] = true
		return
	}
	var possible []int
	for i, o := range l.operations {
		if o.begun > first {
			break
		}
		if s.has(i) {
			continue
		}
		if o.read && len(o.step(s.state)) > 0 { // later would be no better
			l.visit(s.with(i, s.state))
			return
		}
		possible = append(possible, i)
	}
	l.note(s, possible)
	for _, i := range possible {
		for _, next := range l.operations[i].step(s.state) {
			l.visit(s.with(i, next))
		}
	}
}

// note keeps the situation in which most was done.
func (l *linearizer[S]) note(s situation[S], possible []int) {
	done := 0
	for i := range l.operations {
		if s.has(i) {
			done++
		}
	}
	if done <= l.most {
		return
	}
	l.most = done
	l.stuck = fmt.Sprintf("in the state %+v, after %d of %d, one of these is next:", s.state, done, len(l.operations))
	for _, i := range possible {
		o := l.operations[i]
		l.stuck += fmt.Sprintf("\n%6d-%-6d %s", o.begun, o.ended, o.what)
	}
}

// TestLinearize: the checker tells histories of a variable that are legal from
// those that are not.
func TestLinearize(t *testing.T) {
	write := func(begun, ended int64, value int) operation[int] {
		return operation[int]{begun: begun, ended: ended, step: func(int) []int { return []int{value} }}
	}
	read := func(begun, ended int64, value int) operation[int] {
		return operation[int]{begun: begun, ended: ended, read: true, step: func(s int) []int {
			if s != value {
				return nil
			}
			return []int{s}
		}}
	}
	for name, c := range map[string]struct {
		history []operation[int]
		last    []int
	}{
		"nothing":                        {nil, []int{0}},
		"one after the other":            {[]operation[int]{write(1, 2, 1), read(3, 4, 1), write(5, 6, 2), read(7, 8, 2)}, []int{2}},
		"a read of what was overwritten": {[]operation[int]{write(1, 2, 1), write(3, 4, 2), read(5, 6, 1)}, nil},
		"a read of the future":           {[]operation[int]{read(1, 2, 1), write(3, 4, 1)}, nil},
		"a read during a write, before":  {[]operation[int]{write(1, 4, 1), read(2, 3, 0)}, []int{1}},
		"a read during a write, after":   {[]operation[int]{write(1, 4, 1), read(2, 3, 1)}, []int{1}},
		"reads that go back":             {[]operation[int]{write(1, 8, 1), read(2, 3, 1), read(4, 5, 0)}, nil},
		"writes at once":                 {[]operation[int]{write(1, 4, 1), write(2, 3, 2)}, []int{1, 2}},
		"writes at once, and a read":     {[]operation[int]{write(1, 4, 1), write(2, 3, 2), read(5, 6, 2)}, []int{2}},
		"writes at once, two views":      {[]operation[int]{write(1, 8, 1), write(1, 8, 2), read(2, 3, 1), read(2, 3, 2), read(4, 5, 1)}, []int{1}},
		"writes at once, three views":    {[]operation[int]{write(1, 8, 1), write(1, 8, 2), read(2, 3, 1), read(4, 5, 2), read(6, 7, 1)}, nil},
		"a write that others could hide": {[]operation[int]{write(1, 2, 2), write(3, 6, 2), write(4, 5, 1), read(7, 8, 2)}, []int{2}},
	} {
		last, _ := linearize([]int{0}, c.history)
		slices.Sort(last)
		if !slices.Equal(last, c.last) {
			t.Errorf("%s: it may end in %v, want %v", name, last, c.last)
		}
	}
}
