package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// PrivateKey signs packages. The zero PrivateKey is none: use Generate or ParsePrivateKey.
type PrivateKey struct{ key ed25519.PrivateKey }

// Generate makes a key from the system's randomness.
func Generate() (PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return PrivateKey{key}, err
}

// Sign signs a digest. The same key and digest give the same signature.
func (k PrivateKey) Sign(d Digest) Signature { return Signature(ed25519.Sign(k.key, d.message())) }

// Public returns the key that checks what k signs.
func (k PrivateKey) Public() PublicKey { return PublicKey(k.key.Public().(ed25519.PublicKey)) }

// PublicKey checks signatures. It may be compared with ==.
type PublicKey [ed25519.PublicKeySize]byte

// Verify tells whether the signature is one of the digest by this key.
func (k PublicKey) Verify(d Digest, s Signature) bool { return ed25519.Verify(k[:], d.message(), s[:]) }

// Fingerprint names the key: the SHA-256, in hex, of its PKIX form, as this prints it too:
//
//	openssl pkey -pubin -in key.pub.pem -outform DER | sha256sum
func (k PublicKey) Fingerprint() string {
	sum := sha256.Sum256(k.pkix())
	return hex.EncodeToString(sum[:])
}

// pkix is the key's PKIX form in DER. Only the key itself varies in it (RFC 8410, section 4).
func (k PublicKey) pkix() []byte {
	return append([]byte("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"), k[:]...)
}

// Verify finds the key by which the digest was signed; ok is false if it is none of these.
func Verify(keys []PublicKey, d Digest, s Signature) (by PublicKey, ok bool) {
	i := slices.IndexFunc(keys, func(k PublicKey) bool { return k.Verify(d, s) })
	if i < 0 {
		return PublicKey{}, false
	}
	return keys[i], true
}
