package goplugin

import (
	"errors"
	"reflect"

	"berth/host"
)

// made is what a symbol gives: one object, or as many as one likes.
type made[T any] struct {
	first T
	again func() T // nil: the symbol is an object, and there is one
}

// The types of symbols in words.
const (
	functionType = "api.Function"
	sourceType   = "api.Source"
	sinkType     = "api.Sink"
)

var errNoSymbol = errors.New("the plugin exports no symbol")

// find finds the symbol of a name: the name with its first letter in upper case,
// and the suffix. It is a T, or a function that makes one.
func find[T any](from symbols, name, suffix, contract string) (m made[T], err error) {
	symbol := host.Exported(name) + suffix
	v, err := from.lookup(symbol)
	if err != nil {
		return m, host.Fail(host.CodeInvalid, "%w %s, which has to be there for %q", errNoSymbol, symbol, name)
	}
	if !m.take(v) && !m.take(variable(v)) {
		return m, host.Fail(host.CodeInvalid, "the symbol %s is of type %T: it has to be a %s, or a func() %[3]s", symbol, v, contract)
	}
	if m.again != nil {
		m.first, err = construct(m.again)
	}
	if err == nil && any(m.first) == nil {
		err = errors.New("it is nil")
	}
	if err != nil {
		return m, host.Fail(host.CodeInvalid, "the symbol %s gives no %s: %w", symbol, contract, err)
	}
	return m, nil
}

func (m *made[T]) take(v any) (ok bool) {
	switch v := v.(type) {
	case T:
		m.first = v
	case func() T:
		m.again = v
	default:
		return false
	}
	return true
}

// variable is what a variable holds. Go looks up a variable as a pointer to it.
func variable(v any) any {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return nil
	}
	return p.Elem().Interface()
}

// construct calls a constructor of the plugin.
func construct[T any](constructor func() T) (object T, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = trapOf(fault)
		}
	}()
	return constructor(), nil
}
