package signing

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func generate(t testing.TB) PrivateKey {
	t.Helper()
	key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestOpenSSL holds keys, signatures and fingerprints against OpenSSL's: testdata/README.md says how they were made.
func TestOpenSSL(t *testing.T) {
	key, err := ParsePrivateKey(fixture(t, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := ParsePublicKeys(fixture(t, "key.pub.pem"))
	if err != nil || len(public) != 1 || public[0] != key.Public() {
		t.Fatalf("public keys %x, %v, want %x", public, err, key.Public())
	}
	if want := strings.TrimSpace(string(fixture(t, "fingerprint"))); public[0].Fingerprint() != want {
		t.Errorf("fingerprint %s, want %s", public[0].Fingerprint(), want)
	}
	digest := Digest(sha256.Sum256([]byte("a package")))
	signature, err := ParseSignature(string(fixture(t, "package.zip.sig")))
	if err != nil || !public[0].Verify(digest, signature) {
		t.Errorf("OpenSSL's signature %v, %v does not hold", signature, err)
	}
	if key.Sign(digest) != signature {
		t.Errorf("signed: %v, OpenSSL has %v", key.Sign(digest), signature)
	}
	if got := string(public[0].MarshalPEM()); got != string(fixture(t, "key.pub.pem")) {
		t.Errorf("the public key is written as\n%s", got)
	}
	if got, err := key.MarshalPEM(); err != nil || string(got) != string(fixture(t, "key.pem")) {
		t.Errorf("the private key is written as\n%s, %v", got, err)
	}
}

func TestVerify(t *testing.T) {
	mine, other := generate(t), generate(t)
	digest := Digest(sha256.Sum256([]byte("a package")))
	signature := mine.Sign(digest)
	keys := []PublicKey{other.Public(), mine.Public()}
	if by, ok := Verify(keys, digest, signature); !ok || by != mine.Public() {
		t.Errorf("signed by %x, %v", by, ok)
	}
	if by, ok := Verify(keys[:1], digest, signature); ok || by != (PublicKey{}) {
		t.Errorf("by another key: %x, %v", by, ok)
	}
	if _, ok := Verify(nil, digest, signature); ok {
		t.Error("by no key at all")
	}
	for i := range digest {
		changed := digest
		changed[i] ^= 0x80
		if _, ok := Verify(keys, changed, signature); ok {
			t.Errorf("a digest with byte %d changed", i)
		}
	}
	for i := range signature {
		changed := signature
		changed[i] ^= 1
		if _, ok := Verify(keys, digest, changed); ok {
			t.Errorf("a signature with byte %d changed", i)
		}
	}
	if mine.Public().Fingerprint() == other.Public().Fingerprint() {
		t.Error("two keys have one fingerprint")
	}
}

// TestDomain: neither the digest by itself nor another text with it is signed.
func TestDomain(t *testing.T) {
	digest := Digest(sha256.Sum256(nil))
	if got, want := string(digest.message()), "berth package v1\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"; got != want {
		t.Errorf("what is signed is %q, want %q", got, want)
	}
}

func TestParseDigest(t *testing.T) {
	digest := Digest(sha256.Sum256(nil))
	for _, text := range []string{digest.String(), strings.ToUpper(digest.String())} {
		if got, err := ParseDigest(text); err != nil || got != digest {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                          "there are 0 characters",
		digest.String()[1:]:         "there are 63 characters",
		digest.String() + "0":       "there are 65 characters",
		"x" + digest.String()[1:]:   "hex digits only",
		"sha256:" + digest.String(): "64 hex digits",
	} {
		if got, err := ParseDigest(text); err == nil || !strings.Contains(err.Error(), want) || got != (Digest{}) {
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
}

func TestParseSignature(t *testing.T) {
	signature := generate(t).Sign(Digest{})
	text := signature.String()
	for _, text := range []string{text, text + "\n", " " + text + "\r\n"} {
		if got, err := ParseSignature(text); err != nil || got != signature {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for name, test := range map[string]struct{ text, want string }{
		"empty":              {"", "the text is empty"},
		"blank":              {" \n", "the text is empty"},
		"truncated":          {text[:80], "this text has 80"},
		"no padding":         {text[:86], "this text has 86"},
		"two lines":          {text[:44] + "\n" + text[44:], "this text has 89"},
		"a newline for one":  {text[:40] + "\n" + text[41:], "one line of base64"},
		"two signatures":     {text + text, "this text has 176"},
		"no base64":          {"!" + text[1:], "illegal base64"},
		"bits behind":        {text[:85] + "B==", "illegal base64"},
		"padding less":       {text[:86] + "AA", "a signature has 64 bytes, and these are 66"},
		"huge":               {strings.Repeat("A", MaxText+1), "longer than 4096 bytes"},
		"huge, mostly blank": {text + strings.Repeat(" ", MaxText), "longer than 4096 bytes"},
		"a page":             {"<!DOCTYPE html>", "one line of base64"},
	} {
		if got, err := ParseSignature(test.text); err == nil || !strings.Contains(err.Error(), test.want) || got != (Signature{}) {
			t.Errorf("%s: %v, %v, want %q", name, got, err, test.want)
		}
	}
}
