package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Scopes is a set of what a caller may do.
type Scopes uint8

const (
	// ScopeRead is for GET and HEAD of everything but functions.
	ScopeRead Scopes = 1 << iota
	// ScopeInvoke is for calling functions.
	ScopeInvoke
	// ScopeManage is for everything else. It holds ScopeRead, not ScopeInvoke.
	ScopeManage

	allScopes = ScopeRead | ScopeInvoke | ScopeManage
)

const scopeSeparator = "+"

// scopeNames is in the order of the bits.
var scopeNames = [...]string{"read", "invoke", "manage"}

// ParseScopes reads scopes as String writes them; at least one is needed.
func ParseScopes(text string) (Scopes, error) {
	var scopes Scopes
	for name := range strings.SplitSeq(text, scopeSeparator) {
		scope := scopeNamed(name)
		if scope == 0 {
			return 0, fmt.Errorf("%q is no scope: there are read, invoke and manage, joined by +", name)
		}
		scopes |= scope
	}
	return scopes, nil
}

// scopeNamed returns 0 if there is no such scope.
func scopeNamed(name string) Scopes {
	for i, known := range scopeNames {
		if name == known {
			return 1 << i
		}
	}
	return 0
}

// String writes scopes as read+invoke.
func (s Scopes) String() string {
	var names []string
	for i, name := range scopeNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, scopeSeparator)
}

// Has tells whether a scope is among them.
func (s Scopes) Has(scope Scopes) bool {
	if s&ScopeManage != 0 {
		s |= ScopeRead
	}
	return s&scope == scope
}

// Token is a bearer token as a host knows it: not the token, but its digest.
// Make one with NewToken or ParseToken.
type Token struct {
	Name   string // for logs and messages
	Scopes Scopes
	Digest [sha256.Size]byte
}

const (
	// tokenPrefix lets people and scanners of files know a token when they see it.
	tokenPrefix = "berth_"
	tokenBytes  = 32
)

// NewToken makes a random token. The secret is what callers show; it cannot be
// had again from the token.
func NewToken(name string, scopes Scopes) (token Token, secret string, err error) {
	var random [tokenBytes]byte
	_, _ = rand.Read(random[:]) // it never fails
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	token, err = newToken(name, scopes, sha256.Sum256([]byte(secret)))
	return token, secret, err
}

func newToken(name string, scopes Scopes, digest [sha256.Size]byte) (Token, error) {
	if !regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`).MatchString(name) {
		return Token{}, fmt.Errorf("%q is no name for a token: use at most 64 letters, digits, dots, hyphens and underscores", name)
	}
	if scopes == 0 || scopes&^allScopes != 0 {
		return Token{}, errors.New("a token needs a scope: read, invoke or manage")
	}
	return Token{name, scopes, digest}, nil
}

// ParseToken reads a token as String writes it.
func ParseToken(text string) (Token, error) {
	name, rest, _ := strings.Cut(text, ":")
	scopeText, digestText, ok := strings.Cut(rest, ":")
	if !ok {
		return Token{}, errors.New("a token is written <name>:<scopes>:<sha256 of the token in hex>; \"berth token\" makes one")
	}
	scopes, err := ParseScopes(scopeText)
	if err != nil {
		return Token{}, err
	}
	var digest [sha256.Size]byte
	if n, err := hex.Decode(digest[:], []byte(digestText[:min(len(digestText), 2*len(digest))])); err != nil || n != len(digest) || len(digestText) != 2*n {
		return Token{}, fmt.Errorf("token %q: what follows the scopes is no SHA-256 in hex (64 digits); the token itself does not belong here", name)
	}
	return newToken(name, scopes, digest)
}

// String writes a token as name:scopes:digest.
func (t Token) String() string {
	return t.Name + ":" + t.Scopes.String() + ":" + hex.EncodeToString(t.Digest[:])
}

// findToken returns the index of the token whose secret this is, or -1. How long
// that takes tells at most which eight bytes some digest begins with, which is
// nothing of the secret. It allocates nothing.
func findToken(tokens []Token, secret []byte) int {
	if len(tokens) == 0 {
		return -1
	}
	digest := sha256.Sum256(secret)
	start := binary.NativeEndian.Uint64(digest[:])
	for i := range tokens {
		if binary.NativeEndian.Uint64(tokens[i].Digest[:]) == start && subtle.ConstantTimeCompare(digest[:], tokens[i].Digest[:]) == 1 {
			return i
		}
	}
	return -1
}
