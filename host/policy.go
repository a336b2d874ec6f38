package host

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
)

// Policy is what the operator lets plugins be granted. The zero Policy grants
// nothing; start from DefaultPolicy.
type Policy struct {
	// Hosts are patterns of the hosts that plugins may be granted: see
	// CheckHostPattern.
	Hosts []string
	// Addresses are ranges of addresses that are not public, such as
	// 10.0.0.0/8, which requests of plugins may reach all the same.
	Addresses []netip.Prefix
	// Paths are absolute folders that plugins may be granted, and those below
	// them; with ":ro" at the end for reading only.
	Paths []string
	// OwnData allows a plugin its own data folder.
	OwnData bool
	// Env, Config, Clock and Random allow the capabilities of these names.
	Env, Config, Clock, Random bool
}

// DefaultPolicy allows what reaches nothing outside: environment, configuration,
// clock, randomness and the plugin's own data folder.
func DefaultPolicy() Policy {
	return Policy{OwnData: true, Env: true, Config: true, Clock: true, Random: true}
}

// Grants is what a plugin gets: what its manifest asks for and the policy
// allows. Engines act upon this, not upon the manifest.
type Grants struct {
	Hosts     []string       // patterns, as CheckHostPattern takes them
	Addresses []netip.Prefix // that are not public and may be reached all the same; empty if Hosts is
	Paths     []PathGrant    // sorted by Guest
	Env       map[string]string
	Config    map[string]string
	Clock     bool
	Random    bool
}

// Denial is a capability, or a part of one, that was asked for and not granted.
type Denial struct {
	Capability string `json:"capability"` // as the manifest calls it: "hosts", "paths", ...
	Asked      string `json:"asked"`      // what was asked for
	Reason     string `json:"reason"`
}

// CheckPolicyPath tells whether s is a folder as Policy.Paths takes it: absolute
// and without "..", with ":ro" at its end or not. It need not be there yet. The
// error says what is wrong with it, without a code.
func CheckPolicyPath(s string) error {
	folder, _ := strings.CutSuffix(s, readOnlySuffix)
	switch {
	case !filepath.IsAbs(folder):
		return fmt.Errorf("%q is no absolute path", clip(s))
	case slices.Contains(strings.Split(filepath.ToSlash(folder), "/"), ".."):
		return fmt.Errorf("%q has \"..\" in it", clip(s))
	case strings.Contains(folder, "\x00"):
		return fmt.Errorf("%q has a zero byte", clip(s))
	}
	return nil
}

// Validate reports everything that is wrong with the policy.
func (p Policy) Validate() error {
	var faults []error
	for _, pattern := range p.Hosts {
		if err := CheckHostPattern(pattern); err != nil {
			faults = append(faults, fmt.Errorf("hosts: %w", err))
		}
	}
	for _, prefix := range p.Addresses {
		if !prefix.IsValid() {
			faults = append(faults, errors.New("addresses: an invalid range"))
		}
	}
	for _, folder := range p.Paths {
		if err := CheckPolicyPath(folder); err != nil {
			faults = append(faults, fmt.Errorf("paths: %w", err))
		}
	}
	return errors.Join(faults...)
}

// grantHosts returns the part of the asked patterns that the policy allows, and
// says why it is not all. It is sorted.
func (p Policy) grantHosts(asked []string, deny func(pattern, format string, args ...any)) (granted []string) {
	room := maxGlobs
	for _, pattern := range asked {
		part, whole := allowedHosts(pattern, p.Hosts)
		part = slices.DeleteFunc(part, func(s string) bool { return slices.Contains(granted, s) })
		size := 0
		for _, s := range part {
			size += len(s)
		}
		switch {
		case size > room || len(granted)+len(part) > maxHosts:
			deny(pattern, "more patterns would be granted than one plugin can have: %d, with %d characters together", maxHosts, maxGlobs)
			continue
		case whole:
		case len(part) > 0:
			deny(pattern, "granted only as %s: the policy allows no more of it", clip(strings.Join(part, ", ")))
		case len(p.Hosts) == 0:
			deny(pattern, "the policy allows no hosts")
		case isInside(strings.ToLower(pattern)):
			deny(pattern, "it may lie inside the operator's network: the policy has to name it, a pattern is not enough")
		default:
			deny(pattern, "no pattern of the policy covers it")
		}
		granted = append(granted, part...)
		room -= size
	}
	slices.Sort(granted)
	return granted
}

// grant decides what a plugin with the data folder own gets of what it asks for.
// With making, folders below own that are granted are made; an error is a failure
// to make one that is not the plugin's fault.
func (p Policy) grant(asked Capabilities, own string, making bool) (granted Grants, denied []Denial, err error) {
	deny := func(capability, what, format string, args ...any) {
		denied = append(denied, Denial{capability, clip(what), fmt.Sprintf(format, args...)})
	}
	granted.Hosts = p.grantHosts(asked.Hosts, func(pattern, format string, args ...any) { deny("hosts", pattern, format, args...) })
	if len(granted.Hosts) > 0 {
		granted.Addresses = slices.Clone(p.Addresses)
	}
	for _, folder := range sortedKeys(asked.Paths) {
		grant, reason, err := p.grantPath(folder, asked.Paths[folder], own, making)
		if err != nil {
			return Grants{}, nil, err
		}
		if reason != "" {
			deny("paths", folder, "%s", reason)
		}
		if grant.Host != "" {
			granted.Paths = append(granted.Paths, grant)
		}
	}
	slices.SortFunc(granted.Paths, func(a, b PathGrant) int { return strings.Compare(a.Guest, b.Guest) })
	const refused = "the policy does not allow it to plugins"
	whole := func(capability string, asks bool, what string, allows bool) bool {
		if asks && !allows {
			deny(capability, what, refused)
		}
		return asks && allows
	}
	if whole("env", len(asked.Env) > 0, strings.Join(sortedKeys(asked.Env), ", "), p.Env) {
		granted.Env = asked.Env
	}
	if whole("config", len(asked.Config) > 0, strings.Join(sortedKeys(asked.Config), ", "), p.Config) {
		granted.Config = asked.Config
	}
	granted.Clock = whole("clock", asked.Clock, "clock", p.Clock)
	granted.Random = whole("random", asked.Random, "random", p.Random)
	return granted, denied, nil
}
