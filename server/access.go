package server

import (
	"errors"
	"fmt"
)

// Access says who may use the API, and for what. The zero value lets in whoever
// reaches a listener, with all scopes.
//
// Once there are tokens or keys, a request has to show one, on every listener:
// also on a Unix socket, and also from clients with certificates. Exempt are GET
// and HEAD of /, /ping, /healthz and /readyz, POST of /, and preflights of CORS.
type Access struct {
	// Tokens are those that callers may show, at most 256.
	Tokens []Token

	// JWTKeys is a folder of public keys in PEM. Callers may then show a JWT, as
	// with eKuiper: signed by the key in the file that is named as its issuer
	// is. The folder is read when a JWT has to be verified, at most once a
	// second. Empty: there are no JWTs.
	JWTKeys string

	// Certificates tells that the listeners let in only who shows a certificate.
	// By itself that gives all scopes.
	Certificates bool

	// Origins are those of web pages that may use the API, as ParseOrigin
	// returns them; "*" is all. Without any, there is no CORS.
	Origins []string

	// Names are what this host is called, without ports. Addresses, localhost,
	// and the hosts of Origins need not be among them.
	Names []string
}

// maxTokens keeps the comparison of a token with all of them short.
const maxTokens = 256

// Asks tells whether callers have to say who they are.
func (a *Access) Asks() bool { return len(a.Tokens) > 0 || a.JWTKeys != "" }

// Open tells whether there is no access control of any kind.
func (a *Access) Open() bool { return !a.Asks() && !a.Certificates }

// Validate reports every fault, JWTKeys' as far as the folder can be read now.
func (a *Access) Validate() error {
	var faults []error
	if len(a.Tokens) > maxTokens {
		faults = append(faults, fmt.Errorf("there are %d tokens: at most %d are possible", len(a.Tokens), maxTokens))
	}
	for i, token := range a.Tokens {
		for _, other := range a.Tokens[:i] {
			switch {
			case token.Name == other.Name:
				faults = append(faults, fmt.Errorf("two tokens are called %q: give each a name of its own", token.Name))
			case token.Digest == other.Digest:
				faults = append(faults, fmt.Errorf("%q and %q are the same token", other.Name, token.Name))
			}
		}
	}
	if a.JWTKeys != "" {
		if keys, unusable := readKeys(a.JWTKeys); len(keys) == 0 {
			faults = append(faults, fmt.Errorf("there is no key in %s: put the public key of an issuer there, in PEM, in a file named as the issuer is: %w", a.JWTKeys, errors.Join(unusable...)))
		}
	}
	for _, origin := range a.Origins {
		if parsed, err := ParseOrigin(origin); err != nil || parsed != origin {
			faults = append(faults, fmt.Errorf("%q is no origin: %w", origin, err))
		}
	}
	return errors.Join(faults...)
}
