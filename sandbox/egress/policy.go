package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// How many host patterns a policy may have, how long each may be, and how long
// all globs may be together. That bounds what it costs to look at one host: at
// worst, when the globs are all stars, some 20 ms; a glob as people write them
// takes 1 µs.
const (
	MaxPatterns     = 256
	MaxPatternBytes = 255
	MaxGlobBytes    = 4096
)

// Policy says what may be asked. The zero value allows nothing.
type Policy struct {
	// Hosts are patterns of host names, without scheme and port. A pattern is a
	// name, an IP address (IPv6 also in brackets), or a glob:
	//
	//	*        any characters, also none; dots are nothing special
	//	?        any one character
	//	[a-z0]   one of these; [!a-z] or [^a-z]: one that is none of these
	//	{a,b*}   one of these patterns
	//	\x       the character x
	//
	// Case does not matter, and a pattern matches the whole name. At most
	// MaxPatterns, each at most MaxPatternBytes long, the globs together at most
	// MaxGlobBytes.
	Hosts []string

	// Addresses are ranges that may be connected to although they do not belong
	// to the public internet. The host must match all the same.
	Addresses []netip.Prefix
}

// hosts are the patterns of a Policy, compiled.
type hosts struct {
	exact     map[string]bool // names and IP addresses, as normalize writes them
	globs     []*glob
	globBytes int // of the patterns that the globs were
}

// compileHosts joins the faults of all patterns.
func compileHosts(patterns []string) (hosts, error) {
	h := hosts{exact: map[string]bool{}}
	if len(patterns) > MaxPatterns {
		return h, fmt.Errorf("%d host patterns: at most %d", len(patterns), MaxPatterns)
	}
	var faults []error
	for _, p := range patterns {
		if err := h.add(p); err != nil {
			faults = append(faults, fmt.Errorf("host pattern %s: %w", quote(p), err))
		}
	}
	if h.globBytes > MaxGlobBytes {
		faults = append(faults, fmt.Errorf("host patterns: %d bytes of globs, at most %d", h.globBytes, MaxGlobBytes))
	}
	return h, errors.Join(faults...)
}

func (h *hosts) add(pattern string) error {
	if len(pattern) > MaxPatternBytes {
		return fmt.Errorf("longer than %d bytes", MaxPatternBytes)
	}
	p := strings.TrimSuffix(strings.ToLower(pattern), ".")
	if p == "" {
		return errors.New("empty")
	}
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(p, "["), "]")); err == nil {
		if ip.Zone() != "" {
			return errors.New("an address has no zone here")
		}
		h.exact[ip.Unmap().String()] = true
		return nil
	}
	for _, c := range []byte(p) {
		switch {
		case c == '/' || c == ':':
			return errors.New("only the host: no scheme, port or path")
		case c == '@':
			return errors.New("only the host: no user")
		case c >= 0x80:
			return errors.New("not ASCII: write the name in its xn-- form")
		case c <= ' ' || c == 0x7f:
			return errors.New("a space or control character")
		}
	}
	if !strings.ContainsAny(p, `*?[]{}\`) {
		h.exact[p] = true
		return nil
	}
	g, err := compileGlob(p)
	if err != nil {
		return err
	}
	h.globs = append(h.globs, g)
	h.globBytes += len(p)
	return nil
}

// match reports whether a host, as normalize writes it, may be asked.
func (h *hosts) match(host string) bool {
	if h.exact[host] {
		return true
	}
	for _, g := range h.globs {
		if g.match(host) {
			return true
		}
	}
	return false
}

// compileAddresses joins the faults of all ranges, and writes those of
// IPv4-mapped addresses as the IPv4 ones that they are.
func compileAddresses(ranges []netip.Prefix) ([]netip.Prefix, error) {
	var faults []error
	out := make([]netip.Prefix, 0, len(ranges))
	for i, p := range ranges {
		switch {
		case !p.IsValid():
			faults = append(faults, fmt.Errorf("address range %d: not a valid one", i))
		case p.Addr().Is4In6() && p.Bits() >= 96:
			out = append(out, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96))
		default:
			out = append(out, p)
		}
	}
	return out, errors.Join(faults...)
}
