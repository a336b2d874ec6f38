package archive

import (
	"archive/zip"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// plan is what will be written, decided from the headers alone. Building it writes nothing.
type plan struct {
	limits  Limits
	size    int64 // of the whole zip
	dataEnd int64 // where the central directory begins, and the data of the entries must have ended

	nodes    map[string]node // all files and folders, by folded path
	files    []plannedFile
	spans    []span
	unpacked int64 // sum of what the files declare
	packed   int64
}

// node is one file or folder.
type node struct {
	path   string
	folder bool
	named  bool // it has an entry of its own: it is not only there because it is in the path of another
}

// plannedFile is one regular file to write.
type plannedFile struct {
	source *zip.File
	path   string
}

func (f plannedFile) declared() int64  { return int64(f.source.UncompressedSize64) }
func (f plannedFile) executable() bool { return f.source.Mode().Perm()&0o111 != 0 }

// span is where the packed bytes of an entry lie.
type span struct {
	start, end int64
	name       string
}

// newPlan reads the headers of the zip and judges every one of them.
func newPlan(ctx context.Context, source io.ReaderAt, size int64, limits Limits) (*plan, error) {
	directory, err := readDirectory(source, size, limits.Files)
	if err != nil {
		return nil, &Error{Err: err}
	}
	reader, err := zip.NewReader(source, size)
	if err != nil {
		return nil, &Error{Err: directoryError(err)}
	}
	if len(reader.File) != directory.count {
		return nil, &Error{Err: ErrNotZip}
	}
	p := &plan{limits: limits, size: size, dataEnd: directory.start, nodes: make(map[string]node)}
	for _, f := range reader.File {
		if ctx.Err() != nil {
			return nil, &Error{Err: stopped(ctx, "unpacking")}
		}
		if err := p.add(f); err != nil {
			return nil, &Error{Entry: f.Name, Err: err}
		}
	}
	if p.limits.ratioExceeded(p.unpacked, p.packed) {
		return nil, &Error{Err: refuse(ErrRatio, "the zip unpacks %d bytes to %d, more than the %d-fold allowed",
			p.packed, p.unpacked, p.limits.Ratio)}
	}
	if err := p.checkSpans(); err != nil {
		return nil, err
	}
	slices.SortFunc(p.files, func(a, b plannedFile) int { return cmp.Compare(a.path, b.path) })
	return p, nil
}

// directoryError sorts out why archive/zip could not read the central directory.
func directoryError(err error) error {
	if errors.Is(err, zip.ErrFormat) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrNotZip
	}
	return readError(err)
}

// add judges one entry and takes it into the plan.
func (p *plan) add(f *zip.File) error {
	path, folder, err := checkName(f.Name)
	if err != nil {
		return err
	}
	if err := checkType(f, folder); err != nil {
		return err
	}
	if folder {
		if path == "" || isJunk(path) {
			return nil
		}
		return p.addNode(path, true)
	}
	if err := p.addSpan(f); err != nil {
		return err
	}
	if isJunk(path) {
		return nil
	}
	if err := p.checkSizes(f); err != nil {
		return err
	}
	p.files = append(p.files, plannedFile{source: f, path: path})
	return p.addNode(path, false)
}

// checkType judges what kind of thing the entry is and whether it can be read at all.
func checkType(f *zip.File, folder bool) error {
	const (
		encrypted       = 1 << 0
		patch           = 1 << 5
		strongEncrypted = 1 << 6
		maskedHeaders   = 1 << 13
	)
	kind := f.Mode().Type()
	switch {
	case f.Flags&(encrypted|strongEncrypted|maskedHeaders) != 0:
		return refuse(ErrUnsupported, "is encrypted; build the zip without a password")
	case f.Flags&patch != 0:
		return refuse(ErrUnsupported, "is a patch of another file; build the zip with whole files")
	case kind&^fs.ModeDir != 0:
		return refuse(ErrUnsafe, "is a %s; only files and folders are allowed, put the file itself into the zip",
			kindName(kind))
	case kind == fs.ModeDir && !folder:
		return refuse(ErrUnsafe, `is a folder by its mode and a file by its name; the name of a folder ends in "/"`)
	case isHardLink(f.Extra):
		return refuse(ErrUnsafe, "is a link; only files and folders are allowed, put the file itself into the zip")
	case folder && f.UncompressedSize64 != 0:
		return refuse(ErrCorrupt, "is a folder that declares %d bytes of content", f.UncompressedSize64)
	case !folder && f.Method != zip.Store && f.Method != zip.Deflate:
		return refuse(ErrUnsupported, "is compressed with method %d; build the zip with deflate (8) or store (0)", f.Method)
	}
	return nil
}

// kindName says what a type is that is neither a file's nor a folder's.
func kindName(kind fs.FileMode) string {
	switch {
	case kind&fs.ModeSymlink != 0:
		return "symbolic link"
	case kind&fs.ModeDevice != 0:
		return "device"
	case kind&fs.ModeNamedPipe != 0:
		return "named pipe"
	case kind&fs.ModeSocket != 0:
		return "socket"
	}
	return "special file"
}

// isHardLink reports whether the extra field holds PKWARE's Unix record with more than its twelve bytes of times and
// owners: what follows is the name of the file that is linked to, or the numbers of a device.
func isHardLink(extra []byte) bool {
	const unixRecord, unixLen = 0x000d, 12
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if id == unixRecord && n > unixLen {
			return true
		}
		if len(extra) < 4+n {
			return false
		}
		extra = extra[4+n:]
	}
	return false
}

// checkSizes holds what the entry declares against the limits. Unpacking holds the entry to what it declares.
func (p *plan) checkSizes(f *zip.File) error {
	if f.UncompressedSize64 > uint64(p.limits.Unpacked) {
		return refuse(ErrTooLarge, "unpacks to %d bytes, the limit for a whole package is %d",
			f.UncompressedSize64, p.limits.Unpacked)
	}
	packed, unpacked := int64(f.CompressedSize64), int64(f.UncompressedSize64)
	if p.limits.ratioExceeded(unpacked, packed) {
		return refuse(ErrRatio, "unpacks %d bytes to %d, more than the %d-fold allowed", packed, unpacked, p.limits.Ratio)
	}
	if unpacked > p.limits.Unpacked-p.unpacked {
		return refuse(ErrTooLarge, "brings the package to %d bytes unpacked, the limit is %d",
			uint64(p.unpacked)+uint64(unpacked), p.limits.Unpacked)
	}
	p.unpacked += unpacked
	p.packed += packed
	return nil
}

// addSpan notes where the data of the entry lies.
func (p *plan) addSpan(f *zip.File) error {
	if f.CompressedSize64 > uint64(p.size) {
		return refuse(ErrCorrupt, "declares %d packed bytes, the whole zip has %d; it may be cut off", f.CompressedSize64, p.size)
	}
	start, err := f.DataOffset()
	if err != nil {
		return entryError(err)
	}
	end := start + int64(f.CompressedSize64)
	if start < 0 || end < start || end > p.dataEnd {
		return refuse(ErrCorrupt, "its data reaches into the zip's directory; build the zip anew")
	}
	if start < end {
		p.spans = append(p.spans, span{start: start, end: end, name: f.Name})
	}
	return nil
}

// checkSpans refuses entries that share bytes of the zip. No tool writes such a thing, but it is how a small zip is made to
// unpack to petabytes without any one entry looking strange.
func (p *plan) checkSpans() error {
	slices.SortFunc(p.spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	for i := 1; i < len(p.spans); i++ {
		if before := p.spans[i-1]; p.spans[i].start < before.end {
			return &Error{Entry: p.spans[i].name, Err: refuse(ErrCorrupt,
				"shares its data with the entry %s; build the zip anew", quote(before.name))}
		}
	}
	return nil
}

// addNode takes a file or folder and the folders above it into the tree, in which each has its place once.
func (p *plan) addNode(path string, folder bool) error {
	folded := fold(path)
	present, ok := p.nodes[folded]
	switch {
	case ok && present.folder && folder && !present.named && present.path == path:
		p.nodes[folded] = node{path: path, folder: true, named: true}
		return nil
	case ok:
		return clash(present, path, folder)
	}
	if err := p.insert(folded, node{path: path, folder: folder, named: true}); err != nil {
		return err
	}
	for {
		cut, foldedCut := strings.LastIndexByte(path, '/'), strings.LastIndexByte(folded, '/')
		if cut < 0 {
			return nil
		}
		path, folded = path[:cut], folded[:foldedCut]
		if above, ok := p.nodes[folded]; ok {
			if above.path != path || !above.folder {
				return clash(above, path, true)
			}
			return nil // what is above it is there too
		}
		if err := p.insert(folded, node{path: path, folder: true}); err != nil {
			return err
		}
	}
}

// insert puts a node into the tree, unless it is full.
func (p *plan) insert(folded string, n node) error {
	if len(p.nodes) >= p.limits.Files {
		return refuse(ErrTooMany, "is beyond the limit of %d files and folders; pack fewer of them", p.limits.Files)
	}
	p.nodes[folded] = n
	return nil
}

// clash says why a path cannot be beside the node that has its place.
func clash(present node, path string, folder bool) error {
	switch {
	case present.path != path:
		return refuse(ErrDuplicate, "differs only in case from %s; rename one of them", quote(present.path))
	case present.folder != folder:
		return refuse(ErrDuplicate, "%s is a file and also a folder; rename one of them", quote(path))
	}
	return refuse(ErrDuplicate, "is there twice; build the zip anew")
}

// folders returns the paths of all folders, each after the one it lies in.
func (p *plan) folders() []string {
	var paths []string
	for _, n := range p.nodes {
		if n.folder {
			paths = append(paths, n.path)
		}
	}
	slices.Sort(paths)
	return paths
}

// stripEnclosing takes away the one folder that encloses the package, if there is one, and returns its name.
func (p *plan) stripEnclosing() string {
	var top []node
	for _, n := range p.nodes {
		if !strings.Contains(n.path, "/") {
			top = append(top, n)
		}
	}
	if len(top) != 1 || !top[0].folder || len(p.files) == 0 || isPackageFolder(top[0].path) {
		return ""
	}
	enclosing := top[0].path
	delete(p.nodes, fold(enclosing))
	for key, n := range p.nodes {
		n.path = n.path[len(enclosing)+1:]
		p.nodes[key] = n // the key stays: nothing is looked up any more
	}
	for i := range p.files {
		p.files[i].path = p.files[i].path[len(enclosing)+1:]
	}
	return enclosing
}
