package elfinfo

import (
	"debug/elf"
	"fmt"
	"runtime"
	"strings"
)

// Target is what a program is built for, in Go's words: GOOS and GOARCH. What Go
// has no name for is in the words of the ELF standard.
type Target struct {
	OS, Arch string
}

// Host is the target of the running program.
func Host() Target { return Target{runtime.GOOS, runtime.GOARCH} }

// String is the target as in "linux/arm64".
func (t Target) String() string { return t.OS + "/" + t.Arch }

// Folder is the folder of a package that holds builds for the target:
// "linux-arm64".
func (t Target) Folder() string { return t.OS + "-" + t.Arch }

// machine is what an ELF header says of the processor.
type machine struct {
	elf.Machine
	elf.Class
	elf.Data
}

// architectures are those that Go has a name for, also where it has no port. All
// versions of ARM (GOARM) are "arm".
var architectures = map[machine]string{
	{elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB}:       "386",
	{elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB}:    "amd64",
	{elf.EM_X86_64, elf.ELFCLASS32, elf.ELFDATA2LSB}:    "amd64p32",
	{elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB}:       "arm",
	{elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2MSB}:       "armbe",
	{elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB}:   "arm64",
	{elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2MSB}:   "arm64be",
	{elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB}: "loong64",
	{elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2MSB}:      "mips",
	{elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2LSB}:      "mipsle",
	{elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2MSB}:      "mips64",
	{elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2LSB}:      "mips64le",
	{elf.EM_PPC, elf.ELFCLASS32, elf.ELFDATA2MSB}:       "ppc",
	{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2MSB}:     "ppc64",
	{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB}:     "ppc64le",
	{elf.EM_RISCV, elf.ELFCLASS32, elf.ELFDATA2LSB}:     "riscv",
	{elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB}:     "riscv64",
	{elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB}:      "s390x",
}

func (m machine) arch() string {
	if name, ok := architectures[m]; ok {
		return name
	}
	name := strings.ToLower(strings.TrimPrefix(m.Machine.String(), "EM_"))
	bits, order := "32-bit", "little-endian"
	if m.Class == elf.ELFCLASS64 {
		bits = "64-bit"
	}
	if m.Data == elf.ELFDATA2MSB {
		order = "big-endian"
	}
	return fmt.Sprintf("%s (%s, %s)", name, bits, order)
}

// systemOf names the operating system. Linux does not mark its files, and
// neither do some of the others: what is not marked is taken for Linux's.
func systemOf(abi elf.OSABI) string {
	switch abi {
	case elf.ELFOSABI_NONE, elf.ELFOSABI_LINUX:
		return "linux"
	case elf.ELFOSABI_FREEBSD:
		return "freebsd"
	case elf.ELFOSABI_NETBSD:
		return "netbsd"
	case elf.ELFOSABI_OPENBSD:
		return "openbsd"
	case elf.ELFOSABI_SOLARIS:
		return "solaris"
	}
	return strings.ToLower(strings.TrimPrefix(abi.String(), "ELFOSABI_"))
}
