package signing

import (
	"slices"
	"strings"
	"testing"
)

// FuzzSignature: what is taken has one way to be written, and holds for nothing but what it was made for.
func FuzzSignature(f *testing.F) {
	key := generate(f)
	digest := Digest{1, 2, 3}
	good := key.Sign(digest)
	for _, seed := range []string{"", good.String(), good.String() + "\n", good.String()[:87], strings.Repeat("A", 88), strings.Repeat("=", 88), "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSignature(text)
		if err != nil {
			if s != (Signature{}) || err.Error() == "" {
				t.Errorf("%q: %v, %v", text, s, err)
			}
			return
		}
		if s.String() != strings.TrimSpace(text) {
			t.Errorf("%q is written as %q", text, s)
		}
		if _, ok := Verify([]PublicKey{key.Public()}, digest, s); ok != (s == good) {
			t.Errorf("%q: holds: %v", text, ok)
		}
	})
}

// FuzzKeys: keys that are taken are written and read again as the same.
func FuzzKeys(f *testing.F) {
	key := generate(f)
	public := string(key.Public().MarshalPEM())
	foreignPrivate, foreignPublic := foreign(f)
	for _, seed := range []string{"", public, public + "x\n" + public, privatePEM(f, key), foreignPrivate, foreignPublic, public[:50],
		block(privateBlock, nil), block("", []byte{0}), "-----BEGIN -----\n-----END -----\n", "-----BEGIN PUBLIC KEY-----\na: b\n\nAAAA\n-----END PUBLIC KEY-----\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParsePublicKeys(data)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		var again []byte
		for _, k := range keys {
			again = append(again, k.MarshalPEM()...)
		}
		if back, err := ParsePublicKeys(again); len(keys) > 0 && (err != nil || !slices.Equal(back, keys)) {
			t.Errorf("%x, read again: %x, %v", keys, back, err)
		}
		private, err := ParsePrivateKey(data)
		if err != nil {
			return
		}
		if len(keys) > 0 {
			t.Error("both a private and a public key")
		}
		if digest := (Digest{9}); !private.Public().Verify(digest, private.Sign(digest)) {
			t.Error("what the key signs does not hold")
		}
		if text, err := private.MarshalPEM(); err != nil {
			t.Error(err)
		} else if back, err := ParsePrivateKey(text); err != nil || back.Public() != private.Public() {
			t.Errorf("read again: %v", err)
		}
	})
}
