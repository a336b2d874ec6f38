package host

import (
	"os"
	"path/filepath"
	"testing"
)

// TestEtcTooLarge: configuration that is too large to be copied is refused before
// the package is placed; the file has no blocks, so this costs nothing.
func TestEtcTooLarge(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "etc", "big")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, maxEtc); err != nil {
		t.Fatal(err)
	}
	if err := checkEtc(dir); err != nil {
		t.Error(err)
	}
	if err := os.Truncate(file, maxEtc+1); err != nil {
		t.Fatal(err)
	}
	if err := checkEtc(dir); CodeOf(err) != CodeInvalid {
		t.Error(err)
	}
	if _, err := readEtc(dir, []string{"etc/big"}); CodeOf(err) != CodeInvalid {
		t.Error(err)
	}
}
