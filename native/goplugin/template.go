package goplugin

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"text/template"
)

// maxParsed bounds how many texts of one kind a library keeps parsed; further ones
// are parsed each time.
const maxParsed = 256

// parsed keeps what texts were parsed to.
type parsed[T any] struct {
	mu   sync.Mutex // guards kept
	kept map[string]T
}

func (p *parsed[T]) get(text string, parse func(string) (T, error)) (T, error) {
	p.mu.Lock()
	t, ok := p.kept[text]
	p.mu.Unlock()
	if ok {
		return t, nil
	}
	t, err := parse(text)
	if err != nil {
		return t, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil {
		p.kept = map[string]T{}
	}
	if len(p.kept) < maxParsed {
		p.kept[strings.Clone(text)] = t
	}
	return t, nil
}

// templates are text/template's, with the functions of templateFunctions.
type templates struct {
	parsed[*template.Template]
}

func (t *templates) execute(text string, data any) (string, error) {
	if open := strings.Index(text, "{{"); open < 0 || !strings.Contains(text[open:], "}}") {
		return text, nil
	}
	tp, err := t.get(text, func(text string) (*template.Template, error) {
		return template.New("sink").Funcs(templateFunctions()).Parse(text)
	})
	if err != nil {
		return fmt.Sprintf("%v", data), fmt.Errorf("the template is invalid: %w", err)
	}
	var out strings.Builder
	if err := tp.Execute(&out, data); err != nil {
		return fmt.Sprintf("%v", data), err
	}
	return out.String(), nil
}

// templateFunctions are eKuiper's own, json and base64, and of Sprig's, which
// eKuiper has all of, those that rules use most; docs/native.md lists them.
func templateFunctions() template.FuncMap {
	return template.FuncMap{
		"json":       toJSON,
		"toJson":     toJSON,
		"base64":     toBase64,
		"b64enc":     func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"b64dec":     fromBase64,
		"upper":      strings.ToUpper,
		"lower":      strings.ToLower,
		"trim":       strings.TrimSpace,
		"trimAll":    func(cutset, s string) string { return strings.Trim(s, cutset) },
		"trimPrefix": func(prefix, s string) string { return strings.TrimPrefix(s, prefix) },
		"trimSuffix": func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
		"replace":    func(old, new, s string) string { return strings.ReplaceAll(s, old, new) },
		"contains":   func(part, s string) bool { return strings.Contains(s, part) },
		"hasPrefix":  func(prefix, s string) bool { return strings.HasPrefix(s, prefix) },
		"hasSuffix":  func(suffix, s string) bool { return strings.HasSuffix(s, suffix) },
		"splitList":  func(separator, s string) []string { return strings.Split(s, separator) },
		"quote":      func(v any) string { return strconv.Quote(fmt.Sprint(v)) },
		"toString":   func(v any) string { return fmt.Sprint(v) },
		"default":    orDefault,
		"ternary": func(yes, no any, is bool) any {
			if is {
				return yes
			}
			return no
		},
	}
}

func toJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// toBase64 encodes texts, numbers and booleans as they are written, and maps as
// JSON.
func toBase64(v any) (string, error) {
	var text string
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint64, reflect.String:
		text = fmt.Sprint(v)
	case reflect.Float32:
		text = strconv.FormatFloat(r.Float(), 'f', -1, 32)
	case reflect.Float64:
		text = strconv.FormatFloat(r.Float(), 'f', -1, 64)
	case reflect.Map:
		var err error
		if text, err = toJSON(v); err != nil {
			return "", err
		}
	default:
		return "", fmt.Errorf("base64 of a %T: texts, numbers, booleans and maps can be encoded", v)
	}
	return base64.StdEncoding.EncodeToString([]byte(text)), nil
}

func fromBase64(s string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(s)
	return string(data), err
}

func orDefault(otherwise any, v ...any) any {
	if len(v) == 0 {
		return otherwise
	}
	switch r := reflect.ValueOf(v[0]); r.Kind() {
	case reflect.Invalid:
		return otherwise
	case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
		if r.Len() == 0 {
			return otherwise
		}
	default:
		if r.IsZero() {
			return otherwise
		}
	}
	return v[0]
}
