package archive

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

// Sources says where files may be fetched from: the operator's keys download-schemes, download-hosts and
// download-addresses, which errors name. The zero Sources allows everything.
//
// Every address of a download is checked: the first, and each one that a redirect leads to.
type Sources struct {
	// Schemes are those of "http", "https" and "file" that are allowed. nil: all; empty and not nil: none.
	Schemes []string

	// Hosts tells whether a URL may name this host: in lower case, without a dot at its end, an address in its shortest form
	// without brackets. nil: all. It is called concurrently. Files have no host.
	Hosts func(host string) bool

	// Addresses are the ranges that a connection may be made to; empty: all, private networks included. What is checked is
	// the address itself when the connection is made, after the name was resolved. Through a proxy that could not be, so
	// none is used if there are any.
	Addresses []netip.Prefix
}

// check looks at all of an address but what its name resolves to.
func (s Sources) check(u *url.URL) error {
	switch {
	case s.Schemes == nil:
	case len(s.Schemes) == 0:
		return refuse(ErrForbidden, "download-schemes is empty: nothing may be downloaded")
	case !slices.Contains(s.Schemes, u.Scheme):
		return refuse(ErrForbidden, "download-schemes does not have %s: add it there, or give a URI of %s", quote(u.Scheme), strings.Join(s.Schemes, " or "))
	}
	if u.Scheme == "file" || s.Hosts == nil {
		return nil
	}
	if host := normal(u.Hostname()); !s.Hosts(host) {
		return refuse(ErrForbidden, "download-hosts does not have the host %s: add it there, or a pattern for it", quote(host))
	}
	return nil
}

// normal writes a host as Hosts is asked for it.
func normal(host string) string {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// dial connects to one of the allowed addresses that hostport has.
func (s Sources) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectTimeout}
	if len(s.Addresses) > 0 {
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return s.checkAddress(hostport, address) }
	}
	return dialer.DialContext(ctx, network, hostport)
}

// checkAddress looks at the address, with its port, that hostport was resolved to.
func (s Sources) checkAddress(hostport, address string) error {
	resolved, err := netip.ParseAddrPort(address)
	if err != nil {
		return refuse(ErrForbidden, "download-addresses is set, and %s is no address to compare it with", quote(address))
	}
	ip := resolved.Addr().Unmap().WithZone("")
	if slices.ContainsFunc(s.Addresses, func(p netip.Prefix) bool { return unmapped(p).Contains(ip) }) {
		return nil
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil || host == ip.String() {
		return refuse(ErrForbidden, "download-addresses does not have %v: add it there, or a range that it is in", ip)
	}
	return refuse(ErrForbidden, "download-addresses does not have %v, the address of %s: add it there, or a range that it is in", ip, quote(host))
}

// unmapped is a range of IPv4 addresses as such, however it is written.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// proxy is the proxy for requests: the environment's, or none.
func (s Sources) proxy() func(*http.Request) (*url.URL, error) {
	if len(s.Addresses) > 0 {
		return nil
	}
	return http.ProxyFromEnvironment
}

// forbidden is the refusal by a Sources that err comes from, without what net and net/http add around it; or nil.
func forbidden(err error) error {
	var refusal *textError
	if errors.Is(err, ErrForbidden) && errors.As(err, &refusal) {
		return refusal
	}
	return nil
}
