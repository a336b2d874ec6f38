package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"berth/host/signing"
)

// signatureSuffix is behind the name of a zip in that of its signature.
const signatureSuffix = ".sig"

// readBounded reads a file that has at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, err
}

// readPublicKeys reads one file of public keys.
func readPublicKeys(path string) ([]signing.PublicKey, error) {
	data, err := readBounded(path, signing.MaxPEM)
	if err != nil {
		return nil, err
	}
	keys, err := signing.ParsePublicKeys(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// readPrivateKey reads the key to sign with. open tells that others on this machine can read it too.
func readPrivateKey(path string) (key signing.PrivateKey, open bool, err error) {
	data, err := readBounded(path, signing.MaxPEM)
	if err != nil {
		return key, false, err
	}
	if key, err = signing.ParsePrivateKey(data); err != nil {
		return key, false, fmt.Errorf("%s: %w", path, err)
	}
	info, err := os.Stat(path)
	return key, err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0, nil
}

// digestFile is the digest of a package.
func digestFile(path string) (d signing.Digest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return d, fmt.Errorf("%s is a folder: \"berth pack\" makes a package of it", path)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return d, err
	}
	return signing.Digest(hash.Sum(nil)), nil
}

// writeKeys writes a pair of keys: <name>.pem for who signs alone, and <name>.pub.pem. Files that are there stay as they
// are: a key that is lost is lost for good.
func writeKeys(name string, key signing.PrivateKey) (private, public string, err error) {
	private, public = name+".pem", name+".pub.pem"
	text, err := key.MarshalPEM()
	if err != nil {
		return "", "", err
	}
	if err := writeNew(private, text, 0o600); err != nil {
		return "", "", err
	}
	if err := writeNew(public, key.Public().MarshalPEM(), 0o644); err != nil {
		return "", "", errors.Join(err, os.Remove(private))
	}
	return private, public, nil
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fail(exitUsage, "%s is there already: keys are not overwritten, give another name with -o", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}
