package elfinfo

import (
	"fmt"
	"strings"
)

// foreign is the first bytes of a file that is no ELF file.
type foreign string

// Error tells what the file seems to be.
func (head foreign) Error() string {
	for _, known := range []struct{ magic, words string }{
		{"\xfe\xed\xfa", "it is a Mach-O file, built for macOS"},
		{"\xce\xfa\xed\xfe", "it is a Mach-O file, built for macOS"},
		{"\xcf\xfa\xed\xfe", "it is a Mach-O file, built for macOS"},
		{"\xca\xfe\xba\xbe", "it is a Mach-O file, built for macOS"},
		{"MZ", "it is a PE file, built for Windows"},
		{"\x00asm", "it is a WebAssembly module: call it .wasm"},
		{"!<arch>\n", "it is an archive, as go build makes of a package that is not main, or of -buildmode=c-archive"},
		{"#!", "it is a script"},
	} {
		if strings.HasPrefix(string(head), known.magic) {
			return known.words
		}
	}
	if len(head) == 0 {
		return "it is empty"
	}
	return fmt.Sprintf("it begins with %q", string(head))
}

// Is makes it an ErrFormat.
func (foreign) Is(target error) bool { return target == ErrFormat }
