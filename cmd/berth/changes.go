package main

import (
	"encoding/json"
	"errors"
	"fmt"
)

// sayChanges shows an answer that lists what was done to plugins, under keys such as "installed", and under "failed" what
// could not be done, by plugin, and under "uploads" which uploaded files could not be restored, if it was a restore. These
// are the error.
func (a *app) sayChanges(answer answer, done ...string) error {
	lists := map[string]json.RawMessage{}
	var failed, uploads map[string]string
	err := json.Unmarshal(answer.body, &lists)
	if err == nil {
		err = json.Unmarshal(lists["failed"], &failed)
	}
	if of := lists["uploads"]; err == nil && of != nil {
		err = json.Unmarshal(of, &uploads)
	}
	if err != nil {
		return fail(exitFailure, "the host answered something that is not Berth's: %w", err)
	}
	if failed == nil {
		failed = map[string]string{}
	}
	for name, fault := range uploads {
		failed["uploads/"+name] = fault
	}
	if a.json {
		return errors.Join(a.show(answer.body), failures(failed))
	}
	changed := len(failed) > 0
	for _, what := range done {
		var names []string
		if err := json.Unmarshal(lists[what], &names); err != nil {
			return fail(exitFailure, "the host answered something that is not Berth's: %w", err)
		}
		for _, name := range names {
			changed = true
			fmt.Fprintf(a.out, "%s %s\n", what, printable(name))
		}
	}
	if !changed {
		fmt.Fprintln(a.out, "no plugin changed")
	}
	return failures(failed)
}

// failures is an error for each plugin that something failed for, sorted by the plugin; nil if there is none.
func failures(failed map[string]string) error {
	var faults []error
	for _, name := range sortedKeys(failed) {
		faults = append(faults, fail(exitRefused, "%s: %s", name, failed[name]))
	}
	return errors.Join(faults...)
}
