package elfinfo

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

// craft makes the smallest file that has what it says: header, program headers,
// and what these point to.
type craft struct {
	machine
	abi         elf.OSABI
	form        elf.Type
	interpreter string
	dynamic     []uint64 // tags and values
}

// amd64 is a shared object for linux/amd64.
func amd64() craft {
	return craft{machine: machine{elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB}, form: elf.ET_DYN, dynamic: []uint64{uint64(elf.DT_NULL), 0}}
}

func (c craft) bytes(t testing.TB) []byte {
	t.Helper()
	var order binary.ByteOrder = binary.LittleEndian
	if c.Data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	wide := c.Class == elf.ELFCLASS64
	put := func(b *bytes.Buffer, value any) {
		if err := binary.Write(b, order, value); err != nil {
			t.Fatal(err)
		}
	}
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(c.Class), byte(c.Data), byte(elf.EV_CURRENT), byte(c.abi)}
	headerSize, entrySize := uint64(binary.Size(elf.Header32{})), uint64(binary.Size(elf.Prog32{}))
	if wide {
		headerSize, entrySize = uint64(binary.Size(elf.Header64{})), uint64(binary.Size(elf.Prog64{}))
	}

	var dynamic bytes.Buffer
	for _, word := range c.dynamic {
		if wide {
			put(&dynamic, word)
		} else {
			put(&dynamic, uint32(word))
		}
	}
	content := map[elf.ProgType][]byte{elf.PT_LOAD: []byte("code")}
	if c.interpreter != "" {
		content[elf.PT_INTERP] = append([]byte(c.interpreter), 0)
	}
	if c.dynamic != nil {
		content[elf.PT_DYNAMIC] = dynamic.Bytes()
	}
	var headers, rest bytes.Buffer
	start := headerSize + uint64(len(content))*entrySize
	for _, kind := range []elf.ProgType{elf.PT_INTERP, elf.PT_LOAD, elf.PT_DYNAMIC} {
		data, ok := content[kind]
		if !ok {
			continue
		}
		offset, length := start+uint64(rest.Len()), uint64(len(data))
		if wide {
			put(&headers, elf.Prog64{Type: uint32(kind), Off: offset, Filesz: length})
		} else {
			put(&headers, elf.Prog32{Type: uint32(kind), Off: uint32(offset), Filesz: uint32(length)})
		}
		rest.Write(data)
	}
	var out bytes.Buffer
	if wide {
		put(&out, elf.Header64{Ident: ident, Type: uint16(c.form), Machine: uint16(c.Machine), Version: 1, Phoff: headerSize,
			Ehsize: uint16(headerSize), Phentsize: uint16(entrySize), Phnum: uint16(len(content))})
	} else {
		put(&out, elf.Header32{Ident: ident, Type: uint16(c.form), Machine: uint16(c.Machine), Version: 1, Phoff: uint32(headerSize),
			Ehsize: uint16(headerSize), Phentsize: uint16(entrySize), Phnum: uint16(len(content))})
	}
	out.Write(headers.Bytes())
	out.Write(rest.Bytes())
	return out.Bytes()
}
