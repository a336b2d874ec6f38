package catalog

import (
	"slices"
	"strings"
)

// architectures are Go's names for those that file names may end in, for each operating system that Go knows.
var architectures = [...]string{"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
	"ppc64le", "riscv64", "s390x", "wasm"}

// PackageFile is what the package of a plugin is called on a plugin host: <name>_<arch>.zip, or <name>.zip for every arch.
func PackageFile(name, arch string) string {
	if arch == "" {
		return name + ".zip"
	}
	return name + "_" + arch + ".zip"
}

// SplitPackageFile is the inverse of [PackageFile]. What follows the last underscore is an architecture if it is Go's name
// for one, else part of the plugin's name. ok is false for files that are no zip.
func SplitPackageFile(file string) (name, arch string, ok bool) {
	name, ok = strings.CutSuffix(file, ".zip")
	if i := strings.LastIndexByte(name, '_'); ok && i > 0 && slices.Contains(architectures[:], name[i+1:]) {
		name, arch = name[:i], name[i+1:]
	}
	return name, arch, ok
}
