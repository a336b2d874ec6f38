package egress

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// maxHostBytes is how long a DNS name can be, with a dot at its end.
const maxHostBytes = 254

// quote makes a name that a guest chose fit for one line of a log.
func quote(name string) string {
	const most = 2 * maxHostBytes
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strconv.Quote(name)
}

// normalize writes a URL's host as patterns see it: a name in lower case without
// the dot at its end, or an IP address in its shortest form, IPv4-mapped ones as
// IPv4. It refuses what a resolver may understand differently than it looks.
func normalize(host string) (string, error) {
	switch {
	case host == "":
		return "", errors.New("the URL names no host")
	case len(host) > maxHostBytes:
		return "", errors.New("the name is too long for a host")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return "", errors.New("an address with a zone is never allowed")
		}
		return ip.Unmap().String(), nil
	}
	name := strings.TrimSuffix(host, ".")
	last := name
	for label := range strings.SplitSeq(name, ".") {
		if label == "" {
			return "", errors.New("not a host name")
		}
		last = label
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		case c >= 0x80:
			return "", errors.New("write the name in ASCII, in its xn-- form")
		default:
			return "", errors.New("not a host name")
		}
	}
	if isNumber(last) {
		return "", errors.New("neither a host name nor an IP address in its usual form")
	}
	return strings.ToLower(name), nil
}

// isNumber reports whether a name that ends in label is an IPv4 address to some
// resolvers: 2130706433, 0177.0.0.1, 127.1, 0x7f000001.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(strings.ToLower(label), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
