// Package egress is the HTTP client that the requests of guests go through.
//
//	guest's request ── URL and host pattern ── resolve ── address at dial time ── server
//	                          ▲                                                    │
//	                          └──────────────── redirect, at most 10 ◄─────────────┘
//
// Nothing is allowed unless a Policy says so, and two things are asked of it.
//
// The name: the host of the URL, and of every redirect, matches one of the
// patterns in Policy.Hosts. See [Policy] for their language.
//
// The address: what a connection is made to is looked at after the name was
// resolved, on the socket, right before it connects. So a name that resolves to
// one address when it is checked and to another when it is used (DNS rebinding)
// gains nothing. Only addresses of the public internet pass: no loopback,
// private, link-local, shared, multicast, documentation, benchmarking or
// otherwise special ones, in no disguise (IPv4-mapped, NAT64, 6to4). Three ways
// lead elsewhere:
//
//   - a pattern that is that very IP address, for URLs that name it;
//   - the pattern "localhost", for URLs that name localhost, to loopback;
//   - Policy.Addresses, for any name.
//
// A translation prefix that a network chose for its own NAT64 (RFC 6052) cannot
// be known here; where there is one, the network has to hold guests back.
//
// # URLs
//
// http and https, any port. The host is a name in ASCII (an internationalised one in
// its xn-- form) or an IP address in its usual form: no zone, no decimal,
// octal, hexadecimal or short forms, which resolvers understand in ways of
// their own. A dot at the end of a name changes nothing. A user or password in
// the URL is refused, not dropped: the server would see another request than the
// guest meant. So is a Host header for another host than the URL's, and the
// method CONNECT.
//
// # Redirects
//
// Every hop is checked as the first request was; from https to http is refused.
// Authorization, Cookie and WWW-Authenticate go along only to the host they
// were for and those below its name, as net/http does it; other headers go
// along.
//
// # What is bounded
//
// The time to connect, to shake hands and until the response's header is
// there; the size of that header; connections per host, and how long an idle one
// stays. The bodies stream and are as long as they are: bounding them is up to
// the caller, and so is the time for them, by the request's context. Nothing is
// decompressed, so a response has no more bytes than were sent. HTTP/1.1 only,
// no cookies, no proxy from the environment; certificates are verified.
package egress
