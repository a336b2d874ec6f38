package host

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The bounds of host patterns.
const (
	maxHostPattern  = 255  // bytes
	maxAlternatives = 64   // of one pattern's braces, multiplied out
	maxNested       = 8    // braces in braces
	maxGlobs        = 4096 // bytes of all globs that one plugin asks for, or is granted
)

// CheckHostPattern tells whether s is a host pattern:
//
//   - the name of a host in ASCII, or its address, IPv6 with brackets or without;
//   - a glob over names, as in Extism's allowed_hosts: * stands for any
//     characters, also dots or none, ? for any one, [a-z0] and [!a-z0] for one
//     that is or is not of the class, {a,b} for either.
//
// There is no scheme, port or path in it. The error says what is wrong, without a
// code.
func CheckHostPattern(s string) error {
	_, err := alternatives(s)
	return err
}

// alternatives checks a pattern, puts it into lower case and multiplies its
// braces out.
func alternatives(pattern string) ([]string, error) {
	shown := clip(pattern)
	switch {
	case pattern == "":
		return nil, fmt.Errorf("an empty host pattern: give a name, or \"*\" for every host")
	case len(pattern) > maxHostPattern:
		return nil, fmt.Errorf("the host pattern %q is longer than %d characters", shown, maxHostPattern)
	case strings.Contains(pattern, "/"):
		return nil, fmt.Errorf("the host pattern %q is a URL or a path: give the host's name alone", shown)
	}
	if address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(pattern, "["), "]")); err == nil && address.Zone() == "" {
		return []string{address.Unmap().String()}, nil // there are several ways to write one
	}
	if strings.Contains(pattern, ":") {
		return nil, fmt.Errorf("the host pattern %q has a colon and is no IPv6 address: give the host's name alone, without a port", shown)
	}
	globs, err := expand(strings.TrimSuffix(strings.ToLower(pattern), "."), nil)
	if err == nil {
		for _, glob := range globs {
			if err = checkGlob(glob); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the host pattern %q %w", shown, err)
	}
	return globs, nil
}

// expand appends what a pattern's braces stand for to globs.
func expand(pattern string, globs []string) ([]string, error) {
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		if len(globs) == maxAlternatives {
			return nil, fmt.Errorf("stands for more than %d alternatives", maxAlternatives)
		}
		return append(globs, pattern), nil
	}
	depth, from := 0, open+1
	var inside []string
	for i := open; i < len(pattern); i++ {
		switch pattern[i] {
		case '{':
			if depth++; depth > maxNested {
				return nil, fmt.Errorf("has more than %d braces within each other", maxNested)
			}
			continue
		case '}':
			depth--
		case ',':
		default:
			continue
		}
		if depth > 1 || depth == 1 && pattern[i] == '}' {
			continue
		}
		inside = append(inside, pattern[from:i])
		from = i + 1
		if depth > 0 {
			continue
		}
		var err error
		for _, alternative := range inside {
			if globs, err = expand(pattern[:open]+alternative+pattern[i+1:], globs); err != nil {
				return nil, err
			}
		}
		return globs, nil
	}
	return nil, fmt.Errorf("has a { that no } ends")
}

// checkGlob refuses what is no glob without braces.
func checkGlob(glob string) error {
	if glob == "" {
		return fmt.Errorf("stands for an empty name")
	}
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '[':
			class, ok := classAt(glob[i:])
			if !ok {
				return fmt.Errorf("has a character class that is not like [a-z0] or [!a-z0]")
			}
			i += len(class) - 1
		case c == '*' || c == '?' || isHostByte(c):
		default:
			return fmt.Errorf("has the character %q: letters, digits, hyphens, underscores, dots and * ? [a-z] {a,b} are allowed, other letters in their ASCII form (xn--...)", c)
		}
	}
	return nil
}

func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// classAt returns the character class that s begins with, brackets included.
func classAt(s string) (class string, ok bool) {
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return "", false
	}
	members := strings.TrimPrefix(s[1:end], "!")
	if members == "" {
		return "", false
	}
	for i := 0; i < len(members); i++ {
		low, high := members[i], members[i]
		if i+2 < len(members) && members[i+1] == '-' {
			high = members[i+2]
			i += 2
		}
		if low == '-' || high == '-' || !isHostByte(low) || !isHostByte(high) || high < low {
			return "", false
		}
	}
	return s[:end+1], true
}

// inClass tells whether c is of a class that classAt returned.
func inClass(class string, c byte) bool {
	members, negated := strings.CutPrefix(class[1:len(class)-1], "!")
	for i := 0; i < len(members); i++ {
		low, high := members[i], members[i]
		if i+2 < len(members) && members[i+1] == '-' {
			high = members[i+2]
			i += 2
		}
		if low <= c && c <= high {
			return !negated
		}
	}
	return negated
}

// matchGlob matches a checked glob without braces. Its time is bounded by the
// product of the two lengths: only the last * is ever tried again.
func matchGlob(glob, name string) bool {
	g, n := 0, 0
	star, from := -1, 0 // the last * seen, and where in name it ends for now
	for n < len(name) {
		width := 1
		matches := false
		if g < len(glob) {
			switch glob[g] {
			case '*':
				star, from = g, n
				g++
				continue
			case '?':
				matches = true
			case '[':
				class, _ := classAt(glob[g:])
				matches, width = inClass(class, name[n]), len(class)
			default:
				matches = glob[g] == name[n]
			}
		}
		switch {
		case matches:
			g += width
			n++
		case star >= 0:
			from++
			g, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}

// isLiteral tells whether a glob without braces is the name of one host.
func isLiteral(glob string) bool { return !strings.ContainsAny(glob, "*?[") }

// covers tells whether every host that b matches is one that a matches, as far
// as that can be told without trying: a is b, or "*"; or b is one name; or a is
// "*" and a text, and b ends with that text.
func covers(a, b string) bool {
	if a == b || a == "*" {
		return true
	}
	if isLiteral(b) {
		return matchGlob(a, b)
	}
	suffix, starred := strings.CutPrefix(a, "*")
	return starred && isLiteral(suffix) && strings.HasSuffix(b, suffix)
}

// isInside tells whether a glob is the name of what may lie inside the operator's
// network: an address, or localhost. What is granted by such a name may be
// reached wherever it lies, so no glob of the policy covers it.
func isInside(glob string) bool {
	_, err := netip.ParseAddr(glob)
	return err == nil || glob == "localhost"
}

// allowedHosts returns the part of an asked pattern that the allowed ones cover,
// and whether that is all of it. Both must have been checked.
func allowedHosts(asked string, allowed []string) (granted []string, whole bool) {
	var policy []string
	for _, pattern := range allowed {
		globs, _ := alternatives(pattern)
		policy = append(policy, globs...)
	}
	globs, _ := alternatives(asked)
	whole = len(globs) > 0
	for _, glob := range globs {
		if slices.ContainsFunc(policy, func(p string) bool { return p == glob || !isInside(glob) && covers(p, glob) }) {
			granted = append(granted, glob)
			continue
		}
		whole = false
		for _, p := range policy {
			if covers(glob, p) {
				granted = append(granted, p)
			}
		}
	}
	if whole {
		return []string{asked}, true
	}
	slices.Sort(granted)
	return slices.Compact(granted), false
}
