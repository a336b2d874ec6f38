package host

import (
	"errors"
	"fmt"

	"berth/host/signing"
)

// Signatures is what the operator wants to know of who made a package. The zero
// Signatures asks nothing.
type Signatures struct {
	Mode SignatureMode
	Keys []signing.PublicKey // by one of which a package is to be signed
}

// Validate reports what is wrong with it.
func (s Signatures) Validate() error {
	if s.Mode >= numSignatureModes {
		return fmt.Errorf("unknown mode %v", s.Mode)
	}
	if s.Mode != SignaturesOff && len(s.Keys) == 0 {
		return errors.New("without a public key no signature can hold: give one at least, or set the mode to off")
	}
	return nil
}

// SignatureMode says what becomes of a package whose signature does not hold, or
// that has none.
type SignatureMode uint8

// The modes.
const (
	SignaturesOff     SignatureMode = iota // nobody looks
	SignaturesWarn                         // it is installed, with a warning
	SignaturesRequire                      // it is refused
	numSignatureModes
)

var signatureModeNames = [numSignatureModes]string{
	SignaturesOff:     "off",
	SignaturesWarn:    "warn",
	SignaturesRequire: "require",
}

// SignatureModes lists every mode, in a fixed order.
func SignatureModes() []SignatureMode {
	modes := make([]SignatureMode, numSignatureModes)
	for i := range modes {
		modes[i] = SignatureMode(i)
	}
	return modes
}

// String returns the name that the configuration uses.
func (m SignatureMode) String() string {
	if m < numSignatureModes {
		return signatureModeNames[m]
	}
	return fmt.Sprintf("SignatureMode(%d)", uint8(m))
}

// ParseSignatureMode is the inverse of String.
func ParseSignatureMode(s string) (SignatureMode, error) {
	for i, name := range signatureModeNames {
		if name == s {
			return SignatureMode(i), nil
		}
	}
	return 0, fmt.Errorf("unknown signature mode %q: use one of %v", s, signatureModeNames)
}

// MarshalText implements encoding.TextMarshaler.
func (m SignatureMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *SignatureMode) UnmarshalText(text []byte) error {
	parsed, err := ParseSignatureMode(string(text))
	if err == nil {
		*m = parsed
	}
	return err
}

// SignatureState is what was found of a package's signature when it was installed.
type SignatureState uint8

// The states.
const (
	SignatureUnknown SignatureState = iota // nobody looked
	SignatureValid
	SignatureMissing // there is none, or it could not be had
	SignatureInvalid // it is none, or by no key that the host trusts
	numSignatureStates
)

var signatureStateNames = [numSignatureStates]string{
	SignatureUnknown: "",
	SignatureValid:   "valid",
	SignatureMissing: "missing",
	SignatureInvalid: "invalid",
}

// String returns the name used in answers; that of SignatureUnknown is empty.
func (s SignatureState) String() string {
	if s < numSignatureStates {
		return signatureStateNames[s]
	}
	return fmt.Sprintf("SignatureState(%d)", uint8(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s SignatureState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *SignatureState) UnmarshalText(text []byte) error {
	for i, name := range signatureStateNames {
		if name == string(text) {
			*s = SignatureState(i)
			return nil
		}
	}
	return fmt.Errorf("unknown signature state %q: use one of %q", text, signatureStateNames)
}
