package host

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestCodeOf(t *testing.T) {
	plain := errors.New("plain")
	for _, test := range []struct {
		err  error
		want Code
	}{
		{plain, CodeInternal},
		{context.DeadlineExceeded, CodeTimeout},
		{fmt.Errorf("x: %w", context.Canceled), CodeCanceled},
		{Fail(CodeTrap, "x: %w", context.Canceled), CodeTrap},
		{fmt.Errorf("x: %w", Fail(CodeConflict, "y")), CodeConflict},
		{at(at(Fail(CodeTooLarge, "x"), "call", "", "f"), "load", "p", ""), CodeTooLarge},
	} {
		if got := CodeOf(test.err); got != test.want {
			t.Errorf("CodeOf(%v) = %v, want %v", test.err, got, test.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("it broke")
	for _, test := range []struct {
		err         error
		text, cause string
	}{
		{at(cause, "call", "p", "f"), "call plugin p function f: it broke", "it broke"},
		{at(cause, "drop", "", ""), "drop: it broke", "it broke"},
		{Fail(CodeInvalid, "no place"), "no place", "no place"},
		{at(Fail(CodeInvalid, "inner"), "install", "p", ""), "install plugin p: inner", "inner"},
		{at(&Error{Plugin: "first", Err: cause}, "call", "second", "f"), "call plugin first function f: it broke", "it broke"},
		{at(fmt.Errorf("around: %w", Fail(CodeInvalid, "inner")), "install", "p", ""), "install plugin p: around: inner", "around: inner"},
		{cause, "it broke", "it broke"},
	} {
		if got := test.err.Error(); got != test.text {
			t.Errorf("text %q, want %q", got, test.text)
		}
		if got := Cause(test.err); got != test.cause {
			t.Errorf("Cause %q, want %q", got, test.cause)
		}
	}
	if at(nil, "x", "", "") != nil {
		t.Error("no error became one")
	}
	if !errors.Is(at(cause, "x", "", ""), cause) {
		t.Error("the cause is lost")
	}
}
