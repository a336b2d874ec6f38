package elfinfo

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"strings"
)

// Libc is a C library.
type Libc uint8

// The C libraries.
const (
	NoLibc Libc = iota // none that is named here, or the file does not need any
	Glibc              // of most distributions
	Musl               // of Alpine Linux, for one
	UClibc             // of small devices
	numLibcs
)

var libcNames = [numLibcs]string{NoLibc: "no C library", Glibc: "glibc", Musl: "musl", UClibc: "uClibc"}

// String is the name of the library.
func (l Libc) String() string {
	if l < numLibcs {
		return libcNames[l]
	}
	return fmt.Sprintf("Libc(%d)", uint8(l))
}

// The bounds of what is read of the needed libraries' names.
const (
	maxNeeded  = 128 // libraries
	maxLibrary = 256 // bytes of a name
)

// ReadLibc tells which C library an ELF file of size bytes was linked with, by
// its interpreter and by the libraries that it needs. It reads less than 200 KiB of it.
// The errors are those of Read.
func ReadLibc(r io.ReaderAt, size int64) (Libc, error) {
	f := file{r: r, size: size}
	if err := f.readHeader(); err != nil {
		return NoLibc, err
	}
	if f.form != elf.ET_EXEC && f.form != elf.ET_DYN {
		return NoLibc, nil
	}
	segments, err := f.readSegments()
	if err != nil {
		return NoLibc, err
	}
	if s, ok := segments[elf.PT_INTERP]; ok {
		path, err := f.readPath(s)
		if err != nil {
			return NoLibc, err
		}
		if l := libcOf(path[strings.LastIndexByte(path, '/')+1:]); l != NoLibc {
			return l, nil
		}
	}
	dynamic, ok := segments[elf.PT_DYNAMIC]
	if !ok {
		return NoLibc, nil
	}
	return f.neededLibc(dynamic)
}

// neededLibc looks through the names of the libraries that the file needs.
func (f *file) neededLibc(dynamic elf.Prog64) (Libc, error) {
	data, err := f.read(dynamic.Off, min(dynamic.Filesz, maxTable), "dynamic section")
	if err != nil {
		return NoLibc, err
	}
	width := 4
	if f.machine.Class == elf.ELFCLASS64 {
		width = 8
	}
	var needed []uint64
	var table uint64
entries:
	for ; len(data) >= 2*width; data = data[2*width:] {
		switch value := f.word(data[width:]); elf.DynTag(f.word(data)) {
		case elf.DT_NULL:
			break entries
		case elf.DT_STRTAB:
			table = value
		case elf.DT_NEEDED:
			if len(needed) == maxNeeded {
				break entries
			}
			needed = append(needed, value)
		}
	}
	for _, at := range needed {
		name, ok := f.text(table + at)
		if l := libcOf(name); ok && l != NoLibc {
			return l, nil
		}
	}
	return NoLibc, nil
}

// text reads the text at an address that is loaded.
func (f *file) text(address uint64) (string, bool) {
	for _, s := range f.loads {
		if address < s.Vaddr || address-s.Vaddr >= s.Filesz {
			continue
		}
		in := address - s.Vaddr
		data, err := f.read(s.Off+in, min(s.Filesz-in, maxLibrary), "name of a library")
		if err != nil {
			return "", false
		}
		name, _, ended := bytes.Cut(data, []byte{0})
		return string(name), ended
	}
	return "", false
}

// libcOf knows C libraries and dynamic linkers by the names of their files.
func libcOf(name string) Libc {
	for _, known := range []struct {
		prefix string
		libc   Libc
	}{
		{"ld-musl-", Musl}, {"libc.musl-", Musl}, {"ld-linux", Glibc}, {"libc.so.6", Glibc}, {"ld-uClibc", UClibc}, {"libuClibc", UClibc}, {"libc.so.0", UClibc},
	} {
		if strings.HasPrefix(name, known.prefix) {
			return known.libc
		}
	}
	if name == "libc.so" { // what musl's own compiler driver links
		return Musl
	}
	return NoLibc
}
