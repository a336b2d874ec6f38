package catalog

import (
	"io"
	"os"
	"strings"
)

// The systems that eKuiper has packages for: they tell the C libraries musl and glibc apart.
const (
	alpine = "alpine"
	debian = "debian"
)

// maxRelease bounds what is read of an os-release file, in bytes.
const maxRelease = 64 << 10

// currentSystem is the system of this machine by eKuiper's rule. A machine that does not tell counts as any but Alpine.
func currentSystem() string { return systemIn("/etc/os-release", "/usr/lib/os-release") }

// systemIn reads the first of the files that can be read.
func systemIn(paths ...string) string {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(f, maxRelease))
		_ = f.Close() // it was only read
		if err == nil {
			return systemOf(string(text))
		}
	}
	return debian
}

// systemOf applies the rule to the text of an os-release file: its PRETTY_NAME names Alpine or does not.
func systemOf(release string) string {
	for line := range strings.Lines(release) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "PRETTY_NAME" && strings.Contains(strings.ToUpper(value), "ALPINE") {
			return alpine
		}
	}
	return debian
}
