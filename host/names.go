package host

import (
	"errors"
	"fmt"
	"strings"
)

// maxName bounds the length of a plugin's or function's name in bytes: it
// becomes the name of a folder.
const maxName = 128

// CheckName applies eKuiper's rule for identifiers, in its words: letters,
// digits, hyphens and underscores. It serves plugins of every kind and
// functions. The error is a CodeInvalid.
func CheckName(name string) error {
	var err error
	switch {
	case name == "":
		err = errors.New("id cannot be empty")
	case strings.TrimSpace(name) != name:
		err = fmt.Errorf("id '%s' contains leading or trailing whitespace", clip(name))
	case !isName(name):
		err = fmt.Errorf("id '%s' contains invalid characters: only alphanumeric, hyphens and underscores are allowed", clip(name))
	case len(name) > maxName:
		err = fmt.Errorf("id '%s' is longer than %d characters", clip(name), maxName)
	default:
		return nil
	}
	return &Error{Code: CodeInvalid, Err: err}
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return s != ""
}

// clip keeps messages short when what they quote is not.
func clip(s string) string {
	const limit = 200
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
