package host

import (
	"fmt"
	"slices"
)

// MatchHosts returns what tells whether a host is one of those that the patterns
// stand for: see CheckHostPattern. The host is to be in lower case and without a
// dot at its end, an address in its shortest form and without brackets; globs see
// an address as the text it is. The pattern "*" stands for every host, other globs
// for names in ASCII only. It may be called concurrently.
func MatchHosts(patterns []string) (func(host string) bool, error) {
	var globs []string
	for _, pattern := range patterns {
		expanded, err := alternatives(pattern)
		if err != nil {
			return nil, err
		}
		globs = append(globs, expanded...)
	}
	if len(globs) == 0 {
		return nil, fmt.Errorf("there is no host pattern: give one, or \"*\" for every host")
	}
	if slices.Contains(globs, "*") {
		return func(string) bool { return true }, nil
	}
	return func(host string) bool {
		return slices.Contains(globs, host) || isHostName(host) && slices.ContainsFunc(globs, func(glob string) bool { return matchGlob(glob, host) })
	}, nil
}

// isHostName tells whether a name has no character that a pattern cannot have:
// one in other letters may be taken for another name when it is resolved.
func isHostName(name string) bool {
	for i := 0; i < len(name); i++ {
		if !isHostByte(name[i]) {
			return false
		}
	}
	return name != ""
}
