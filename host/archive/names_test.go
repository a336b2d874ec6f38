package archive

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]string{ // "" stands for a name that is fine
		"a":                             "",
		"a/b/c.so":                      "",
		"a/":                            "",
		"./a":                           "",
		"./":                            "",
		"..a/b../...":                   "",
		"a b/ü/文.json":                  "",
		"Mirror@v1.0.0.so":              "",
		"console/comet.com1/lpt":        "",
		"com10/auxiliary/nullable":      "",
		strings.Repeat("a", 255):        "",
		strings.Repeat("a/", 512):       "",
		"":                              "empty",
		"/":                             "absolute",
		"/etc/passwd":                   "absolute",
		".//etc/passwd":                 "absolute",
		"C:/x":                          "drive",
		"c:x":                           "drive",
		"./c:x":                         "drive",
		"..":                            "climbs out",
		"../":                           "climbs out",
		"../../x":                       "climbs out",
		"a/../../x":                     "climbs out",
		"a/..":                          "climbs out",
		".":                             `"." element`,
		"././a":                         `"." element`,
		"a/./b":                         `"." element`,
		"a//b":                          "empty element",
		"a//":                           "empty element",
		`..\x`:                          "backslash",
		`a\b`:                           "backslash",
		"a\x00b":                        "control character",
		"a\nb":                          "control character",
		"a\x7f":                         "control character",
		"a\u0085b":                      "control character",
		"a\xff":                         "not UTF-8",
		strings.Repeat("a", 256):        "256 bytes long, at most 255",
		strings.Repeat("a/", 512) + "a": "1025 bytes long, at most 1024",
		"CON":                           "device on Windows",
		"a/nul":                         "device on Windows",
		"aux.c":                         "device on Windows",
		"Prn.tar.gz":                    "device on Windows",
		"com1/x":                        "device on Windows",
		"LPT9.so":                       "device on Windows",
		"COM²":                          "device on Windows",
		"nul .txt":                      "device on Windows",
		"conin$":                        "device on Windows",
		"a/NUL:x":                       "device on Windows",
	} {
		_, _, err := checkName(name)
		if want == "" {
			if err != nil {
				t.Errorf("%q: got %v", name, err)
			}
			continue
		}
		if !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", name, err, want)
			continue
		}
		if name == "" || name == "a\xff" {
			continue // see below
		}
		_, _, err = unpack(t, makeZip(t, item{name: "good", body: "x"}, item{name: name}), Limits{})
		if !errors.Is(err, ErrUnsafe) || !strings.HasPrefix(err.Error(), "entry "+quote(name)+": ") {
			t.Errorf("%q in a zip: got %v", name, err)
		}
	}
}

// TestNamesInZip has the names that have something particular about them in a zip.
func TestNamesInZip(t *testing.T) {
	for _, name := range []string{"", "a\xff", "__MACOSX/../../x", "__MACOSX/../.DS_Store"} {
		_, _, err := unpack(t, makeZip(t, item{name: name}), Limits{})
		var typed *Error
		if !errors.Is(err, ErrUnsafe) || !errors.As(err, &typed) || typed.Entry != name {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestMessage(t *testing.T) {
	err := &Error{Entry: "../../x", Err: checkElement("..")}
	if got := err.Error(); got != `entry "../../x": climbs out of the package; build the zip with paths relative to its root` {
		t.Error(got)
	}
	err.Entry = strings.Repeat("ü\n\xff", 20_000)
	if got := err.Error(); len(got) > 600 || !utf8.ValidString(got) || strings.Contains(got, "\n") {
		t.Error(got)
	}
}
