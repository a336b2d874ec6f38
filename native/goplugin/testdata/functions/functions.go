// Plugin functions is what the tests of goplugin call.
package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// version is replaced to make another build.
const version = 1

// none is the part of api.Function that most share.
type none struct{}

func (none) Validate([]any) error { return nil }
func (none) IsAggregate() bool    { return false }

type echo struct{ none }

func (echo) Validate(args []any) error {
	if len(args) != 1 {
		return fmt.Errorf("echo function only supports 1 parameter but got %d", len(args))
	}
	return nil
}

func (echo) Exec(_ api.FunctionContext, args []any) (any, bool) { return args[0], true }

// Echo is an object with methods on values.
var Echo echo

type add struct {
	none
	validated int
}

func (a *add) Validate(args []any) error {
	a.validated++
	if len(args) != 2 {
		return errors.New("add takes two numbers")
	}
	return nil
}

func (a *add) Exec(_ api.FunctionContext, args []any) (any, bool) {
	x, ok := args[0].(float64)
	y, ok2 := args[1].(float64)
	if !ok || !ok2 {
		return "add takes numbers", false
	}
	return x + y, true
}

// Add is an object with methods on pointers; Sum is a pointer to another.
var (
	Add add
	Sum = &add{}
)

type validated struct{ none }

func (validated) Exec(api.FunctionContext, []any) (any, bool) { return Add.validated, true }

// Validated tells how often Add was asked to validate.
func Validated() api.Function { return validated{} }

type ver struct{ none }

func (ver) Exec(api.FunctionContext, []any) (any, bool) { return version, true }

// Version is a variable that holds a constructor.
var Version = func() api.Function { return ver{} }

type accumulate struct{ none }

func (accumulate) Exec(ctx api.FunctionContext, args []any) (any, bool) {
	if err := ctx.IncrCounter("calls", 1); err != nil {
		return err, false
	}
	n, err := ctx.GetCounter("calls")
	if err != nil {
		return err, false
	}
	before, err := ctx.GetState("last")
	if err != nil {
		return err, false
	}
	if err := ctx.PutState("last", args[0]); err != nil {
		return err, false
	}
	return []any{n, before}, true
}

// Accumulate counts its calls, and remembers the last argument.
func Accumulate() api.Function { return accumulate{} }

type total struct{ none }

func (total) IsAggregate() bool { return true }

func (total) Exec(_ api.FunctionContext, args []any) (any, bool) {
	sum := 0.0
	for _, v := range args[0].([]any) {
		sum += v.(float64)
	}
	return sum, true
}

// Total aggregates.
func Total() api.Function { return total{} }

type give struct{ none }

func (give) Exec(_ api.FunctionContext, args []any) (any, bool) {
	switch args[0] {
	case "nan":
		return math.NaN(), true
	case "bytes":
		return []byte("hello"), true
	case "time":
		return time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), true
	case "int":
		return -7, true
	case "int64":
		return int64(math.MaxInt64), true
	case "map":
		return map[string]any{"a": []int{1, 2}}, true
	case "nil":
		return nil, true
	case "chan":
		return make(chan int), true
	case "error":
		return errors.New("an error as the result"), true
	case "failed":
		return errors.New("it failed"), false
	case "text failed":
		return "it failed, too", false
	case "nothing failed":
		return nil, false
	case "panics in its text":
		return rude{}, true
	}
	return args[0], true
}

type rude struct{}

func (rude) MarshalJSON() ([]byte, error) { panic("no JSON of this") }

// Give returns what it is asked for.
func Give() api.Function { return give{} }

type panics struct{ none }

func (panics) Validate(args []any) error {
	if len(args) == 0 {
		panic("in Validate")
	}
	return nil
}

func (panics) Exec(_ api.FunctionContext, args []any) (any, bool) {
	if args[0] == "nil" {
		var m map[string]int
		m["x"] = 1
	}
	return deeper(args), true
}

//go:noinline
func deeper(args []any) any { panic(fmt.Errorf("at %v", args[0])) }

// Panics panics.
func Panics() api.Function { return panics{} }

// Late panics when an object is made.
func Late() api.Function { panic("no object today") }

// Nothing gives no object.
func Nothing() api.Function { return nil }

// Number is of another type.
var Number = 7

// Maker makes something else.
func Maker(int) api.Function { return echo{} }

type unsure struct{ none }

func (unsure) IsAggregate() bool                                  { panic("who knows") }
func (unsure) Exec(_ api.FunctionContext, args []any) (any, bool) { return nil, true }

// Unsure panics when it is asked what it is.
func Unsure() api.Function { return unsure{} }

type own struct {
	none
	calls int
}

func (o *own) Exec(api.FunctionContext, []any) (any, bool) {
	o.calls++
	return o.calls, true
}

// Own counts the calls of each object.
func Own() api.Function { return &own{} }

// gates are where Wait waits.
var (
	Entered = make(chan struct{}, 64)
	Leave   = make(chan struct{})
)

type wait struct{ none }

func (wait) Exec(ctx api.FunctionContext, args []any) (any, bool) {
	Entered <- struct{}{}
	if len(args) > 0 {
		<-ctx.Done()
		return ctx.Err().Error(), true
	}
	<-Leave
	return "left", true
}

// Wait waits until somebody sends to Leave, or, with an argument, for its context.
func Wait() api.Function { return wait{} }

type raw struct{ none }

func (raw) Exec(_ api.FunctionContext, args []any) (any, bool) {
	in := args[0].([]byte)
	for i, j := 0, len(in)-1; i < j; i, j = i+1, j-1 {
		in[i], in[j] = in[j], in[i]
	}
	if len(in) > 3 {
		return string(in), true
	}
	return in, true
}

// Raw turns bytes around.
func Raw() api.Function { return raw{} }

type about struct{ none }

func (about) Exec(ctx api.FunctionContext, args []any) (any, bool) {
	ctx.GetLogger().Infof("about %d", ctx.GetFuncId())
	ctx.GetLogger().Warn("two", "words")
	deadline, bounded := ctx.Deadline()
	derived, cancel := ctx.WithMeta("rule2", "op2", nil).WithInstance(3).WithRun(4).WithCancel()
	if err := derived.PutState("k", 1); err != nil {
		return err, false
	}
	mine, _ := ctx.GetState("k")
	cancel()
	after := derived.Err()
	ctx.EnableTracer(true)
	text, err := ctx.ParseTemplate("{{.a | json}} {{base64 .b}}", map[string]any{"a": []int{1}, "b": "x"})
	if err != nil {
		return err, false
	}
	path, err := ctx.ParseJsonPath("$.a[1].b", map[string]any{"a": []any{1, map[string]any{"b": "found"}}})
	if err != nil {
		return err, false
	}
	ctx.SetError(errors.New("set"))
	return map[string]any{
		"rule": ctx.GetRuleId(), "op": ctx.GetOpId(), "instance": ctx.GetInstanceId(), "run": ctx.GetRunId(), "root": ctx.GetRootPath(),
		"derived": fmt.Sprint(derived.GetRuleId(), " ", derived.GetOpId(), " ", derived.GetInstanceId(), " ", derived.GetRunId()),
		"mine":    mine, "canceled": errors.Is(after, context.Canceled), "bounded": bounded && time.Until(deadline) > 0,
		"trace": derived.IsTraceEnabled(), "template": text, "path": path, "err": ctx.Err().Error(), "value": ctx.Value("none"),
	}, true
}

// About tells what its context says.
func About() api.Function { return about{} }

func main() {}
