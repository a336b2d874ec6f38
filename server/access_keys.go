package server

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxKeys    = 1000     // files in a folder of keys
	maxKeyFile = 64 << 10 // bytes

	// keysAge is how long a folder is taken for what it was when it was read.
	keysAge = time.Second
)

// issuerKey is the public key in one file.
type issuerKey struct {
	issuer string // the file's name
	key    *rsa.PublicKey
}

// readKeys reads a folder of public keys. Hidden files and folders are none of
// them. unusable says why other files are not, or the folder is not.
func readKeys(folder string) (keys []issuerKey, unusable []error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, []error{err}
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") || entry.IsDir() {
			continue
		}
		if len(keys)+len(unusable) == maxKeys {
			return keys, append(unusable, fmt.Errorf("%s holds over %d files: those after %s are not read", folder, maxKeys, keys[len(keys)-1].issuer))
		}
		key, err := readKey(filepath.Join(folder, entry.Name()))
		if err != nil {
			unusable = append(unusable, err)
			continue
		}
		keys = append(keys, issuerKey{entry.Name(), key})
	}
	return keys, unusable
}

func readKey(path string) (*rsa.PublicKey, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is no regular file", path))
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, err
	}
	key, err := jwt.ParseRSAPublicKeyFromPEM(text)
	if err != nil {
		return nil, fmt.Errorf("%s holds no RSA public key in PEM: %w", path, err)
	}
	return key, nil
}

// keyFolder is a folder of public keys that is read again when it is asked.
type keyFolder struct {
	path string
	log  *slog.Logger

	mu       sync.Mutex // guards what follows
	keys     []issuerKey
	read     time.Time
	unusable string // what was logged last
}

// key returns the key of an issuer, whose case does not matter.
func (f *keyFolder) key(issuer string, now time.Time) (*rsa.PublicKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if age := now.Sub(f.read); age < 0 || age >= keysAge {
		f.reread(now)
	}
	for _, k := range f.keys {
		if strings.EqualFold(k.issuer, issuer) {
			return k.key, nil
		}
	}
	return nil, fmt.Errorf("there is no key of the issuer %q", issuer)
}

// reread is called with mu held, or before f is shared.
func (f *keyFolder) reread(now time.Time) {
	keys, unusable := readKeys(f.path)
	f.keys, f.read = keys, now
	text := ""
	if len(unusable) > 0 {
		text = errors.Join(unusable...).Error()
	}
	if text != "" && text != f.unusable {
		f.log.Warn("some keys for JWTs cannot be used", "folder", f.path, "error", text)
	}
	f.unusable = text
}
