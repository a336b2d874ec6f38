package server

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// privateKey is the key of every issuer in these tests: to make one takes long.
var privateKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func publicPEM(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// keysOf makes a folder with the public key of each issuer.
func keysOf(t testing.TB, issuers ...string) (folder string) {
	folder = t.TempDir()
	for _, issuer := range issuers {
		put(t, filepath.Join(folder, issuer), publicPEM(t, privateKey()))
	}
	return folder
}

// signed makes a JWT that eKuiper would take, but for what change changes.
func signed(t testing.TB, algorithm, issuer string, change map[string]any) string {
	t.Helper()
	c := jwt.MapClaims{"iss": issuer, "aud": "eKuiper", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range change {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	text, err := jwt.NewWithClaims(jwt.GetSigningMethod(algorithm), c).SignedString(privateKey())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestJWT holds what eKuiper says of good and of bad ones, to the byte where it
// is not the text of its library.
func TestJWT(t *testing.T) {
	folder := keysOf(t, "Portal", "sample_key.pub")
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(folder, "other"), publicPEM(t, other))
	put(t, filepath.Join(folder, "private"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	put(t, filepath.Join(folder, ".hidden"), publicPEM(t, privateKey()))
	r := serve(t, nil, func(c *Config) { c.Access.JWTKeys = folder })
	now := time.Now()
	hour := func(n int) int64 { return now.Add(time.Duration(n) * time.Hour).Unix() }
	symmetric, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "portal", "aud": "eKuiper"}).SignedString([]byte(publicPEM(t, privateKey())))
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": "portal", "aud": "eKuiper"}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	good := signed(t, "RS256", "portal", nil)
	segments := strings.Split(good, ".")
	forged := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":"portal","aud":"eKuiper","exp":%d}`, hour(1000)))
	const invalid = "~validate token error: token "
	for _, c := range []struct{ name, header, want string }{
		{"none", "", "missing_token"},
		{"raw", good, ""},
		{"bearer", "Bearer " + good, ""},
		{"RS384", signed(t, "RS384", "portal", nil), ""},
		{"RS512", signed(t, "RS512", "portal", nil), ""},
		{"PS256", signed(t, "PS256", "portal", nil), ""},
		{"PS384", signed(t, "PS384", "portal", nil), ""},
		{"PS512", signed(t, "PS512", "portal", nil), ""},
		{"case", signed(t, "RS256", "PORTAL", nil), ""},
		{"extension", signed(t, "RS256", "sample_key.pub", nil), ""},
		{"audiences", signed(t, "RS256", "portal", map[string]any{"aud": []string{"x", "eKuiper"}}), ""},
		{"for ever", signed(t, "RS256", "portal", map[string]any{"exp": nil}), ""},
		{"dates", signed(t, "RS256", "portal", map[string]any{"nbf": hour(-1), "iat": hour(-1)}), ""},

		{"other audiences", signed(t, "RS256", "portal", map[string]any{"aud": []string{"a", "b"}}), "audience field should contain eKuiper, but got [a b]"},
		{"another audience", signed(t, "RS256", "portal", map[string]any{"aud": "ekuiper"}), "audience field should contain eKuiper, but got [ekuiper]"},
		{"no audience", signed(t, "RS256", "portal", map[string]any{"aud": nil}), "audience field should contain eKuiper, but got []"},
		{"misspelt", signed(t, "RS256", "portal", map[string]any{"aud": nil, "adu": "eKuiper"}), "audience field should contain eKuiper, but got []"},
		{"a number", signed(t, "RS256", "portal", map[string]any{"aud": 1}), invalid + "is malformed"},
		{"expired", signed(t, "RS256", "portal", map[string]any{"exp": hour(-1)}), "validate token error: token has invalid claims: token is expired"},
		{"early", signed(t, "RS256", "portal", map[string]any{"nbf": hour(1)}), "validate token error: token has invalid claims: token is not valid yet"},
		{"of tomorrow", signed(t, "RS256", "portal", map[string]any{"iat": hour(1)}), "validate token error: token has invalid claims: token used before issued"},
		{"a scope that is none", signed(t, "RS256", "portal", map[string]any{"scope": []string{"read"}}), invalid + "is malformed"},
		{"no issuer", signed(t, "RS256", "", map[string]any{"iss": nil}), "~issuer field not exist in jwt payload"},
		{"unknown issuer", signed(t, "RS256", "stranger", nil), `~there is no key of the issuer "stranger"`},
		{"a path", signed(t, "RS256", "../"+filepath.Base(folder)+"/Portal", nil), "~there is no key of the issuer"},
		{"hidden", signed(t, "RS256", ".hidden", nil), "~there is no key of the issuer"},
		{"private", signed(t, "RS256", "private", nil), "~there is no key of the issuer"},
		{"another key", signed(t, "RS256", "other", nil), "validate token error: token signature is invalid: crypto/rsa: verification error"},
		{"forged", segments[0] + "." + forged + "." + segments[2], "validate token error: token signature is invalid: crypto/rsa: verification error"},
		{"HS256 with the public key", symmetric, "validate token error: token signature is invalid: signing method HS256 is invalid"},
		{"no signature", unsigned, "validate token error: token signature is invalid: signing method none is invalid"},
		{"two segments", segments[0] + "." + segments[1], "validate token error: token is malformed: token contains an invalid number of segments"},
		{"four segments", good + ".x", "validate token error: token is malformed: token contains an invalid number of segments"},
		{"garbage", "Bearer x", "validate token error: token is malformed: token contains an invalid number of segments"},
		{"Basic", "Basic " + good, invalid + "is malformed"},
	} {
		var headers []string
		if c.header != "" {
			headers = append(headers, "Authorization: "+c.header)
		}
		for range 2 { // verified, and remembered
			g := r.with("GET", "/plugins/functions", "", headers...)
			if c.want == "" {
				if g.status != 200 {
					t.Errorf("%s: %v", c.name, g)
				}
				continue
			}
			text, isPart := strings.CutPrefix(c.want, "~")
			if g.status != 401 || g.header.Get("Content-Type") != "text/plain; charset=utf-8" || g.header.Get("X-Content-Type-Options") != "nosniff" ||
				g.body != text+"\n" && !(isPart && strings.Contains(g.body, text)) {
				t.Errorf("%s: %v %v", c.name, g, g.header)
			}
		}
	}
	r.play([]step{{"GET", "/", "", 200, "~version"}, {"GET", "/ping", "", 200, ""}, {"GET", "/healthz", "", 200, "~"}})
	if log := r.log.String(); strings.Count(log, "private holds no RSA public key in PEM") != 1 || strings.Contains(log, good) {
		t.Errorf("the log:\n%s", log)
	}
}

// TestJWTScope: the claim narrows, and an unknown word in it gives nothing.
func TestJWTScope(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.Access.JWTKeys = keysOf(t, "portal") })
	r.install("p", "echo")
	for _, c := range []struct {
		scope                any
		read, invoke, manage int
	}{
		{nil, 200, 200, 404}, {"read", 200, 403, 403}, {"invoke", 403, 200, 403}, {"manage", 200, 403, 404}, {"invoke read  openid", 200, 200, 403},
		{"", 403, 403, 403}, {"openid", 403, 403, 403}, {"read+invoke", 403, 403, 403},
	} {
		header := "Authorization: " + signed(t, "RS256", "portal", map[string]any{"scope": c.scope, "sub": "anna"})
		for _, try := range []struct {
			method, path string
			want         int
		}{{"GET", "/plugins/udfs", c.read}, {"POST", "/invoke/echo", c.invoke}, {"DELETE", "/plugins/functions/nope", c.manage}} {
			g := r.with(try.method, try.path, "x", header)
			if g.status != try.want || g.status == 403 && !strings.Contains(g.body, "JWT of portal for anna lacks the scope") {
				t.Errorf("scope %v, %s: %v, want %d", c.scope, try.path, g, try.want)
			}
		}
	}
}

// TestTokensAndJWTs: each kind works beside the other, and is answered in its
// own words.
func TestTokensAndJWTs(t *testing.T) {
	access := Access{JWTKeys: keysOf(t, "portal")}
	secret := token(t, &access, "a", ScopeRead)
	r := serve(t, nil, func(c *Config) { c.Access = access })
	good := signed(t, "RS256", "portal", nil)
	for _, c := range []struct {
		header string
		status int
		body   string
	}{
		{"Bearer " + secret, 200, "[]"}, {"Bearer " + good, 200, "[]"}, {good, 200, "[]"},
		{"", 401, `{"error":9401,"message":"a token is needed`}, {"Bearer x", 401, `{"error":9401,"message":"the token is none`}, {secret, 401, `{"error":9401,`},
		{"Bearer x.y.z", 401, "validate token error: "}, {good + "x", 401, "validate token error: "},
	} {
		g := r.with("GET", "/plugins/functions", "", "Authorization: "+c.header)
		if g.status != c.status || !strings.HasPrefix(g.body, c.body) {
			t.Errorf("%.20s: %v", c.header, g)
		}
	}
}

// TestJWTRemembered: a JWT is not verified again while it is remembered, never
// outlives its end, and its key's removal by a minute at most.
func TestJWTRemembered(t *testing.T) {
	folder := keysOf(t, "portal", "plant")
	v := newVerifier(folder, slog.New(slog.DiscardHandler))
	start := time.Now().Truncate(time.Second)
	now := start
	v.now = func() time.Time { return now }
	at := func(after time.Duration) { now = start.Add(after) }
	short := []byte(signed(t, "RS256", "portal", map[string]any{"exp": start.Add(30 * time.Second).Unix()}))
	long := []byte(signed(t, "RS256", "portal", nil))
	good := func(raw []byte, want bool) {
		t.Helper()
		if by, no := v.caller(raw); (no == nil) != want {
			t.Errorf("after %v: %v, %+v", now.Sub(start), by, no)
		}
	}
	good(short, true)
	good(long, true)
	if err := os.Remove(filepath.Join(folder, "portal")); err != nil {
		t.Fatal(err)
	}
	at(29 * time.Second)
	good(short, true)
	good(long, true)
	at(30 * time.Second)
	good(short, false)
	at(verifiedAge - time.Nanosecond)
	good(long, true)
	at(verifiedAge)
	good(long, false)
	put(t, filepath.Join(folder, "portal"), publicPEM(t, privateKey()))
	at(verifiedAge + keysAge)
	good(long, true)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	at(10 * time.Minute)
	good(long, false)
}

// TestJWTsAreForgotten: there is a bound on how many are remembered, and those
// that are over go first.
func TestJWTsAreForgotten(t *testing.T) {
	v := newVerifier(t.TempDir(), slog.New(slog.DiscardHandler))
	now := time.Now()
	put := func(n int, until time.Time) {
		v.remember([32]byte{byte(n), byte(n >> 8)}, verified{until: until}, now)
	}
	for n := range maxVerified {
		until := now.Add(time.Hour)
		if n%2 == 0 {
			until = now
		}
		put(n, until)
	}
	put(5000, now.Add(time.Hour))
	if len(v.verified) != maxVerified/2+1 {
		t.Errorf("%d are remembered", len(v.verified))
	}
	for n := range 3 * maxVerified {
		put(6000+n, now.Add(time.Hour))
	}
	if len(v.verified) != maxVerified {
		t.Errorf("%d are remembered", len(v.verified))
	}
}

// TestKeyFiles: other forms of public keys, links, and what is none.
func TestKeyFiles(t *testing.T) {
	folder := t.TempDir()
	public := &privateKey().PublicKey
	put(t, filepath.Join(folder, "pkcs1"), string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(public)})))
	put(t, filepath.Join(folder, "empty"), "")
	put(t, filepath.Join(folder, "large"), strings.Repeat("x", maxKeyFile)+publicPEM(t, privateKey()))
	if err := os.Symlink("pkcs1", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(folder, "dangling")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	keys, unusable := readKeys(folder)
	var names []string
	for _, k := range keys {
		names = append(names, k.issuer)
		if !k.key.Equal(public) {
			t.Errorf("%s is another key", k.issuer)
		}
	}
	if strings.Join(names, " ") != "link pkcs1" || len(unusable) != 3 {
		t.Errorf("keys %v, unusable %v", names, unusable)
	}
	if keys, unusable := readKeys(filepath.Join(folder, "nowhere")); len(keys) > 0 || len(unusable) != 1 {
		t.Errorf("%v, %v", keys, unusable)
	}
}
