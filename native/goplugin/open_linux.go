//go:build cgo

package goplugin

import (
	"errors"
	"plugin"
)

// errUnsupported is never the error here.
var errUnsupported = errors.New("no Go plugins")

// load loads a plugin and runs its init functions.
func load(path string) (symbols, error) {
	p, err := plugin.Open(path)
	if err != nil {
		return nil, err
	}
	return loaded{p}, nil
}

type loaded struct{ *plugin.Plugin }

func (l loaded) lookup(name string) (any, error) { return l.Lookup(name) }
