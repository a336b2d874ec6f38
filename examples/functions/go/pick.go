package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// pick [document, path] returns the value at a path such as a.b[2].c, or null
// when nothing is there. The document is a JSON value, or a string that holds
// one. The empty path is the whole document; a key that is no plain name goes
// in brackets and quotes: a["b.c"][0]. Values come out as they went in: numbers
// keep their digits and objects the order of their keys.
func pick(args arguments) (any, error) {
	if err := args.count(2, 2, "[document, path]"); err != nil {
		return nil, err
	}
	path, err := args.text(1, "path")
	if err != nil {
		return nil, err
	}
	steps, err := parsePath(path)
	if err != nil {
		return nil, fmt.Errorf("path %q: %w", path, err)
	}
	document := args[0]
	if document[0] == '"' {
		inner, err := args.text(0, "document")
		if err != nil {
			return nil, err
		}
		document = json.RawMessage(inner)
		if !json.Valid(document) {
			return nil, fmt.Errorf("document is a string, but not one of JSON: %s", shorten(document))
		}
	}
	return follow(document, steps), nil
}

// A step goes to the member named key, or to the element at index.
type step struct {
	key     string
	index   int
	byIndex bool
}

// follow takes the steps one after the other, and returns nil where there is
// no such member or element. The value must be valid JSON.
func follow(value json.RawMessage, steps []step) any {
	for _, s := range steps {
		if value = s.from(value); value == nil {
			return nil
		}
	}
	return value
}

// from returns what the step leads to, or nil. It reads one member or element
// at a time: a slice or map of all would cost many times the document's size.
func (s step) from(value json.RawMessage) json.RawMessage {
	opening := json.Delim('{')
	if s.byIndex {
		opening = '['
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	if token, err := dec.Token(); err != nil || token != opening {
		return nil
	}
	var found, current json.RawMessage
	for i := 0; dec.More(); i++ {
		var key json.Token
		var err error
		if !s.byIndex {
			key, err = dec.Token()
		}
		if err != nil || dec.Decode(&current) != nil {
			return nil
		}
		switch {
		case s.byIndex && i == s.index:
			return current
		case !s.byIndex && key == s.key:
			found = bytes.Clone(current) // of equal keys the last counts, as everywhere in Go
		}
	}
	return found
}

func parsePath(path string) ([]step, error) {
	var steps []step
	for rest := path; rest != ""; {
		var s step
		var err error
		switch {
		case rest[0] == '[':
			s, rest, err = parseBrackets(rest)
		case len(steps) == 0:
			s, rest, err = parseKey(rest)
		case rest[0] == '.':
			s, rest, err = parseKey(rest[1:])
		default:
			err = fmt.Errorf("want . or [ before %q", rest)
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// parseKey takes a key off rest, up to the next . or bracket.
func parseKey(rest string) (step, string, error) {
	end := strings.IndexAny(rest, ".[]")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		return step{}, "", fmt.Errorf("a key is missing before %q", rest)
	}
	return step{key: rest[:end]}, rest[end:], nil
}

// parseBrackets takes [7] or ["key"] off rest.
func parseBrackets(rest string) (step, string, error) {
	if strings.HasPrefix(rest, `["`) {
		quoted, err := strconv.QuotedPrefix(rest[1:])
		if err != nil {
			return step{}, "", fmt.Errorf("the quote in %q does not end", rest)
		}
		after, ok := strings.CutPrefix(rest[1+len(quoted):], "]")
		var key string
		if !ok || json.Unmarshal([]byte(quoted), &key) != nil {
			return step{}, "", fmt.Errorf(`want ["key"] at %q`, rest)
		}
		return step{key: key}, after, nil
	}
	inside, after, ok := strings.Cut(rest[1:], "]")
	if !ok {
		return step{}, "", fmt.Errorf("] is missing after %q", rest)
	}
	index, err := strconv.ParseUint(inside, 10, 31)
	if err != nil {
		return step{}, "", fmt.Errorf("want an index from 0 in [%s]", inside)
	}
	return step{index: int(index), byIndex: true}, after, nil
}
