package server

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// audience is what a JWT has to be for, in eKuiper and so here.
	audience = "eKuiper"

	// verifiedAge is how long a JWT that was verified is good without looking
	// at it again, and so how long one lives whose key was removed.
	verifiedAge = time.Minute
	maxVerified = 1024
)

// claims are what a JWT says.
type claims struct {
	jwt.RegisteredClaims
	Scope *string `json:"scope"` // words with spaces between; nil: all scopes
}

// verifier checks JWTs as eKuiper does. Those that are good it remembers, so
// that callers who come again are not verified each time. It is safe for
// concurrent use.
type verifier struct {
	keys   keyFolder
	parser *jwt.Parser
	now    func() time.Time

	mu       sync.RWMutex // guards verified
	verified map[[sha256.Size]byte]verified
}

// verified is a JWT that was good.
type verified struct {
	by    caller
	until time.Time
}

func newVerifier(folder string, log *slog.Logger) *verifier {
	v := &verifier{keys: keyFolder{path: folder, log: log}, now: time.Now, verified: map[[sha256.Size]byte]verified{}}
	v.parser = jwt.NewParser(jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return v.now() }),
		jwt.WithValidMethods([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}))
	v.keys.reread(v.now()) // what cannot be used is in the log at once
	return v
}

// looksLikeJWT tells three segments from anything else.
func looksLikeJWT(credential []byte) bool { return bytes.Count(credential, []byte{'.'}) == 2 }

// caller is who a JWT was made for. The denial is in eKuiper's words. A JWT that
// is remembered costs no allocation.
func (v *verifier) caller(raw []byte) (caller, *denial) {
	if len(raw) == 0 {
		return caller{}, &denial{refusedCaller, "missing_token", true}
	}
	digest, now := sha256.Sum256(raw), v.now()
	v.mu.RLock()
	known, ok := v.verified[digest]
	v.mu.RUnlock()
	if ok && now.Before(known.until) {
		return known.by, nil
	}
	by, until, err := v.verify(string(raw), now)
	if err != nil {
		return caller{}, &denial{refusedCaller, err.Error(), true}
	}
	v.remember(digest, verified{by, until}, now)
	return by, nil
}

// verify checks a JWT, and tells until when it need not be checked again.
func (v *verifier) verify(raw string, now time.Time) (caller, time.Time, error) {
	var c claims
	_, err := v.parser.ParseWithClaims(raw, &c, func(*jwt.Token) (any, error) {
		if c.Issuer == "" {
			return nil, errors.New("issuer field not exist in jwt payload")
		}
		return v.keys.key(c.Issuer, now)
	})
	if err != nil {
		return caller{}, time.Time{}, fmt.Errorf("validate token error: %w", err)
	}
	if !slices.Contains(c.Audience, audience) {
		return caller{}, time.Time{}, fmt.Errorf("audience field should contain %s, but got %s", audience, c.Audience)
	}
	by := caller{"JWT of " + c.Issuer, allScopes}
	if c.Subject != "" {
		by.name += " for " + c.Subject
	}
	if c.Scope != nil {
		by.scopes = 0
		for word := range strings.FieldsSeq(*c.Scope) {
			by.scopes |= scopeNamed(word)
		}
	}
	until := now.Add(verifiedAge)
	if c.ExpiresAt != nil && c.ExpiresAt.Before(until) {
		until = c.ExpiresAt.Time
	}
	return by, until, nil
}

// remember makes room by forgetting what is over, else any.
func (v *verifier) remember(digest [sha256.Size]byte, good verified, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.verified) >= maxVerified {
		for d, known := range v.verified {
			if !now.Before(known.until) {
				delete(v.verified, d)
			}
		}
	}
	for d := range v.verified {
		if len(v.verified) < maxVerified {
			break
		}
		delete(v.verified, d)
	}
	v.verified[digest] = good
}
