package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// exitCode is what the process ends with; scripts rely on it.
type exitCode int

// The exit codes. A new one needs a text below; doc.go and `berth help exit-codes` show them, tests compare.
const (
	exitOK exitCode = iota
	exitFailure
	exitUsage
	exitNotFound
	exitRefused
	exitRejected
	exitTrap
	exitTimeout
	exitUnavailable
	numExits

	// exitRestart is eKuiper's: a request asked it to stop after a change, for its supervisor to start it again.
	exitRestart exitCode = 100
)

var exitTexts = [numExits]string{
	exitOK:          "done",
	exitFailure:     "failed for a reason that has no code of its own",
	exitUsage:       "the command line or the configuration is wrong",
	exitNotFound:    "no such plugin, function or file (404)",
	exitRefused:     "the host refused it: malformed, not allowed, taken, too large (400, 403, 413 and other 4xx)",
	exitRejected:    "the function itself said no (422)",
	exitTrap:        "the function trapped or crashed (500)",
	exitTimeout:     "the time was up (504, 408, or --timeout)",
	exitUnavailable: "the host cannot be reached, or cannot serve now (503)",
}

// exitTable is the table as text, one code a line.
func exitTable() string {
	var b strings.Builder
	for code, text := range exitTexts {
		fmt.Fprintf(&b, "  %d  %s\n", code, text)
	}
	fmt.Fprintf(&b, "  %d  serve was ended by a request that asked for a restart (?stop=1)\n", exitRestart)
	return b.String()
}

// internalFault is the "error" of a 500 that is no trap but a fault of the host: see docs/errors.md.
const internalFault = 9500

// statusExit is the exit code for an answer of the host. number is the "error" in it, 0 if there is none.
func statusExit(status, number int) exitCode {
	switch status {
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusUnprocessableEntity:
		return exitRejected
	case http.StatusInternalServerError:
		if number == internalFault {
			return exitFailure
		}
		return exitTrap
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return exitTimeout
	case http.StatusServiceUnavailable:
		return exitUnavailable
	}
	if status/100 == 4 {
		return exitRefused
	}
	return exitFailure
}

// exitError is an error that knows the exit code it ends in.
type exitError struct {
	code exitCode
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// fail makes an exitError with a formatted text; %w wraps.
func fail(code exitCode, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// exitOf is the code that err ends in.
func exitOf(err error) exitCode {
	var e *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	}
	return exitFailure
}
