package archive

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// The records of the zip format that bound the central directory; all numbers are little endian.
const (
	headerLen = 46 // of a file in the central directory, before its name, extra field and comment
	headerSig = "PK\x01\x02"

	endLen = 22 // end of central directory, before its comment
	endSig = "PK\x05\x06"

	locator64Len = 20 // says where the zip64 end record is
	locator64Sig = "PK\x06\x07"

	end64Len = 56
	end64Sig = "PK\x06\x06"

	maxEndComment = 64 << 10
)

// headerBytes is how many bytes of the central directory an entry may take on average: a name of the longest, with as
// much again for extra fields and comments, which archive/zip keeps in memory.
const headerBytes = 2 * maxName

// directory is where the central directory of a zip lies, and how many entries it has.
type directory struct {
	start int64
	count int
}

// CheckCount refuses a zip with more entries than limit before archive/zip reads them, in constant memory. Errors are of type
// [*Error] and wrap [ErrNotZip] or [ErrTooMany].
func CheckCount(zip io.ReaderAt, size int64, limit int) error {
	if _, err := readDirectory(zip, size, limit); err != nil {
		return &Error{Err: err}
	}
	return nil
}

// readDirectory finds the central directory and counts its entries in constant memory. archive/zip cannot be asked to
// do it: it keeps reading headers for as long as there are any, whatever number the end record claims, and makes several
// hundred bytes of each 46. So this follows the very same way as archive/zip does to the directory (that both see the same
// entries is checked by Unpack, and held by a fuzz test) but stops at the limit.
func readDirectory(zip io.ReaderAt, size int64, limit int) (directory, error) {
	end, err := findEnd(zip, size)
	if err != nil {
		return directory{}, err
	}
	if end.records > uint64(limit) {
		return directory{}, refuse(ErrTooMany, "the zip claims %d entries, the limit is %d; pack fewer files",
			end.records, limit)
	}
	start, err := end.start(size)
	if err != nil {
		return directory{}, err
	}
	found, err := countAt(zip, size, start, limit)
	if err != nil {
		return directory{}, err
	}
	// If the stated offset contradicts the place, either bytes were put before the zip or the offset is right after all.
	// archive/zip believes the offset if it can read a header there. Both are counted, whichever it may choose.
	if end.offset < uint64(start) {
		stated, err := countAt(zip, size, int64(end.offset), limit)
		if err != nil {
			return directory{}, err
		}
		if stated.count > 0 {
			found = stated
		}
	}
	if uint64(found.count) != end.records {
		return directory{}, ErrNotZip
	}
	return found, nil
}

// countAt counts the headers from start to the end of the zip.
func countAt(zip io.ReaderAt, size, start int64, limit int) (directory, error) {
	count, err := countHeaders(io.NewSectionReader(zip, start, size-start), limit)
	return directory{start: start, count: count}, err
}

// endRecord is what the end of a zip says about its central directory.
type endRecord struct {
	at      int64 // where the record (the zip64 one, if there is one) lies itself
	records uint64
	size    uint64
	offset  uint64
}

// findEnd looks for the end record in the last 64 KiB of the zip.
func findEnd(zip io.ReaderAt, size int64) (endRecord, error) {
	if size < endLen {
		return endRecord{}, ErrNotZip
	}
	tail := make([]byte, min(size, maxEndComment+1024))
	if err := readFull(zip, tail, size-int64(len(tail))); err != nil {
		return endRecord{}, err
	}
	at := lastEnd(tail)
	if at < 0 {
		return endRecord{}, ErrNotZip
	}
	b := tail[at:]
	end := endRecord{
		at:      size - int64(len(tail)) + int64(at),
		records: uint64(binary.LittleEndian.Uint16(b[10:])),
		size:    uint64(binary.LittleEndian.Uint32(b[12:])),
		offset:  uint64(binary.LittleEndian.Uint32(b[16:])),
	}
	if end.records == math.MaxUint16 || end.size == math.MaxUint16 || end.offset == math.MaxUint32 {
		return end, end.read64(zip, size)
	}
	return end, nil
}

// lastEnd returns the index of the last end record in b, or -1. Like archive/zip it gives up at a record whose comment is
// cut off.
func lastEnd(b []byte) int {
	for i := len(b) - endLen; i >= 0; i-- {
		if string(b[i:i+4]) != endSig {
			continue
		}
		if i+endLen+int(binary.LittleEndian.Uint16(b[i+20:])) > len(b) {
			return -1
		}
		return i
	}
	return -1
}

// read64 replaces the numbers by those of the zip64 end record, if there is one.
func (e *endRecord) read64(zip io.ReaderAt, size int64) error {
	at := e.at - locator64Len
	if at < 0 {
		return nil
	}
	var locator [locator64Len]byte
	if err := readFull(zip, locator[:], at); err != nil {
		return err
	}
	oneDisk := binary.LittleEndian.Uint32(locator[4:]) == 0 && binary.LittleEndian.Uint32(locator[16:]) == 1
	if string(locator[:4]) != locator64Sig || !oneDisk {
		return nil
	}
	offset := binary.LittleEndian.Uint64(locator[8:])
	if size < end64Len || offset > uint64(size-end64Len) {
		return ErrNotZip
	}
	var b [end64Len]byte
	if err := readFull(zip, b[:], int64(offset)); err != nil {
		return err
	}
	if string(b[:4]) != end64Sig {
		return ErrNotZip
	}
	e.at = int64(offset)
	e.records = binary.LittleEndian.Uint64(b[32:])
	e.size = binary.LittleEndian.Uint64(b[40:])
	e.offset = binary.LittleEndian.Uint64(b[48:])
	return nil
}

// start returns where the central directory begins: its size before the end record.
func (e endRecord) start(size int64) (int64, error) {
	if e.size > math.MaxInt64 || e.offset > math.MaxInt64 {
		return 0, ErrNotZip
	}
	start := e.at - int64(e.size)
	if start < 0 || start >= size {
		return 0, ErrNotZip
	}
	return start, nil
}

// countHeaders counts the headers at the beginning of r. It returns [ErrTooMany] at the first one beyond the limit.
func countHeaders(r io.Reader, limit int) (int, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	used := int64(0)
	for count := 0; ; count++ {
		var header [headerLen]byte
		_, err := io.ReadFull(buffered, header[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return count, nil
		}
		if err != nil {
			return count, readError(err)
		}
		if string(header[:4]) != headerSig {
			return count, nil
		}
		rest := 0
		for _, field := range []int{28, 30, 32} { // the lengths of the name, the extra field, the comment
			rest += int(binary.LittleEndian.Uint16(header[field:]))
		}
		if n, err := buffered.Discard(rest); n < rest {
			if errors.Is(err, io.EOF) {
				return count, nil
			}
			return count, readError(err)
		}
		used += int64(headerLen + rest)
		if count == limit {
			return count, refuse(ErrTooMany, "the zip has more entries than the limit of %d; pack fewer files", limit)
		}
		if used/headerBytes > int64(limit) {
			return count, refuse(ErrTooMany, "the names and comments of the zip's entries are longer than %d bytes for "+
				"each of the %d allowed; build the zip without comments", headerBytes, limit)
		}
	}
}

// readFull fills b from the offset on; if the zip ends before, it is not one.
func readFull(zip io.ReaderAt, b []byte, offset int64) error {
	if n, err := zip.ReadAt(b, offset); n < len(b) {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return ErrNotZip
		}
		return readError(err)
	}
	return nil
}

// readError is a failure to read the zip that says nothing about what is in it.
func readError(err error) error {
	return &textError{text: "cannot read the zip: " + err.Error(), cause: err}
}
