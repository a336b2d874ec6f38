package elfinfo

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Info is what an ELF file is.
type Info struct {
	Target Target
	Form   Form
	// Interpreter is the absolute path of the program that loads this one and
	// its libraries: the dynamic linker. Empty if the file needs none, as
	// static programs and most shared objects.
	Interpreter string
}

// Form is what can be done with an ELF file.
type Form uint8

// The forms.
const (
	Other   Form = iota // neither of the following: an object file, a core dump
	Program             // it can be started, and not be loaded into a program
	Shared              // a shared object; one with an interpreter can be started too
)

// ErrFormat is what the error is, by errors.Is, for a file that is no ELF file at
// all; its text says what the file seems to be instead.
var ErrFormat = errors.New("no ELF file")

const (
	// maxTable bounds the program headers and the dynamic section, in bytes:
	// what Linux takes of the former.
	maxTable = 64 << 10
	// maxPath bounds the path of an interpreter, in bytes: Linux's own.
	maxPath = 4096
)

// Read reads what an ELF file of size bytes is. It reads less than 150 KiB of
// it, and does not keep r.
//
// # Errors
//
// ErrFormat; what is wrong with a file that claims to be ELF; or, as it is, the
// error of r.
func Read(r io.ReaderAt, size int64) (Info, error) {
	f := file{r: r, size: size}
	if err := f.readHeader(); err != nil {
		return Info{}, err
	}
	info := Info{Target: Target{systemOf(f.abi), f.machine.arch()}}
	if f.form != elf.ET_EXEC && f.form != elf.ET_DYN {
		return info, nil
	}
	segments, err := f.readSegments()
	if err != nil {
		return Info{}, err
	}
	if f.form == elf.ET_EXEC {
		info.Form = Program
	}
	if s, ok := segments[elf.PT_INTERP]; ok {
		if info.Interpreter, err = f.readPath(s); err != nil {
			return Info{}, err
		}
	}
	if s, ok := segments[elf.PT_DYNAMIC]; ok && f.form == elf.ET_DYN {
		if info.Form, err = f.readForm(s); err != nil {
			return Info{}, err
		}
	}
	return info, nil
}

// file is an ELF file being read.
type file struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder

	machine machine
	abi     elf.OSABI
	form    elf.Type
	header  elf.Header64 // also of a 32-bit file
	loads   []elf.Prog64 // what readSegments found to be loaded
}

// read reads n bytes, which the caller has bounded. What lies beyond the file's
// end is not allocated.
func (f *file) read(offset, n uint64, what string) ([]byte, error) {
	if offset > uint64(f.size) || n > uint64(f.size)-offset {
		return nil, fmt.Errorf("it is cut off, or damaged: its %s lies behind its end, at byte %d", what, f.size)
	}
	data := make([]byte, n)
	if got, err := f.r.ReadAt(data, int64(offset)); got < len(data) {
		return nil, err
	}
	return data, nil
}

func (f *file) readHeader() error {
	ident, err := f.read(0, uint64(min(max(f.size, 0), elf.EI_NIDENT)), "beginning")
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(ident, []byte(elf.ELFMAG)) {
		return foreign(ident)
	}
	if len(ident) < elf.EI_NIDENT {
		return fmt.Errorf("it is cut off: it has %d bytes", f.size)
	}
	f.machine.Class, f.machine.Data, f.abi = elf.Class(ident[elf.EI_CLASS]), elf.Data(ident[elf.EI_DATA]), elf.OSABI(ident[elf.EI_OSABI])
	switch f.machine.Data {
	case elf.ELFDATA2LSB:
		f.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		f.order = binary.BigEndian
	default:
		return fmt.Errorf("it is damaged: its byte order is %d", ident[elf.EI_DATA])
	}
	switch f.machine.Class {
	case elf.ELFCLASS32:
		var h elf.Header32
		err = f.decode(0, &h, "header")
		f.header = elf.Header64{Type: h.Type, Machine: h.Machine, Phoff: uint64(h.Phoff), Phentsize: h.Phentsize, Phnum: h.Phnum}
	case elf.ELFCLASS64:
		err = f.decode(0, &f.header, "header")
	default:
		return fmt.Errorf("it is damaged: its class is %d", ident[elf.EI_CLASS])
	}
	f.machine.Machine, f.form = elf.Machine(f.header.Machine), elf.Type(f.header.Type)
	return err
}

// decode reads a value of one of debug/elf's layouts.
func (f *file) decode(offset uint64, into any, what string) error {
	data, err := f.read(offset, uint64(binary.Size(into)), what)
	if err != nil {
		return err
	}
	_, err = binary.Decode(data, f.order, into)
	return err
}

// readSegments reads the program headers, and checks that all that they load is
// there. It returns those of which there can be only one.
func (f *file) readSegments() (map[elf.ProgType]elf.Prog64, error) {
	entry := uint64(binary.Size(elf.Prog32{}))
	if f.machine.Class == elf.ELFCLASS64 {
		entry = uint64(binary.Size(elf.Prog64{}))
	}
	length := entry * uint64(f.header.Phnum)
	if uint64(f.header.Phentsize) != entry || length == 0 || length > maxTable {
		return nil, fmt.Errorf("it is damaged: it has %d program headers of %d bytes", f.header.Phnum, f.header.Phentsize)
	}
	table, err := f.read(f.header.Phoff, length, "table of program headers")
	if err != nil {
		return nil, err
	}
	single := map[elf.ProgType]elf.Prog64{}
	for ; len(table) > 0; table = table[entry:] {
		s, err := f.segment(table[:entry])
		if err != nil {
			return nil, err
		}
		switch kind := elf.ProgType(s.Type); kind {
		case elf.PT_LOAD:
			if s.Off > uint64(f.size) || s.Filesz > uint64(f.size)-s.Off {
				return nil, fmt.Errorf("it is cut off, or damaged: part of what is loaded lies behind its end, at byte %d", f.size)
			}
			f.loads = append(f.loads, s)
		case elf.PT_INTERP, elf.PT_DYNAMIC:
			if _, twice := single[kind]; twice {
				return nil, fmt.Errorf("it is damaged: it has two program headers of type %v", kind)
			}
			single[kind] = s
		}
	}
	return single, nil
}

// segment decodes one program header.
func (f *file) segment(data []byte) (s elf.Prog64, err error) {
	if f.machine.Class == elf.ELFCLASS64 {
		_, err = binary.Decode(data, f.order, &s)
		return s, err
	}
	var narrow elf.Prog32
	_, err = binary.Decode(data, f.order, &narrow)
	return elf.Prog64{Type: narrow.Type, Off: uint64(narrow.Off), Vaddr: uint64(narrow.Vaddr), Filesz: uint64(narrow.Filesz)}, err
}

func (f *file) readPath(s elf.Prog64) (string, error) {
	if s.Filesz < 2 || s.Filesz > maxPath {
		return "", fmt.Errorf("it is damaged: the path of its interpreter has %d bytes", s.Filesz)
	}
	data, err := f.read(s.Off, s.Filesz, "interpreter's path")
	if err != nil {
		return "", err
	}
	path, end := data[:len(data)-1], data[len(data)-1]
	if end != 0 {
		return "", errors.New("it is damaged: the path of its interpreter has no end")
	}
	path, _, _ = bytes.Cut(path, []byte{0})
	return string(path), nil
}

// readForm tells by the dynamic section whether a file of type ET_DYN is a shared
// object or a position-independent program: dynamic linkers go by this flag when
// they refuse to load the latter as a library.
func (f *file) readForm(s elf.Prog64) (Form, error) {
	data, err := f.read(s.Off, min(s.Filesz, maxTable), "dynamic section")
	if err != nil {
		return Other, err
	}
	width := 4
	if f.machine.Class == elf.ELFCLASS64 {
		width = 8
	}
	for ; len(data) >= 2*width; data = data[2*width:] {
		switch elf.DynTag(f.word(data)) {
		case elf.DT_NULL:
			return Shared, nil
		case elf.DT_FLAGS_1:
			if elf.DynFlag1(f.word(data[width:]))&elf.DF_1_PIE != 0 {
				return Program, nil
			}
			return Shared, nil
		}
	}
	return Shared, nil
}

// word reads a number of the file's own width.
func (f *file) word(data []byte) uint64 {
	if f.machine.Class == elf.ELFCLASS64 {
		return f.order.Uint64(data)
	}
	return uint64(f.order.Uint32(data))
}
