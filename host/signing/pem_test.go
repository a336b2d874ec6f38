package signing

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
)

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// foreign is a pair of keys of another algorithm, as PEM.
func foreign(t testing.TB) (private, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return block(privateBlock, privateDER), block(publicBlock, publicDER)
}

func privatePEM(t testing.TB, key PrivateKey) string {
	t.Helper()
	data, err := key.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestKeysRoundTrip(t *testing.T) {
	key := generate(t)
	back, err := ParsePrivateKey([]byte("# who signs\n" + privatePEM(t, key)))
	if err != nil || back.Public() != key.Public() || back.Sign(Digest{}) != key.Sign(Digest{}) {
		t.Errorf("private key: %v", err)
	}
	a, b := key.Public(), generate(t).Public()
	text := "Anna's\n" + string(a.MarshalPEM()) + "\nBen's, and Anna's once more\n" + string(b.MarshalPEM()) + string(a.MarshalPEM())
	for _, text := range []string{text, strings.ReplaceAll(text, "\n", "\r\n")} {
		if keys, err := ParsePublicKeys([]byte(text)); err != nil || !slices.Equal(keys, []PublicKey{a, b}) {
			t.Errorf("public keys: %x, %v", keys, err)
		}
	}
}

func TestParseKeysRefused(t *testing.T) {
	key := generate(t)
	private, public := privatePEM(t, key), string(key.Public().MarshalPEM())
	foreignPrivate, foreignPublic := foreign(t)
	for name, test := range map[string]struct{ text, private, public string }{
		"empty":              {"", "there is no PEM block", "there is no PEM block"},
		"base64":             {"AAAA", "there is no PEM block", "berth keygen"},
		"cut off":            {public[:60], "1 of its 1 PEM blocks", "1 of its 1 PEM blocks are broken"},
		"second cut off":     {public + public[:60], "1 of its 2 PEM blocks", "1 of its 2 PEM blocks are broken"},
		"first broken":       {strings.Replace(public, "-----END", "----END", 1) + public, "PEM blocks are broken", "PEM blocks are broken"},
		"certificate":        {block("CERTIFICATE", []byte("x")), `a PEM block "CERTIFICATE"`, `key 1: this is a PEM block "CERTIFICATE"`},
		"garbage inside":     {block(publicBlock, []byte("x")) + block(privateBlock, []byte("x")), "there are 2 PEM blocks", "key 1: the public key cannot be read"},
		"garbage":            {block(privateBlock, []byte("x")), "the private key cannot be read", "key 1: this is a private key"},
		"other algorithm":    {foreignPrivate, "another algorithm (*ecdsa.PrivateKey)", "key 1: this is a private key"},
		"other algorithm, 2": {public + foreignPublic, "there are 2 PEM blocks", "key 2: this is a key of another algorithm (*ecdsa.PublicKey)"},
		"encrypted":          {block(encryptedBlock, []byte("x")), "the key is encrypted", "key 1: this is a private key"},
		"huge":               {public + strings.Repeat("\n", MaxPEM), "longer than 1048576 bytes", "longer than 1048576 bytes"},
	} {
		if _, err := ParsePrivateKey([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.private) {
			t.Errorf("%s: as a private key: %v, want %q", name, err, test.private)
		}
		if keys, err := ParsePublicKeys([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.public) || keys != nil {
			t.Errorf("%s: as public keys: %x, %v, want %q", name, keys, err, test.public)
		}
	}
	if _, err := ParsePrivateKey([]byte(public)); err == nil || !strings.Contains(err.Error(), "this is a public key") {
		t.Errorf("a public key as a private one: %v", err)
	}
	if _, err := ParsePublicKeys([]byte(private)); err == nil || !strings.Contains(err.Error(), "only who signs should have") {
		t.Errorf("a private key as a public one: %v", err)
	}
}
