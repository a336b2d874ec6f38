package goplugin

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/PaesslerAG/gval"
	"github.com/PaesslerAG/jsonpath"
)

// paths are JSON paths in the language of eKuiper: gval's expressions with
// $-paths, wildcards, slices, filters and {#1: ...} objects in them.
type paths struct {
	parsed[gval.Evaluable]
}

// evaluate looks up a path in data: maps, lists, and texts that are JSON.
func (p *paths) evaluate(ctx context.Context, path string, data any) (any, error) {
	evaluable, err := p.get(path, func(path string) (gval.Evaluable, error) {
		return gval.Full(jsonpath.PlaceholderExtension()).NewEvaluable(path)
	})
	if err != nil {
		return nil, err
	}
	if data, err = plain(data); err != nil {
		return nil, err
	}
	return evaluable(ctx, data)
}

// plain makes data what the paths understand: map[string]any and []any.
func plain(data any) (any, error) {
	switch v := data.(type) {
	case map[string]any, []any:
		if !nested(v) {
			return v, nil
		}
	case string:
		var parsed any
		if err := json.Unmarshal([]byte(v), &parsed); err != nil {
			return nil, fmt.Errorf("data '%v' is not a valid json string", v)
		}
		return parsed, nil
	case nil:
		return nil, nil
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	var out any
	err = json.Unmarshal(text, &out)
	return out, err
}

// nested tells whether there are maps or lists of other types inside.
func nested(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			if nested(inner) {
				return true
			}
		}
		return false
	case []any:
		for _, inner := range v {
			if nested(inner) {
				return true
			}
		}
		return false
	case nil, bool, string, float64, int, int64, []byte:
		return false
	}
	return true
}
