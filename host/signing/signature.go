package signing

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"
)

// MaxText is how many bytes of a signature's text are worth reading: what is longer is none.
const MaxText = 4 << 10

// Signature is an Ed25519 signature of a digest.
type Signature [ed25519.SignatureSize]byte

// ParseSignature reads the text form: one line of base64 with padding, blanks around it ignored. It does not check
// anything but the form.
func ParseSignature(text string) (s Signature, err error) {
	line := strings.TrimSpace(text)
	switch length := base64.StdEncoding.EncodedLen(len(s)); {
	case len(text) > MaxText:
		return Signature{}, fmt.Errorf("the text is longer than %d bytes", MaxText)
	case line == "":
		return Signature{}, fmt.Errorf("the text is empty")
	case len(line) != length || strings.ContainsAny(line, "\r\n"):
		return Signature{}, fmt.Errorf("it is one line of base64, of %d characters; this text has %d", length, len(line))
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(line)
	if err != nil {
		return Signature{}, err
	}
	if len(raw) != len(s) {
		return Signature{}, fmt.Errorf("a signature has %d bytes, and these are %d", len(s), len(raw))
	}
	return Signature(raw), nil
}

// String returns the text form, without a newline.
func (s Signature) String() string { return base64.StdEncoding.EncodeToString(s[:]) }
