package host

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// What one manifest may ask for.
const (
	maxHosts      = 256
	maxPaths      = 64
	maxPath       = 4096
	maxVariables  = 1024             // entries of env, and of config
	maxEnv        = Bytes(128 << 10) // names and values together
	maxConfigSize = Bytes(1 << 20)   // keys and values together
)

// Capabilities is what a sandboxed plugin asks for; it gets nothing else, and of
// it only what the operator's Policy allows.
type Capabilities struct {
	// Hosts are patterns of the hosts that it may send HTTP requests to: see
	// CheckHostPattern.
	Hosts []string `json:"hosts,omitempty"`
	// Paths are folders by what they are called on the host, relative ones in
	// the plugin's own data folder, and what the guest calls them, with ":ro" at
	// the end if they are only to be read.
	Paths map[string]string `json:"paths,omitempty"`
	// Env is the environment.
	Env map[string]string `json:"env,omitempty"`
	// Config is what the plugin's ABI passes as configuration.
	Config map[string]string `json:"config,omitempty"`
	// Clock is the time of day and a clock that advances, and to sleep.
	Clock bool `json:"clock,omitempty"`
	// Random is real randomness.
	Random bool `json:"random,omitempty"`
}

// Asked names the capabilities that are asked for, sorted.
func (c Capabilities) Asked() []string {
	var asked []string
	for name, is := range map[string]bool{
		"hosts": len(c.Hosts) > 0, "paths": len(c.Paths) > 0, "env": len(c.Env) > 0, "config": len(c.Config) > 0,
		"clock": c.Clock, "random": c.Random,
	} {
		if is {
			asked = append(asked, name)
		}
	}
	slices.Sort(asked)
	return asked
}

// validate checks what is asked for; key gives the name of a capability in the
// manifest.
func (c Capabilities) validate(key func(capability string) string) error {
	var faults []error
	fault := func(capability, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%q: "+format, append([]any{key(capability)}, args...)...))
	}
	if len(c.Hosts) > maxHosts {
		fault("hosts", "%d patterns: at most %d are allowed", len(c.Hosts), maxHosts)
	}
	for _, pattern := range c.Hosts {
		if err := CheckHostPattern(pattern); err != nil {
			fault("hosts", "%w", err)
		}
	}
	for _, err := range c.checkPaths() {
		fault("paths", "%w", err)
	}
	for name, value := range c.Env {
		switch {
		case name == "":
			fault("env", "a variable has no name")
		case strings.ContainsAny(name, "=\x00"):
			fault("env", "%q has a \"=\" or a zero byte, which no variable's name can have", clip(name))
		case strings.Contains(value, "\x00"):
			fault("env", "the value of %q has a zero byte", clip(name))
		}
	}
	if _, ok := c.Config[""]; ok {
		fault("config", "an entry has no key")
	}
	for capability, entries := range map[string]map[string]string{"env": c.Env, "config": c.Config} {
		most := maxEnv
		if capability == "config" {
			most = maxConfigSize
		}
		var size Bytes
		for name, value := range entries {
			size += Bytes(len(name) + len(value))
		}
		if size > most || len(entries) > maxVariables {
			fault(capability, "%d entries with %d bytes: at most %d with %v are allowed", len(entries), size, maxVariables, most)
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// checkPaths says what is wrong with the paths.
func (c Capabilities) checkPaths() (faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(c.Paths) > maxPaths {
		fault("%d folders: at most %d are allowed", len(c.Paths), maxPaths)
	}
	seen := map[string]bool{}
	for folder, called := range c.Paths {
		guest, _ := guestPath(called)
		switch {
		case folder == "":
			fault("a folder has no name: \".\" is the plugin's own data folder")
		case len(folder) > maxPath || len(guest) > maxPath:
			fault("%q is longer than %d bytes", clip(folder), maxPath)
		case strings.Contains(folder, "\x00") || strings.Contains(guest, "\x00"):
			fault("%q has a zero byte", clip(folder))
		case slices.Contains(strings.Split(filepath.ToSlash(folder), "/"), ".."):
			fault("%q has \"..\" in it: relative folders lie in the plugin's own data folder, others are given by their absolute path", clip(folder))
		case !path.IsAbs(guest) || path.Clean(guest) != guest:
			fault("%q is to be %q for the guest, which is no absolute path in its shortest form, such as /data", clip(folder), clip(guest))
		case seen[guest]:
			fault("two folders are to be %q for the guest", clip(guest))
		}
		seen[guest] = true
	}
	return faults
}

// guestPath reads what a folder is to be for the guest: "/data" or "/data:ro".
func guestPath(called string) (guest string, readOnly bool) {
	return strings.CutSuffix(called, readOnlySuffix)
}

// readOnlySuffix marks a path that is only to be read.
const readOnlySuffix = ":ro"
