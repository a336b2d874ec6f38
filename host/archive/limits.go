package archive

import "time"

// The limits that hold where a field of [Limits] is zero.
const (
	DefaultDownload int64 = 256 << 20
	DefaultUnpacked int64 = 1 << 30
	DefaultFiles    int   = 10_000
	DefaultRatio    int64 = 200
	DefaultTimeout        = 5 * time.Minute
)

// ratioFloor is how many unpacked bytes are never too many for what was packed: a small file of one repeated byte is
// harmless at any ratio.
const ratioFloor int64 = 1 << 20

// Limits bound what a package may cost, and where it may come from. A field that is zero (or less) means its default. Limits
// is a plain value; it is read only while a call lasts.
type Limits struct {
	// Download is the size of the zip in bytes; default 256 MiB.
	Download int64

	// Unpacked is the sum of the sizes of the unpacked files in bytes; default 1 GiB.
	Unpacked int64

	// Files is the number of entries in the zip, and also the number of files and folders they unpack to (a name such as
	// a/b/c/d stands for three folders too); default 10,000.
	Files int

	// Ratio is how many unpacked bytes one packed byte may become, for each entry and for the archive as a whole; default
	// 200. Code and text pack 3 to 20 times smaller, a native build full of zeroes seldom 100 times; deflate itself ends at
	// 1,032, which is where bombs live. It holds only beyond 1 MiB unpacked.
	Ratio int64

	// Timeout is for a whole download, from the first connection to the last byte; default 5 min.
	Timeout time.Duration

	// Sources is where files may be fetched from; default: anywhere.
	Sources Sources
}

// WithDefaults returns l with every field set.
func (l Limits) WithDefaults() Limits {
	if l.Download <= 0 {
		l.Download = DefaultDownload
	}
	if l.Unpacked <= 0 {
		l.Unpacked = DefaultUnpacked
	}
	if l.Files <= 0 {
		l.Files = DefaultFiles
	}
	if l.Ratio <= 0 {
		l.Ratio = DefaultRatio
	}
	if l.Timeout <= 0 {
		l.Timeout = DefaultTimeout
	}
	return l
}

// ratioExceeded reports whether unpacked bytes are too many to come from packed bytes. It cannot overflow.
func (l Limits) ratioExceeded(unpacked, packed int64) bool {
	return unpacked > ratioFloor && (unpacked-1)/l.Ratio >= packed
}
