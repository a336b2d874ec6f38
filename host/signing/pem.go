package signing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
)

// MaxPEM is how many bytes of a file with keys are worth reading: what is longer is refused.
const MaxPEM = 1 << 20

const (
	publicBlock    = "PUBLIC KEY"
	privateBlock   = "PRIVATE KEY"
	encryptedBlock = "ENCRYPTED PRIVATE KEY"

	makeOne = `"berth keygen" makes a pair, and "openssl genpkey -algorithm ed25519" a private key`
)

// MarshalPEM returns the key as a PEM file: PKCS #8, not encrypted.
func (k PrivateKey) MarshalPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}), nil
}

// MarshalPEM returns the key as a PEM file: PKIX.
func (k PublicKey) MarshalPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: k.pkix()})
}

// ParsePrivateKey reads a PEM file with one private key in it. The error says what to do.
func ParsePrivateKey(data []byte) (PrivateKey, error) {
	blocks, err := blocksOf(data)
	if err != nil {
		return PrivateKey{}, err
	}
	if len(blocks) != 1 {
		return PrivateKey{}, fmt.Errorf("there are %d PEM blocks in it, and it has to be one private key", len(blocks))
	}
	switch kind := blocks[0].Type; kind {
	case privateBlock:
	case publicBlock:
		return PrivateKey{}, fmt.Errorf("this is a public key: it checks signatures, the private key makes them")
	case encryptedBlock:
		return PrivateKey{}, fmt.Errorf(`the key is encrypted: write it without its passphrase for the time it is needed ("openssl pkey -in <key>")`)
	default:
		return PrivateKey{}, fmt.Errorf("this is a PEM block %.40q: an Ed25519 key as PKCS #8 is needed; %s", kind, makeOne)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(blocks[0].Bytes)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("the private key cannot be read: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return PrivateKey{}, fmt.Errorf("this is a key of another algorithm (%T): an Ed25519 key is needed; %s", parsed, makeOne)
	}
	return PrivateKey{key}, nil
}

// ParsePublicKeys reads a PEM file with one or more public keys, and returns each once, in their order. Text between the
// keys is left alone. The error says which key, counted from 1, and what to do.
func ParsePublicKeys(data []byte) ([]PublicKey, error) {
	blocks, err := blocksOf(data)
	if err != nil {
		return nil, err
	}
	var keys []PublicKey
	for i, block := range blocks {
		key, err := publicKey(block)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func publicKey(block *pem.Block) (PublicKey, error) {
	switch block.Type {
	case publicBlock:
	case privateBlock, encryptedBlock:
		return PublicKey{}, fmt.Errorf("this is a private key, which only who signs should have: give the public key here")
	default:
		return PublicKey{}, fmt.Errorf("this is a PEM block %.40q: an Ed25519 public key is needed; %s", block.Type, makeOne)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return PublicKey{}, fmt.Errorf("the public key cannot be read: %w", err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return PublicKey{}, fmt.Errorf("this is a key of another algorithm (%T): an Ed25519 key is needed; %s", parsed, makeOne)
	}
	return PublicKey(key), nil
}

// blocksOf returns the blocks of a PEM file, at least one. The standard library passes over a block that is broken; here
// it is a fault, or a key that the operator believes to be in force would not be.
func blocksOf(data []byte) (blocks []*pem.Block, err error) {
	if len(data) > MaxPEM {
		return nil, fmt.Errorf("it is longer than %d bytes, which no file of keys is", MaxPEM)
	}
	begun := bytes.Count(data, []byte("-----BEGIN "))
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		blocks = append(blocks, block)
	}
	switch {
	case begun == 0:
		return nil, fmt.Errorf("there is no PEM block in it (-----BEGIN ...): give a file of PEM keys; %s", makeOne)
	case len(blocks) != begun:
		return nil, fmt.Errorf("%d of its %d PEM blocks are broken: a line is missing or was changed", begun-len(blocks), begun)
	}
	return blocks, nil
}
