package egress

import (
	"net/netip"
)

// special is a range that guests are not to reach by default.
type special struct {
	prefix netip.Prefix
	name   string
}

// specials are the ranges of IANA's special-purpose registries (RFC 6890 and
// what followed) that do not belong to the public internet. What IPv6 has
// outside of 2000::/3 is not in it: globalUnicast says that.
var specials = [...]special{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared (carrier-grade NAT)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved or broadcast"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::/96"), "IPv4-compatible"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local translation"},
	{netip.MustParsePrefix("100::/64"), "discard-only"},
	{netip.MustParsePrefix("2001::/23"), "protocol assignments"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("fc00::/7"), "unique local (private)"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// The IPv6 ranges with a meaning of their own.
var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour     = netip.MustParsePrefix("2002::/16")
)

// embedded returns the IPv4 address that a packet to ip would end up at, if ip
// is a form of one: IPv4-mapped, NAT64's well-known prefix, or 6to4.
func embedded(ip netip.Addr) (v4 netip.Addr, ok bool) {
	b := ip.As16()
	switch {
	case ip.Is4In6():
		return ip.Unmap(), true
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}

// classify returns what kind of special address ip is, or "" for one of the
// public internet. Forms of IPv4 addresses are what they embed.
func classify(ip netip.Addr) string {
	if v4, ok := embedded(ip); ok {
		ip = v4
	}
	for _, s := range specials {
		if s.prefix.Contains(ip) {
			return s.name
		}
	}
	if ip.Is6() && !globalUnicast.Contains(ip) {
		return "reserved"
	}
	return ""
}

// contains reports whether one of ranges holds ip or the IPv4 address in it.
func contains(ranges []netip.Prefix, ip netip.Addr) bool {
	v4, isForm := embedded(ip)
	for _, r := range ranges {
		if r.Contains(ip) || isForm && r.Contains(v4) {
			return true
		}
	}
	return false
}
