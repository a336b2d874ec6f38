package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// A function answers a call: its arguments, each one JSON value, to what will
// be the answer in JSON.
type function func(arguments) (any, error)

type arguments []json.RawMessage

// mostArguments is more than any function here wants. A longer array is refused
// as it is read, since one of many thousands could use up the memory.
const mostArguments = 8

// call decodes the JSON array of arguments, calls f, and encodes its answer.
func call(f function, input []byte) ([]byte, error) {
	args, err := parseArguments(input)
	if err != nil {
		return nil, err
	}
	answer, err := f(args)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func parseArguments(input []byte) (arguments, error) {
	dec := json.NewDecoder(bytes.NewReader(input))
	if token, err := dec.Token(); err != nil || token != json.Delim('[') || !json.Valid(input) {
		return nil, fmt.Errorf("want a JSON array of arguments, got %s", shorten(input))
	}
	var args arguments
	for dec.More() {
		if len(args) == mostArguments {
			return nil, fmt.Errorf("want at most %d arguments", mostArguments)
		}
		var arg json.RawMessage
		if err := dec.Decode(&arg); err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	return args, nil
}

// count says whether there are from least to most arguments, else usage.
func (a arguments) count(least, most int, usage string) error {
	if len(a) < least || len(a) > most {
		return fmt.Errorf("want %s, got %d arguments", usage, len(a))
	}
	return nil
}

// number returns argument i, whose name in errors is name.
func (a arguments) number(i int, name string) (float64, error) {
	var n *float64 // null leaves it nil
	if err := json.Unmarshal(a[i], &n); err != nil || n == nil {
		return 0, fmt.Errorf("%s must be a number, got %s", name, shorten(a[i]))
	}
	return *n, nil
}

// text returns argument i, whose name in errors is name.
func (a arguments) text(i int, name string) (string, error) {
	var s *string
	if err := json.Unmarshal(a[i], &s); err != nil || s == nil {
		return "", fmt.Errorf("%s must be a string, got %s", name, shorten(a[i]))
	}
	return *s, nil
}

// shorten returns the beginning of what an error shall show.
func shorten(b []byte) string {
	const most = 40
	switch {
	case len(b) == 0:
		return "nothing"
	case len(b) > most:
		return strings.ToValidUTF8(string(b[:most]), "") + "…"
	}
	return strings.ToValidUTF8(string(b), "�")
}
