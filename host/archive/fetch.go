package archive

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// Fetched is what [Fetch] copied.
type Fetched struct {
	Size   int64  // bytes
	Digest string // SHA-256 in lower-case hex
}

// CheckURI reports whether uri is one that [Fetch] takes: http or https with a host, or file with no host and an absolute
// path (file:///x), and the whole string ends in ".zip" as it is written here, so that x.zip?y=1 is refused. A file uri has
// no query. The error is an [*Error] that wraps [ErrInvalidURI], and its text is exactly "invalid uri " and the uri, [Redacted].
func CheckURI(uri string) error {
	_, err := parseURI(uri)
	return err
}

func parseURI(uri string) (*url.URL, error) {
	u, err := parseAny(uri)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(uri, ".zip") {
		return nil, invalidURI(uri)
	}
	return u, nil
}

func invalidURI(uri string) error {
	return &Error{Err: fmt.Errorf("%w %s", ErrInvalidURI, Redacted(uri))}
}

// parseAny is parseURI for a file whose name may end otherwise.
func parseAny(uri string) (*url.URL, error) {
	invalid := invalidURI(uri)
	u, err := url.ParseRequestURI(uri)
	if err != nil {
		return nil, invalid
	}
	switch u.Scheme {
	case "http", "https":
		if u.Hostname() == "" {
			return nil, invalid
		}
	case "file":
		if u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") || u.RawQuery != "" || u.ForceQuery {
			return nil, invalid
		}
	default:
		return nil, invalid
	}
	return u, nil
}

// Fetch copies what uri names into dst and returns its size and SHA-256. dst gets at most limits.Download bytes; what it
// got before an error is worth nothing, and the caller's to remove. dst is not closed.
//
// Over http and https, at most five redirects are followed, none from https to http, and only the status 200 is accepted;
// certificates are verified against the system's roots. The proxy is the one that the environment names (HTTP_PROXY,
// HTTPS_PROXY, NO_PROXY), as operators expect of any program, unless limits.Sources has addresses. A file uri must name a
// regular file, or a link to one.
//
// Errors are of type [*Error] and wrap [ErrInvalidURI], [ErrForbidden], [ErrDownload] or [ErrTooLarge]; those of dst wrap only
// their cause. An answer with another status than 200 is an ErrDownload and a [*StatusError]; that there is no such file, or
// that the server says 404, is an ErrDownload and an fs.ErrNotExist. Ending ctx ends the download at once; limits.Timeout
// passing is an ErrDownload and a context.DeadlineExceeded.
// Fetch may be called concurrently, and leaves no connection open.
func Fetch(ctx context.Context, uri string, dst io.Writer, limits Limits) (Fetched, error) {
	return fetch(ctx, uri, dst, limits.WithDefaults(), nil)
}

// fetch is Fetch with certificate roots to choose; nil stands for the system's.
func fetch(ctx context.Context, uri string, dst io.Writer, limits Limits, roots *x509.CertPool) (Fetched, error) {
	u, err := parseURI(uri)
	if err != nil {
		return Fetched{}, err
	}
	return download{url: u, what: "the zip", roots: roots}.run(ctx, dst, limits)
}

// FetchBeside is Fetch for a file that lies beside a zip: uri is the zip's, and the file's is that with suffix behind its
// path, or behind its query if it has one. The suffix needs no escaping.
func FetchBeside(ctx context.Context, uri, suffix string, dst io.Writer, limits Limits) (Fetched, error) {
	u, err := parseURI(uri)
	if err != nil {
		return Fetched{}, err
	}
	switch {
	case u.RawQuery != "":
		u.RawQuery += suffix
	case u.Path == "": // the host's name is what ends in .zip
		return Fetched{}, &Error{Err: downloadError(&fs.PathError{Op: "fetch", Path: Redacted(uri) + suffix, Err: fs.ErrNotExist})}
	default:
		u.Path += suffix
		if u.RawPath != "" {
			u.RawPath += suffix
		}
	}
	return download{url: u, what: "the file"}.run(ctx, dst, limits.WithDefaults())
}

// FetchFile is Fetch for a file that is no zip: url is any of http or https, and the request has the headers. They are sent
// to no other host that a redirect leads to.
func FetchFile(ctx context.Context, uri string, headers map[string]string, dst io.Writer, limits Limits) (Fetched, error) {
	u, err := url.ParseRequestURI(uri)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return Fetched{}, &Error{Err: fmt.Errorf("%w %s", ErrInvalidURI, quote(Redacted(uri)))}
	}
	return download{url: u, headers: headers, what: "the file"}.run(ctx, dst, limits.WithDefaults())
}

// FetchAny is Fetch for a file that need not be a zip: its name may end otherwise.
func FetchAny(ctx context.Context, uri string, dst io.Writer, limits Limits) (Fetched, error) {
	u, err := parseAny(uri)
	if err != nil {
		return Fetched{}, err
	}
	return download{url: u, what: "the file"}.run(ctx, dst, limits.WithDefaults())
}

// download is one file to fetch.
type download struct {
	url     *url.URL
	headers map[string]string
	what    string         // what it is, for messages: "the zip"
	roots   *x509.CertPool // nil: the system's
}

func (d download) run(ctx context.Context, dst io.Writer, limits Limits) (fetched Fetched, err error) {
	timeout := &textError{
		text:  fmt.Sprintf("the download took longer than the limit of %v", limits.Timeout),
		kind:  ErrDownload,
		cause: context.DeadlineExceeded,
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Timeout, timeout)
	defer cancel()

	if err = limits.Sources.check(d.url); err != nil {
		return Fetched{}, &Error{Err: err}
	}
	if d.url.Scheme == "file" {
		fetched, err = d.file(ctx, dst, limits)
	} else {
		fetched, err = d.http(ctx, dst, limits)
	}
	switch {
	case err == nil:
		return fetched, nil
	case ctx.Err() == nil || errors.Is(err, ErrTooLarge):
		return Fetched{}, &Error{Err: err}
	case errors.Is(context.Cause(ctx), timeout):
		return Fetched{}, &Error{Err: timeout}
	}
	return Fetched{}, &Error{Err: stopped(ctx, "download")}
}

// file copies a regular file. It looks before it opens, because opening alone may block (a named pipe) or do
// something (a device); and again afterwards, without blocking, because the file may have been replaced in between.
func (d download) file(ctx context.Context, dst io.Writer, limits Limits) (Fetched, error) {
	path := d.url.Path
	info, err := os.Stat(path)
	if err != nil {
		return Fetched{}, downloadError(err)
	}
	if !info.Mode().IsRegular() {
		return Fetched{}, refuse(ErrDownload, "%s is not a regular file", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Fetched{}, downloadError(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return Fetched{}, downloadError(err)
	}
	if !info.Mode().IsRegular() {
		return Fetched{}, refuse(ErrDownload, "%s is not a regular file", path)
	}
	return d.receive(ctx, dst, f, info.Size(), limits)
}

// receive copies the file from src, which says it has size bytes, or -1.
func (d download) receive(ctx context.Context, dst io.Writer, src io.Reader, size int64, limits Limits) (Fetched, error) {
	if size > limits.Download {
		return Fetched{}, refuse(ErrTooLarge, "%s has %d bytes, the limit is %d", d.what, size, limits.Download)
	}
	digest := sha256.New()
	n, err := copyChunks(ctx, io.MultiWriter(dst, digest), src, make([]byte, chunkLen), limits.Download)
	var read *sourceError
	switch {
	case errors.Is(err, errOver):
		return Fetched{}, refuse(ErrTooLarge, "%s has more than %d bytes, which is the limit", d.what, limits.Download)
	case errors.As(err, &read):
		return Fetched{}, downloadError(fmt.Errorf("reading %s failed after %d bytes: %w", d.what, n, read.err))
	case err != nil:
		return Fetched{}, &textError{text: d.what + " cannot be written: " + err.Error(), cause: err}
	}
	return Fetched{Size: n, Digest: hex.EncodeToString(digest.Sum(nil))}, nil
}

// downloadError makes an ErrDownload of err, with the same text.
func downloadError(err error) error {
	return &textError{text: err.Error(), kind: ErrDownload, cause: err}
}
