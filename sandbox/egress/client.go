package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// What the client bounds by itself, beside the request's context.
const (
	maxRedirects      = 10
	maxHeaderBytes    = 1 << 20          // of a response
	dialTimeout       = 10 * time.Second // with the name's resolution
	handshakeTimeout  = 10 * time.Second
	headerTimeout     = 30 * time.Second // from the request written to the response's header
	idleTimeout       = 30 * time.Second
	maxConnsPerHost   = 16
	maxIdleConns      = 64
	maxIdlePerHost    = 4
	keepAliveInterval = 15 * time.Second
)

// Client sends the requests that a Policy allows. It is safe for concurrent use.
type Client struct {
	hosts     hosts
	addresses []netip.Prefix
	dialer    net.Dialer // without its control, which differs by host
	transport *http.Transport
	http      http.Client
	closed    atomic.Bool
}

// outside is what a client takes from the world: tests put their own there.
type outside struct {
	resolver *net.Resolver // nil: the host's
	tls      *tls.Config   // nil: the host's root certificates
}

// New returns a client for a policy. Its error joins everything that is wrong
// with the policy. Close the client when it is no longer needed.
func New(p Policy) (*Client, error) { return newClient(p, outside{}) }

func newClient(p Policy, o outside) (*Client, error) {
	hosts, hostErr := compileHosts(p.Hosts)
	addresses, addressErr := compileAddresses(p.Addresses)
	if err := errors.Join(hostErr, addressErr); err != nil {
		return nil, err
	}
	c := &Client{
		hosts:     hosts,
		addresses: addresses,
		dialer:    net.Dialer{Timeout: dialTimeout, KeepAlive: keepAliveInterval, Resolver: o.resolver},
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	c.transport = &http.Transport{
		DialContext:            c.dial,
		TLSClientConfig:        o.tls,
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxConnsPerHost:        maxConnsPerHost,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		Protocols:              protocols,
	}
	c.http = http.Client{Transport: c.transport, CheckRedirect: c.checkRedirect}
	return c, nil
}

// Do sends a request and returns the response, after redirects. The caller
// closes the response's body; until then it holds one of the host's
// connections, of which there are 16.
//
// Beside the errors of the network and of the request's context there are
// *Denied, if the policy does not allow the request or a redirect, and
// ErrClosed. Their texts hold no path or query of the request's URL, which may be
// secret. The request's body is closed in every case, the request not changed.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	err := ErrClosed
	if !c.closed.Load() {
		err = c.check(req)
	}
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, plain(err) // the body of a refused redirect is closed already
	}
	return resp, nil
}

// Close closes the idle connections, and those in use when their response is
// done. It does not wait for these. Requests after Close fail with ErrClosed.
func (c *Client) Close() {
	c.closed.Store(true)
	c.transport.CloseIdleConnections()
}

// plain takes the URL that net/http puts into its errors out again, but for the
// host of the hop that failed.
func plain(err error) error {
	var denied *Denied
	if errors.As(err, &denied) {
		return denied
	}
	var wrapped *url.Error
	if !errors.As(err, &wrapped) {
		return err
	}
	host := ""
	if u, err := url.Parse(wrapped.URL); err == nil {
		host = u.Hostname()
	}
	return fmt.Errorf("request to host %s: %w", quote(host), wrapped.Err)
}

// check looks at all of a request but the address, which is not known yet.
func (c *Client) check(req *http.Request) error {
	if req.URL == nil {
		return &Denied{Reason: "the request has no URL"}
	}
	shown := req.URL.Hostname()
	host, err := normalize(shown)
	switch {
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return &Denied{Host: shown, Reason: "scheme " + quote(req.URL.Scheme) + ": only http and https are allowed"}
	case err != nil:
		return &Denied{Host: shown, Reason: err.Error()}
	case !c.hosts.match(host):
		return &Denied{Host: host, Reason: "not among the allowed hosts: add it to them, or a pattern for it"}
	case req.URL.User != nil:
		return &Denied{Host: host, Reason: "a user in the URL: send an Authorization header instead"}
	case req.Method == http.MethodConnect:
		return &Denied{Host: host, Reason: "the method CONNECT is never allowed"}
	case req.Host != "" && !strings.EqualFold(hostname(req.Host), shown):
		return &Denied{Host: host, Reason: "the Host header is for another host, " + quote(req.Host)}
	}
	return nil
}

// hostname is the host of a Host header, as URL.Hostname is that of a URL.
func hostname(header string) string { return (&url.URL{Host: header}).Hostname() }

func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	from := via[len(via)-1]
	switch {
	case len(via) > maxRedirects:
		return &Denied{Host: req.URL.Hostname(), Reason: fmt.Sprintf("more than %d redirects", maxRedirects)}
	case from.URL.Scheme == "https" && req.URL.Scheme == "http":
		return &Denied{Host: req.URL.Hostname(), Reason: "a redirect from https to http, by host " + quote(from.URL.Hostname())}
	}
	return c.check(req)
}

// dial connects to one of the addresses of a host, each of which is looked at
// on its socket, before that connects.
func (c *Client) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	shown, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	host, err := normalize(shown)
	if err != nil {
		return nil, &Denied{Host: shown, Reason: err.Error()}
	}
	d := c.dialer
	d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return c.checkAddress(host, address)
	}
	return d.DialContext(ctx, network, hostport)
}

// checkAddress looks at the address and port that a socket is about to connect
// to on behalf of host.
func (c *Client) checkAddress(host, address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &Denied{Host: host, Reason: "its address is not one: " + quote(address)}
	}
	ip := to.Addr().WithZone("") // ranges contain no address with a zone
	kind := classify(ip)
	switch {
	case kind == "" || contains(c.addresses, ip):
		return nil
	case host == "localhost" && c.hosts.exact[host] && ip.Unmap().IsLoopback():
		return nil
	case host == ip.Unmap().String() && c.hosts.exact[host]:
		return nil
	}
	return &Denied{Host: host, Address: ip.Unmap(), Reason: "a " + kind + " address: allow its range, or, for a URL that names it, the address itself as a host"}
}
