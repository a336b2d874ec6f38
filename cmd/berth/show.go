package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// show writes a JSON answer: as it is for scripts, else as lines "key  value" in the order of the answer, so that what the
// host learns to tell is shown without a new berth.
func (a *app) show(body []byte) error {
	if a.json {
		var b bytes.Buffer
		if err := json.Indent(&b, body, "", "  "); err != nil {
			return fail(exitFailure, "the answer is not JSON: %w", err)
		}
		_, err := fmt.Fprintf(a.out, "%s\n", bytes.TrimSpace(b.Bytes()))
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	if err := showObject(w, "", body); err != nil {
		return fail(exitFailure, "the answer is not a JSON object: %w", err)
	}
	return w.Flush()
}

// showObject writes the keys of an object, and those of the objects in it indented below.
func showObject(w io.Writer, indent string, object []byte) error {
	dec := json.NewDecoder(bytes.NewReader(object))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return fmt.Errorf("%.100q begins no object", object)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if err := showValue(w, indent, fmt.Sprint(key), value); err != nil {
			return err
		}
	}
	return nil
}

func showValue(w io.Writer, indent, key string, value json.RawMessage) error {
	var list []json.RawMessage
	switch {
	case value[0] == '{' && string(value) != "{}":
		fmt.Fprintf(w, "%s%s:\t\n", indent, key)
		return showObject(w, indent+"  ", value)
	case value[0] == '[' && json.Unmarshal(value, &list) == nil && len(list) > 0:
		return showList(w, indent, key, list)
	}
	fmt.Fprintf(w, "%s%s:\t%s\n", indent, key, orDash(text(value)))
	return nil
}

// showList writes words behind one another, and sentences and objects one below the other.
func showList(w io.Writer, indent, key string, list []json.RawMessage) error {
	var words []string
	for _, entry := range list {
		if word := text(entry); entry[0] != '{' && !strings.Contains(word, " ") {
			words = append(words, word)
		}
	}
	if len(words) == len(list) {
		fmt.Fprintf(w, "%s%s:\t%s\n", indent, key, printable(strings.Join(words, ", ")))
		return nil
	}
	fmt.Fprintf(w, "%s%s:\t\n", indent, key)
	for _, entry := range list {
		if entry[0] != '{' {
			fmt.Fprintf(w, "%s  -\t%s\n", indent, printable(text(entry)))
			continue
		}
		fmt.Fprintf(w, "%s  -\t\n", indent)
		if err := showObject(w, indent+"    ", entry); err != nil {
			return err
		}
	}
	return nil
}

// text is a JSON value as a reader wants it: strings without quotes, and nothing for what is empty.
func text(value json.RawMessage) string {
	switch string(value) {
	case "{}", "[]", "null":
		return ""
	}
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

// printable keeps what a plugin says from moving the cursor of who reads it, and tables in shape.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
