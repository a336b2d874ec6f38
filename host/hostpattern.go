package host

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A host pattern is the name of a host or a glob over names, as in Extism's
// allowed_hosts:
//
//   - any characters, dots too, or none: "*" is every host
//     ?        any one character
//     [a-z]    one character of the class; [!a-z] one that is not of it
//     {a,b}    either of the alternatives, which may be patterns themselves
//
// Case does not matter, nor does a dot at the end of a name. Scheme, port and
// path are no part of it; an IPv6 address is written without brackets.
const (
	maxHostPattern  = 255 // bytes
	maxAlternatives = 64  // of one pattern's braces, multiplied out
)

// CheckHostPattern tells whether s is a host pattern: see MatchHost. The error
// says what is wrong with it, without a code.
func CheckHostPattern(s string) error {
	_, err := alternatives(s)
	return err
}

// MatchHost tells whether the pattern matches the name of a host or its address,
// as a URL has it but without brackets. A name with other letters than ASCII's is
// given in its ASCII form. A malformed pattern matches nothing.
func MatchHost(pattern, name string) bool {
	globs, err := alternatives(pattern)
	if err != nil {
		return false
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if address, err := netip.ParseAddr(name); err == nil {
		name = address.String() // there are several ways to write one
	}
	return slices.ContainsFunc(globs, func(glob string) bool { return matchGlob(glob, name) })
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
	case strings.Contains(pattern, ":"):
		address, err := netip.ParseAddr(pattern)
		if err != nil || address.Zone() != "" {
			return nil, fmt.Errorf("the host pattern %q has a colon and is no IPv6 address: give the host's name alone, without port and brackets", shown)
		}
		return []string{address.String()}, nil
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
			depth++
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
				return fmt.Errorf("has a character class that is not like [a-z] or [!a-z]")
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
	for i := range len(members) {
		if !isHostByte(members[i]) {
			return "", false
		}
	}
	return s[:end+1], members != ""
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
		if slices.ContainsFunc(policy, func(p string) bool { return covers(p, glob) }) {
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
