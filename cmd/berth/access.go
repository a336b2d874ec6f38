package main

import (
	"log/slog"
	"net"
	"slices"

	"berth/server"
)

// access is who may do what, as the server takes it.
func (c *config) access() server.Access {
	a := server.Access{Tokens: c.Tokens, JWTKeys: c.JWTKeys, Certificates: c.TLSClientCA != "", Origins: c.CORSOrigins}
	if name, _, err := net.SplitHostPort(c.Listen); err == nil && name != "" {
		a.Names = []string{name}
	}
	return a
}

// guarded tells whether something asks who reaches the host over the network.
func (c *config) guarded() bool {
	a := c.access()
	return !a.Open()
}

// checkAccess finds the faults of tokens, jwt-keys and cors-origins.
func (l *loader) checkAccess() {
	c := &l.config
	tokens, keys := server.Access{Tokens: c.Tokens}, server.Access{JWTKeys: c.JWTKeys}
	if err := tokens.Validate(); err != nil {
		l.fault(l.source("tokens"), "tokens: %v", err)
	}
	if err := keys.Validate(); err != nil {
		l.fault(l.source("jwt-keys"), "jwt-keys: %v", err)
	}
	all := c.access()
	if slices.Contains(c.CORSOrigins, "*") && !all.Asks() && !c.Insecure {
		l.fault(l.source("cors-origins"), "cors-origins: with *, every web page that somebody here looks at can install code on the host: "+
			"name the origins, ask who callers are (tokens or jwt-keys), or set insecure")
	}
}

// checkTLS finds the faults of tls-cert, tls-key and tls-client-ca.
func (l *loader) checkTLS() {
	c := &l.config
	switch {
	case c.TLSCert == "" && c.TLSKey == "" && c.TLSClientCA == "":
	case c.TLSCert == "" && c.TLSKey != "":
		l.fault(l.source("tls-key"), "tls-cert: tls-key and tls-client-ca mean nothing without a certificate")
	case c.TLSCert == "":
		l.fault(l.source("tls-client-ca"), "tls-cert: tls-key and tls-client-ca mean nothing without a certificate")
	case c.TLSKey == "":
		l.fault(l.source("tls-cert"), "tls-key: the key of the certificate %s is needed", c.TLSCert)
	default:
		if _, err := c.tlsFiles().load(); err != nil {
			l.fault(l.source("tls-cert"), "%v", err)
		}
	}
}

// warnOfEavesdroppers tells the operator when whoever listens to the network learns what callers show.
func warnOfEavesdroppers(c *config, listeners []net.Listener, log *slog.Logger) {
	if a := c.access(); !a.Asks() || c.TLSCert != "" {
		return
	}
	for _, ln := range listeners {
		if addr := ln.Addr(); addr.Network() != "unix" && !isLoopback(addr.String()) {
			log.Warn("tokens travel in the clear: set tls-cert and tls-key, unless something in front of the host speaks TLS", "addr", addr.String())
		}
	}
}
