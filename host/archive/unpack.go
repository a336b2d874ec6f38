package archive

import (
	"archive/zip"
	"compress/flate"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// Contents is what [Unpack] wrote.
type Contents struct {
	// Entries are the regular files, sorted by path.
	Entries []Entry

	// Enclosing is the name of the one folder that enclosed the package and was left away, "" if there was none.
	Enclosing string
}

// Entry is one regular file.
type Entry struct {
	Path       string // relative to the root, with "/" between folders
	Size       int64  // bytes
	Executable bool   // any execute bit was set in the zip; zips made on Windows carry none
}

// Unpack writes the files and folders of the zip below root, which must be an existing and empty folder, and returns the
// files. Files get the mode 0644, or 0755 if any execute bit is set in the zip, folders 0755, all less the umask. Every
// file, every folder and the root are synced to disk before it returns; the folder that root lies in is the caller's.
//
// If everything lies in one enclosing folder, that is left away, unless its name has a meaning in packages (etc, sources,
// sinks, functions, <os>-<arch>). What macOS adds (__MACOSX, .DS_Store) is not written.
//
// An archive is refused whole: nothing is written before all headers are found to be good. The content is only seen while
// it is unpacked, so on an error what was written so far stays, for the caller, who owns the folder, to remove.
//
// Errors are of type [*Error]. A zip that is none gives the text of [zip.ErrFormat] and nothing else. Failures to write
// wrap the operating system's error. The context is looked at between and within the files.
//
// Unpack may be called concurrently for different roots. It neither closes root nor keeps it or source.
func Unpack(ctx context.Context, source io.ReaderAt, size int64, root *os.Root, limits Limits) (Contents, error) {
	// The section turns offsets that make no sense into io.EOF, whatever source would make of them.
	p, err := newPlan(ctx, io.NewSectionReader(source, 0, max(size, 0)), size, limits.WithDefaults())
	if err != nil {
		return Contents{}, err
	}
	contents := Contents{Enclosing: p.stripEnclosing()}
	folders := p.folders()
	for _, path := range folders {
		if err := root.Mkdir(path, 0o755); err != nil {
			return Contents{}, &Error{Entry: path, Err: writeError(err)}
		}
	}
	buf := make([]byte, chunkLen)
	for _, f := range p.files {
		if err := writeFile(ctx, root, f, buf); err != nil {
			return Contents{}, &Error{Entry: f.source.Name, Err: err}
		}
		contents.Entries = append(contents.Entries, Entry{Path: f.path, Size: f.declared(), Executable: f.executable()})
	}
	slices.Reverse(folders) // the innermost first: a folder is durable when what it names is
	for _, path := range append(folders, ".") {
		if ctx.Err() != nil {
			return Contents{}, &Error{Err: stopped(ctx, "unpacking")}
		}
		if err := syncFolder(root, path); err != nil {
			return Contents{}, &Error{Entry: path, Err: writeError(err)}
		}
	}
	return contents, nil
}

// writeFile unpacks one file and syncs it.
func writeFile(ctx context.Context, root *os.Root, f plannedFile, buf []byte) error {
	src, err := f.source.Open()
	if err != nil {
		return entryError(err)
	}
	defer src.Close() // reading only: its error says nothing that reading to the end did not
	mode := os.FileMode(0o644)
	if f.executable() {
		mode = 0o755
	}
	dst, err := root.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return writeError(err)
	}
	err = copyEntry(ctx, dst, src, f, buf)
	if err == nil {
		if err = dst.Sync(); err != nil {
			err = writeError(err)
		}
	}
	if closeErr := dst.Close(); err == nil && closeErr != nil {
		err = writeError(closeErr)
	}
	return err
}

// copyEntry copies the content of one entry, which must be exactly as long as declared and have the declared checksum.
// archive/zip checks both, but takes a checksum of zero for one that is not set.
func copyEntry(ctx context.Context, dst io.Writer, src io.Reader, f plannedFile, buf []byte) error {
	sum := crc32.NewIEEE()
	if f.source.CRC32 == 0 {
		src = io.TeeReader(src, sum)
	}
	n, err := copyChunks(ctx, dst, src, buf, f.declared())
	var read *sourceError
	switch {
	case err == nil && n != f.declared():
		return refuse(ErrCorrupt, "declares %d bytes and unpacks to %d; build the zip anew", f.declared(), n)
	case err == nil && sum.Sum32() != 0:
		return entryError(zip.ErrChecksum)
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return stopped(ctx, "unpacking")
	case errors.Is(err, errOver):
		return entryError(zip.ErrFormat)
	case errors.As(err, &read):
		return entryError(read.err)
	}
	return writeError(err)
}

// syncFolder makes the names in a folder durable.
func syncFolder(root *os.Root, path string) error {
	folder, err := root.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	return errors.Join(err, folder.Close())
}

// entryError sorts out why the data of an entry could not be read: archive/zip tells a broken entry by a handful of errors,
// and everything else is a failure of the file that the zip is in.
func entryError(err error) error {
	const again = "; build or download the zip anew"
	var flateError flate.CorruptInputError
	switch {
	case errors.Is(err, zip.ErrChecksum):
		return &textError{text: "the content does not match its checksum" + again, kind: ErrCorrupt, cause: err}
	case errors.Is(err, zip.ErrFormat):
		// Not wrapped: it would look like ErrNotZip.
		return refuse(ErrCorrupt, "has a broken local header, or more content than it declares%s", again)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &textError{text: "is cut off or has less content than it declares" + again, kind: ErrCorrupt, cause: err}
	case errors.As(err, &flateError):
		return &textError{text: "cannot be decompressed: " + err.Error() + again, kind: ErrCorrupt, cause: err}
	}
	return readError(err)
}

// writeError is a failure of the file system that is unpacked to.
func writeError(err error) error {
	return &textError{text: "cannot be written: " + err.Error(), cause: err}
}
