package egress

import (
	"errors"
	"fmt"
	"strings"
)

// glob is a compiled pattern: a nondeterministic automaton that is run with all
// its states at once. Matching takes at most len(pattern) × len(name) steps,
// whatever the pattern.
//
// The automaton is immutable; a glob is safe for concurrent use.
type glob struct {
	program []state
}

// state is one step of the program. A state with a set consumes one byte of it
// and goes on to the state behind; others go on to next, and also without
// consuming anything.
type state struct {
	set  *set
	next []int
}

// set is a set of bytes.
type set [4]uint64

func (s *set) add(c byte)           { s[c/64] |= 1 << (c % 64) }
func (s *set) contains(c byte) bool { return s[c/64]>>(c%64)&1 != 0 }

func (s *set) invert() {
	for i := range s {
		s[i] = ^s[i]
	}
}

// maxBraces is how deep braces may be nested.
const maxBraces = 8

// The faults of globs.
var (
	errClass  = errors.New("a [ without its ], or with a range that is none")
	errBraces = errors.New("a { without its }")
	errEscape = errors.New("nothing behind the last \\")
	errNested = fmt.Errorf("braces nested deeper than %d", maxBraces)
)

// compileGlob compiles a pattern in the language that Policy.Hosts describes.
func compileGlob(pattern string) (*glob, error) {
	c := &compiler{rest: pattern}
	if err := c.sequence(0); err != nil {
		return nil, err
	}
	return &glob{program: c.program}, nil
}

// compiler turns what is left of a pattern into the states behind those that
// are there already.
type compiler struct {
	rest    string
	program []state
}

// sequence compiles up to the end of the pattern or, within braces, up to a
// comma or closing brace, which it leaves there.
func (c *compiler) sequence(depth int) error {
	for c.rest != "" {
		ch := c.rest[0]
		if depth > 0 && (ch == ',' || ch == '}') {
			return nil
		}
		c.rest = c.rest[1:]
		var err error
		switch ch {
		case '*':
			c.rest = strings.TrimLeft(c.rest, "*")
			c.star()
		case '?':
			c.any()
		case '[':
			err = c.class()
		case '{':
			err = c.braces(depth + 1)
		case '\\':
			if ch, err = c.escaped(); err == nil {
				c.literal(ch)
			}
		default:
			c.literal(ch)
		}
		if err != nil {
			return err
		}
	}
	if depth > 0 {
		return errBraces
	}
	return nil
}

func (c *compiler) literal(ch byte) {
	s := new(set)
	s.add(ch)
	c.program = append(c.program, state{set: s})
}

func (c *compiler) any() {
	s := new(set)
	s.invert()
	c.program = append(c.program, state{set: s})
}

// star is a loop over any one byte:
//
//	at:   go on to at+1 or to at+3
//	at+1: any byte
//	at+2: go on to at
func (c *compiler) star() {
	at := len(c.program)
	c.program = append(c.program, state{next: []int{at + 1, at + 3}})
	c.any()
	c.program = append(c.program, state{next: []int{at}})
}

// class compiles what is behind a [ up to its ]. At least one character is in
// it; a ] or - among them is escaped.
func (c *compiler) class() error {
	s := new(set)
	inverted := c.rest != "" && (c.rest[0] == '!' || c.rest[0] == '^')
	if inverted {
		c.rest = c.rest[1:]
	}
	for n := 0; ; n++ {
		if c.rest == "" {
			return errClass
		}
		if c.rest[0] == ']' && n > 0 {
			c.rest = c.rest[1:]
			break
		}
		low, err := c.member()
		if err != nil {
			return err
		}
		high := low
		if strings.HasPrefix(c.rest, "-") {
			c.rest = c.rest[1:]
			if high, err = c.member(); err != nil {
				return err
			}
		}
		if high < low {
			return errClass
		}
		for ch := int(low); ch <= int(high); ch++ {
			s.add(byte(ch))
		}
	}
	if inverted {
		s.invert()
	}
	c.program = append(c.program, state{set: s})
	return nil
}

// member takes one character of a class.
func (c *compiler) member() (byte, error) {
	if c.rest == "" || c.rest[0] == ']' || c.rest[0] == '-' {
		return 0, errClass
	}
	ch := c.rest[0]
	c.rest = c.rest[1:]
	if ch == '\\' {
		return c.escaped()
	}
	return ch, nil
}

func (c *compiler) escaped() (byte, error) {
	if c.rest == "" {
		return 0, errEscape
	}
	ch := c.rest[0]
	c.rest = c.rest[1:]
	return ch, nil
}

// braces compiles what is behind a { up to its }:
//
//	fork: go on to the first state of each alternative
//	      an alternative, and: go on behind them all
//	      …
func (c *compiler) braces(depth int) error {
	if depth > maxBraces {
		return errNested
	}
	fork := len(c.program)
	c.program = append(c.program, state{})
	var starts, ends []int
	for {
		starts = append(starts, len(c.program))
		if err := c.sequence(depth); err != nil {
			return err
		}
		ends = append(ends, len(c.program))
		c.program = append(c.program, state{})
		closes := c.rest[0] == '}'
		c.rest = c.rest[1:]
		if closes {
			break
		}
	}
	c.program[fork].next = starts
	for _, end := range ends {
		c.program[end].next = []int{len(c.program)}
	}
	return nil
}

// match reports whether the pattern matches the whole name.
func (g *glob) match(name string) bool {
	now, then := newStates(len(g.program)), newStates(len(g.program))
	now.enter(g.program, 0)
	for i := range len(name) {
		if len(now.list) == 0 {
			return false
		}
		then.clear()
		for _, at := range now.list {
			if s := g.program[at].set; s != nil && s.contains(name[i]) {
				then.enter(g.program, at+1)
			}
		}
		now, then = then, now
	}
	return now.has[len(g.program)]
}

// states are the states that the automaton is in; the one behind the last is
// the end of the pattern.
type states struct {
	has  []bool
	list []int // those without the end
}

func newStates(n int) *states { return &states{has: make([]bool, n+1)} }

func (s *states) clear() {
	clear(s.has)
	s.list = s.list[:0]
}

// enter adds a state and those that it goes on to without consuming anything.
// It visits no state twice.
func (s *states) enter(program []state, at int) {
	if s.has[at] {
		return
	}
	s.has[at] = true
	if at == len(program) {
		return
	}
	s.list = append(s.list, at)
	for _, next := range program[at].next {
		s.enter(program, next)
	}
}
