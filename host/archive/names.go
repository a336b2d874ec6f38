package archive

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest names: NAME_MAX of Linux file systems for one element, and a quarter of PATH_MAX for all of them together,
// so that the folder a package lies in has room too.
const (
	maxElement = 255
	maxName    = 1024
)

// checkName judges the name of an entry and returns it as a clean relative path, "" for the root itself, and whether the
// name is a folder's. A leading "./", which some tools write, is dropped; nothing else is repaired.
func checkName(name string) (path string, folder bool, err error) {
	if name == "./" {
		return "", true, nil
	}
	name = strings.TrimPrefix(name, "./")
	if err := checkText(name); err != nil {
		return "", false, err
	}
	path, folder = strings.CutSuffix(name, "/")
	for element := range strings.SplitSeq(path, "/") {
		if err := checkElement(element); err != nil {
			return "", false, err
		}
	}
	return path, folder, nil
}

// checkText judges the name as a whole.
func checkText(name string) error {
	const relative = "; build the zip with paths relative to its root"
	switch {
	case name == "":
		return refuse(ErrUnsafe, "the name is empty; every entry needs one")
	case len(name) > maxName:
		return refuse(ErrUnsafe, "the name is %d bytes long, at most %d are allowed; shorten the path", len(name), maxName)
	case !utf8.ValidString(name):
		return refuse(ErrUnsafe, "the name is not UTF-8; build the zip with UTF-8 names")
	case strings.ContainsFunc(name, unicode.IsControl):
		return refuse(ErrUnsafe, "the name holds a control character; rename the file")
	case strings.Contains(name, `\`):
		return refuse(ErrUnsafe, `the name holds a backslash; build the zip with "/" between folders`)
	case name[0] == '/':
		return refuse(ErrUnsafe, "the path is absolute%s", relative)
	case len(name) > 1 && name[1] == ':' && isLetter(name[0]):
		return refuse(ErrUnsafe, "the path starts with a drive%s", relative)
	}
	return nil
}

// checkElement judges what lies between two slashes.
func checkElement(element string) error {
	switch {
	case element == "":
		return refuse(ErrUnsafe, `the path has an empty element; build the zip with one "/" between folders`)
	case element == ".":
		return refuse(ErrUnsafe, `the path has a "." element; build the zip with clean paths`)
	case element == "..":
		return refuse(ErrUnsafe, "climbs out of the package; build the zip with paths relative to its root")
	case len(element) > maxElement:
		return refuse(ErrUnsafe, "an element of the path is %d bytes long, at most %d are allowed; shorten it",
			len(element), maxElement)
	case isDeviceName(element):
		return refuse(ErrUnsafe, "%s is the name of a device on Windows; rename it", quote(element))
	}
	return nil
}

// isDeviceName reports whether Windows would open a device for the element: CON, NUL, COM1 and the like in any case, with
// or without an extension, which Windows ignores, as it does spaces before it.
func isDeviceName(element string) bool {
	base, _, _ := strings.Cut(element, ".")
	base, _, _ = strings.Cut(base, ":")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, ok := strings.CutPrefix(base, "COM")
	if !ok {
		port, ok = strings.CutPrefix(base, "LPT")
	}
	if !ok {
		return false
	}
	switch port {
	case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
		return true
	}
	return false
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// fold returns the same string for all names that a case-insensitive file system may take for one: those that
// strings.EqualFold calls equal.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, name)
}

// isJunk reports whether the path is what macOS leaves in zips. Such entries are judged as all others, but never written.
func isJunk(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return first == "__MACOSX" || path[strings.LastIndexByte(path, '/')+1:] == ".DS_Store"
}

// isPackageFolder reports whether a folder of this name has a meaning at the root of a package, so that it is not taken
// for a folder that encloses the package.
func isPackageFolder(name string) bool {
	switch name {
	case "etc", "sources", "sinks", "functions":
		return true
	}
	system, arch, ok := strings.Cut(name, "-")
	return ok && isSystem(system) && isArch(arch)
}

// isSystem reports whether s is a GOOS.
func isSystem(s string) bool {
	switch s {
	case "aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux", "netbsd", "openbsd", "plan9",
		"solaris", "wasip1", "windows":
		return true
	}
	return false
}

// isArch reports whether s is a GOARCH.
func isArch(s string) bool {
	switch s {
	case "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
		"s390x", "wasm":
		return true
	}
	return false
}
