package catalog

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestCheckHost(t *testing.T) {
	for prefix, want := range map[string]string{
		"https://packages.emqx.io": "https://packages.emqx.io",
		"http://10.0.0.1:8080/":    "http://10.0.0.1:8080",
		"http://[::1]:80/a b/c//":  "http://[::1]:80/a%20b/c",
		"HTTPS://h.test/x":         "https://h.test/x",
		"":                         "",
		"packages.emqx.io":         "",
		"ftp://h.test":             "",
		"file:///srv":              "",
		"http:h.test":              "",
		"http:///x":                "",
		"http://u:p@h.test":        "",
		"http://h.test?x=1":        "",
		"http://h.test?":           "",
		"http://h.test#":           "",
		"http://h test":            "",
		"http://h.test/\x01":       "",
		"http://h.test/%zz":        "",
	} {
		got, err := parseHost(prefix)
		if got != want || (err == nil) != (want != "") || (CheckHost(prefix) == nil) != (err == nil) {
			t.Errorf("%q: %q, %v", prefix, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("the password is in the error: %v", err)
		}
	}
}

func TestCheckElement(t *testing.T) {
	for element, want := range map[string]bool{
		"2.4.0": true, "v2.4.0-beta.1+build_7": true, "alpine": true,
		"": false, ".": false, "..": false, "a/b": false, "a b": false, "ä": false, "%2e": false, strings.Repeat("a", 65): false,
	} {
		if err := CheckElement(element); (err == nil) != want {
			t.Errorf("%q: %v", element, err)
		}
	}
}

// TestNewFaults: the faults of a configuration come together.
func TestNewFaults(t *testing.T) {
	_, err := New(Config{Hosts: []string{"ftp://x", "https://h.test?a"}, Version: "a/b", System: "..", Arch: " "})
	for _, want := range []string{`"ftp://x" is no plugin host`, "cannot have a query", `"a/b" cannot be`, `".." cannot be`, `" " cannot be`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "there is no plugin host") {
		t.Errorf("%v", err)
	}
}

func TestNewDefaults(t *testing.T) {
	c, err := New(Config{Hosts: []string{DefaultHost}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.version != "2.4.0" || c.system != currentSystem() || c.arch != runtime.GOARCH || c.limits.Download != MaxIndex ||
		c.limits.Timeout != defaultTimeout || c.keep != defaultKeep || c.retry != defaultRetry || c.log == nil {
		t.Errorf("%+v", c)
	}
}

func TestSystem(t *testing.T) {
	const alpineRelease = "NAME=\"Alpine Linux\"\nID=alpine\nPRETTY_NAME=\"Alpine Linux v3.20\"\n"
	for text, want := range map[string]string{
		alpineRelease:                          alpine,
		"PRETTY_NAME='postmarketOS on alpine'": alpine,
		"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n": debian,
		"NAME=\"Alpine Linux\"\nPRETTY_NAME=\"Ubuntu 24.04\"\n":       debian,
		"HOME_URL=https://alpinelinux.org\n":                          debian,
		"":                                                            debian,
		"\x00\xff=\n=\n":                                              debian,
	} {
		if got := systemOf(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	if err := os.WriteFile(second, []byte(alpineRelease), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := systemIn(first, second); got != alpine {
		t.Errorf("the second file is not read: %s", got)
	}
	if got := systemIn(first, dir); got != debian {
		t.Errorf("with no file: %s", got)
	}
	if err := os.WriteFile(first, []byte("PRETTY_NAME=Debian"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := systemIn(first, second); got != debian {
		t.Errorf("the first file does not count: %s", got)
	}
}
