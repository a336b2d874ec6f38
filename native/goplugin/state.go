package goplugin

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// values is the state of an operation.
type values interface {
	get(key string) (any, error) // nil if there is none
	put(key string, value any) error
	remove(key string) error
}

// kept is state that is kept in a State, under "<operation>/<key>".
type kept struct {
	in State
	op string
}

func (k kept) get(key string) (any, error) {
	data, found, err := k.in.Get(k.op + "/" + key)
	if err != nil || !found {
		return nil, err
	}
	return decodeState(data)
}

func (k kept) put(key string, value any) error {
	data, err := encodeState(value)
	if err != nil {
		return fmt.Errorf("state %q: %w", key, err)
	}
	return k.in.Put(k.op+"/"+key, data)
}

func (k kept) remove(key string) error { return k.in.Delete(k.op + "/" + key) }

// live is state of an api.Store: values as they are.
type live struct{ *sync.Map }

func (l live) get(key string) (any, error) {
	v, _ := l.Load(key)
	return v, nil
}

func (l live) put(key string, value any) error {
	l.Store(key, value)
	return nil
}

func (l live) remove(key string) error {
	l.Delete(key)
	return nil
}

// The first byte of a value that is kept says what follows.
const (
	stateNil    = 'n' // nothing
	stateBool   = 'b' // 0 or 1
	stateInt    = 'i' // a varint
	stateInt64  = 'l' // a varint
	stateFloat  = 'f' // eight bytes, big-endian
	stateString = 's' // the text
	stateBytes  = 'x' // the bytes
	stateGob    = 'g' // a gob stream of a box
)

// box lets gob write the type of a value beside it.
type box struct{ Value any }

// encodeState makes bytes of a value, from which decodeState makes a value of the
// same type: nil, bool, int, int64, float64, string and []byte in a form of their
// own, and what encoding/gob can encode: the other numbers and slices of them,
// time.Time, time.Duration, map[string]any, []any, []map[string]any, and
// types that the plugin registered with gob.Register.
func encodeState(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return []byte{stateNil}, nil
	case bool:
		if v {
			return []byte{stateBool, 1}, nil
		}
		return []byte{stateBool, 0}, nil
	case int:
		return binary.AppendVarint([]byte{stateInt}, int64(v)), nil
	case int64:
		return binary.AppendVarint([]byte{stateInt64}, v), nil
	case float64:
		return binary.BigEndian.AppendUint64([]byte{stateFloat}, math.Float64bits(v)), nil
	case string:
		return append([]byte{stateString}, v...), nil
	case []byte:
		return append([]byte{stateBytes}, v...), nil
	}
	registerTypes()
	out := bytes.NewBuffer([]byte{stateGob})
	if err := gob.NewEncoder(out).Encode(box{v}); err != nil {
		return nil, fmt.Errorf("a %T cannot be kept: %w", v, err)
	}
	return out.Bytes(), nil
}

// registerTypes tells gob of the types that plugins use and gob does not know by
// itself. It may be called again and again.
func registerTypes() {
	for _, v := range []any{map[string]any{}, []any{}, []map[string]any{}, map[string]string{}, map[string]int{}, map[string]int64{}, map[string]float64{}, time.Time{}, time.Duration(0)} {
		gob.Register(v)
	}
}

var errState = errors.New("the state that was kept is damaged")

// decodeState is the inverse of encodeState. It is fed with what this host wrote.
func decodeState(data []byte) (any, error) {
	if len(data) == 0 {
		return nil, errState
	}
	kind, data := data[0], data[1:]
	switch kind {
	case stateNil:
		return nil, nil
	case stateBool:
		return len(data) == 1 && data[0] == 1, nil
	case stateInt, stateInt64:
		n, size := binary.Varint(data)
		if size <= 0 {
			return nil, errState
		}
		if kind == stateInt {
			return int(n), nil
		}
		return n, nil
	case stateFloat:
		if len(data) != 8 {
			return nil, errState
		}
		return math.Float64frombits(binary.BigEndian.Uint64(data)), nil
	case stateString:
		return string(data), nil
	case stateBytes:
		return bytes.Clone(data), nil
	case stateGob:
		registerTypes()
		var b box
		if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&b); err != nil {
			return nil, fmt.Errorf("%w: %w", errState, err)
		}
		return b.Value, nil
	}
	return nil, errState
}

// memory is a State that ends with the library.
type memory struct {
	mu     sync.Mutex // guards values
	values map[string][]byte
}

func newMemory() *memory { return &memory{values: map[string][]byte{}} }

// Get implements State.
func (m *memory) Get(key string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	return v, ok, nil // it is never written to
}

// Put implements State.
func (m *memory) Put(key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = bytes.Clone(value)
	return nil
}

// Delete implements State.
func (m *memory) Delete(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
	return nil
}
