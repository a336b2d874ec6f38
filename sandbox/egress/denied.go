package egress

import (
	"errors"
	"net/netip"
	"strings"
)

// ErrClosed is the error of a request after Close.
var ErrClosed = errors.New("egress: the client is closed")

// Denied means that the policy, not the network, is why a request failed.
type Denied struct {
	Host    string     // of the URL, without port; empty if it has none
	Address netip.Addr // what the host resolved to; not valid if it did not come to that
	Reason  string     // what is wrong, and what would allow it
}

// Error says what was denied and what the operator could do about it.
func (d *Denied) Error() string {
	var b strings.Builder
	b.WriteString("request denied: ")
	switch {
	case d.Address.IsValid() && d.Address.String() != d.Host:
		b.WriteString("host " + quote(d.Host) + " at address " + d.Address.String() + ": ")
	case d.Host != "":
		b.WriteString("host " + quote(d.Host) + ": ")
	}
	b.WriteString(d.Reason)
	return b.String()
}
