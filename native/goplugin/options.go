package goplugin

import "berth/host"

// Options say what to open, and what it gets.
type Options struct {
	// Path is the absolute path of the build, a file that is never changed.
	Path string
	// Package is the package that the build lies in: its name, limits, manifest
	// and log hold, and its folder is the root path of contexts.
	Package *host.Package
	// Functions are those that are wanted: one has to be there at least, and none
	// of a wrong type. Without any, only those that are asked for are looked up.
	Functions []string
	// State keeps what the functions want to find again. Without it, it is kept
	// in memory until the library is closed.
	State State
	// Rule is what contexts say the rule is. It may be empty: a call over HTTP
	// is part of none.
	Rule string
	// Opened is what this process has opened before. It must be there.
	Opened *Opened
}

// State keeps values of a plugin, by key, for one rule or for calls without a
// rule. It is safe for concurrent use. A value is the caller's after Get, and is
// not kept after Put.
type State interface {
	Get(key string) (value []byte, found bool, err error)
	Put(key string, value []byte) error
	Delete(key string) error
}
