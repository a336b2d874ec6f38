package signing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is the SHA-256 of a package's zip.
type Digest [sha256.Size]byte

// ParseDigest reads a digest: 64 hex digits, in lower or upper case. The error says what they should look like.
func ParseDigest(text string) (d Digest, err error) {
	if len(text) != hex.EncodedLen(len(d)) {
		return Digest{}, fmt.Errorf("a SHA-256 has %d hex digits, and there are %d characters", hex.EncodedLen(len(d)), len(text))
	}
	if _, err := hex.Decode(d[:], []byte(text)); err != nil {
		return Digest{}, fmt.Errorf("a SHA-256 has hex digits only, 0-9 and a-f: %w", err)
	}
	return d, nil
}

// String returns the digest in lower-case hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// message is what is signed for a package with this digest.
func (d Digest) message() []byte { return []byte("berth package v1\n" + d.String() + "\n") }
