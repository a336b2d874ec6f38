package egress

import (
	"path"
	"slices"
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		match   string // separated by spaces
		refuse  string
	}{
		{"api.example.com", "api.example.com API.Example.COM api.example.com.", "example.com xapi.example.com api.example.com.evil.org"},
		{"API.Example.com.", "api.example.com", "api-example.com"},
		{"*", "a a.b.c 192.0.2.1 ::1", ""},
		{"*.example.com", "a.example.com a.b.example.com", "example.com example.com.evil.org aexample.com"},
		{"a?c.test", "abc.test a-c.test a.c.test", "ac.test abbc.test"},
		{"h[0-3a].test", "h0.test h3.test ha.test", "h4.test hb.test h.test h00.test"},
		{"h[!0-9].test", "ha.test h-.test", "h1.test h.test"},
		{"h[^0-9].test", "ha.test", "h1.test"},
		{"h[A-C].test", "ha.test hB.test", "hd.test"},
		{"{api,cdn}.example.com", "api.example.com cdn.example.com", "www.example.com apicdn.example.com"},
		{"{a*,{b,c?}}.test", "a.test axy.test b.test cx.test", "c.test bb.test"},
		{"x{,-[0-9]}.test", "x.test x-1.test", "x-.test"},
		{"{*.,}example.com", "example.com a.example.com", "aexample.com"},
		{`a\*.test`, "a*.test", "ab.test"},
		{"10.0.*", "10.0.0.1 10.0.3.4", "10.1.0.1"},
		{"127.0.0.1", "127.0.0.1 ::ffff:127.0.0.1", "127.0.0.10"},
		{"2001:DB8:0::1", "2001:db8::1", "2001:db8::2"},
		{"[2001:db8::1]", "2001:db8::1", "2001:db8::2 1 :"},
		{"::ffff:1.2.3.4", "1.2.3.4", "1.2.3.5"},
	} {
		h, err := compileHosts([]string{tt.pattern})
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		for _, name := range strings.Fields(tt.match) {
			if !h.match(seen(t, name)) {
				t.Errorf("%s does not match %s", tt.pattern, name)
			}
		}
		for _, name := range strings.Fields(tt.refuse) {
			if h.match(seen(t, name)) {
				t.Errorf("%s matches %s", tt.pattern, name)
			}
		}
	}
}

// seen is a name as patterns get it; names that are none stay.
func seen(t *testing.T, name string) string {
	t.Helper()
	if n, err := normalize(name); err == nil {
		return n
	}
	return name
}

func TestMalformedPatterns(t *testing.T) {
	patterns := []string{
		"", ".", "https://example.com", "example.com:8080", "example.com/", "me@example.com", "a b", "a\x00", "bücher.example",
		"[", "[]", "[a", "[a-", "[-a]", "[a-]", "[z-a]", "{a,b", "{a", `a\`, "fe80::1%eth0", "fe80:*",
		strings.Repeat("{", maxBraces+1) + strings.Repeat("}", maxBraces+1), strings.Repeat("a", MaxPatternBytes+1),
	}
	for _, p := range patterns {
		if _, err := New(Policy{Hosts: []string{p}}); err == nil {
			t.Errorf("%q is accepted", p)
		}
	}
	_, err := New(Policy{Hosts: append(patterns, "good.example")})
	if err == nil {
		t.Fatal("malformed patterns are accepted")
	}
	if got := strings.Count(err.Error(), "host pattern "); got != len(patterns) {
		t.Errorf("the error names %d of %d malformed patterns:\n%v", got, len(patterns), err)
	}
	if _, err := New(Policy{Hosts: make([]string, MaxPatterns+1)}); err == nil {
		t.Error("too many patterns are accepted")
	}
	long := strings.Repeat("*", MaxPatternBytes)
	if _, err := New(Policy{Hosts: slices.Repeat([]string{long}, MaxGlobBytes/MaxPatternBytes)}); err != nil {
		t.Errorf("globs of the most bytes: %v", err)
	}
	if _, err := New(Policy{Hosts: slices.Repeat([]string{long}, MaxGlobBytes/MaxPatternBytes+1)}); err == nil {
		t.Error("globs of too many bytes are accepted")
	}
}

// TestPatternsTakeNoTime is a matter of steps: an implementation that goes back
// and tries again would not end before the test's deadline.
func TestPatternsTakeNoTime(t *testing.T) {
	name := strings.Repeat("a", 253)
	for _, pattern := range []string{
		strings.Repeat("*a", 126) + "b",
		strings.Repeat("*?", 127) + "b",
		strings.Repeat("{a,aa}", 42) + "b",
		strings.Repeat("{*,*}", 50) + "b",
		strings.Repeat("{", maxBraces) + strings.Repeat("*,", 110) + strings.Repeat("}", maxBraces) + "b",
	} {
		g, err := compileGlob(pattern)
		if err != nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		if g.match(name) {
			t.Errorf("%s matches", pattern)
		}
		if len(g.program) > 4*len(pattern) {
			t.Errorf("%s: %d states for %d bytes", pattern, len(g.program), len(pattern))
		}
	}
}

// FuzzPattern compares with path.Match, which has the same language but for
// braces, [!…] and names with slashes.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"*", "a*b", "a?c", "[a-c]x", "[^a]", `\*`, "a[", "**a*", "{a,b}c", "{{a,},b}", "]", "[a-b-c]", `[\]]`} {
		f.Add(s, "abc")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > MaxPatternBytes || len(name) > maxHostBytes {
			return
		}
		g, err := compileGlob(pattern)
		if err != nil {
			return
		}
		got := g.match(name)
		if !ascii(pattern) || !ascii(name) || strings.ContainsAny(pattern+name, "{}/") || strings.Contains(pattern, "[!") {
			return
		}
		want, err := path.Match(pattern, name)
		if err == nil && got != want {
			t.Errorf("%q matches %q: %v, path.Match says %v", pattern, name, got, want)
		}
	})
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
