package catalog

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"berth/host"
)

// CheckHost refuses what is no plugin host: the prefix of a URL over http or https, without user, query and fragment.
func CheckHost(prefix string) error {
	_, err := parseHost(prefix)
	return err
}

func parseHost(prefix string) (string, error) {
	u, err := url.Parse(prefix)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", fmt.Errorf("%.200q is no plugin host: write it like %s", prefix, DefaultHost)
	}
	if u.User != nil {
		return "", errors.New("a plugin host with a user or password in it would show them to everybody: leave them out")
	}
	if u.RawQuery != "" || u.ForceQuery || strings.Contains(prefix, "#") {
		return "", fmt.Errorf("%.200q is no plugin host: paths are put behind it, so it cannot have a query or a fragment", prefix)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// CheckElement refuses what cannot be the version or the system of a plugin host's tree: each is the name of a folder, of
// letters, digits, full stops, hyphens, underscores and plus signs.
func CheckElement(text string) error {
	odd := strings.IndexFunc(text, func(r rune) bool {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune(".-_+", r):
			return false
		}
		return true
	})
	if odd >= 0 || strings.Trim(text, ".") == "" || len(text) > 64 {
		return fmt.Errorf("%.100q cannot be a folder of a plugin host: use letters, digits, full stops, hyphens and underscores", text)
	}
	return nil
}

// folder is where a plugin host has the packages of a kind.
func (c *Catalog) folder(prefix string, kind host.Kind) string {
	return strings.Join([]string{prefix, "kuiper-plugins", c.version, c.system, kind.String()}, "/")
}
