package server

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// Config is what a Server is made of. A zero field means its default; it must
// not be changed after New.
type Config struct {
	Host    Host         // needed; the caller closes it after Shutdown
	Version string       // of this program, as / and /metrics show it; default "unknown"
	Log     *slog.Logger // default: discarded
	Access  Access       // default: whoever reaches a listener may do everything

	// Catalog lists the plugins that can be had ready-made. nil: the operator has
	// named no plugin hosts, and clients are told so.
	Catalog Catalog

	// Bodies over these sizes are answered with 413. MaxBody should be a little
	// over the host's own limit for inputs, whose message says more.
	MaxBody       host.Bytes // of POST /invoke/{function}; default 16 MiB and 64 KiB
	MaxBatch      host.Bytes // of POST /invoke/{function}/batch; default 16 MiB
	MaxImport     host.Bytes // of POST /data/import, and the file that it may name; default 16 MiB
	MaxManagement host.Bytes // of every other request; default 1 MiB
	MaxPackage    host.Bytes // of a zip or a file that is streamed to disk; default 256 MiB
	MaxRestore    host.Bytes // of a backup that is restored; default 8 GiB
	MaxHead       host.Bytes // of a request's line and headers, a buffer of this size a connection; default 8 KiB

	// ReadTimeout is for a whole request to arrive, UploadTimeout for its body
	// when that is over 64 KiB or of unknown size. PackageTimeout is for what is
	// streamed to disk, RestoreTimeout for a backup that is; their single reads have
	// ReadTimeout. WriteTimeout is for an
	// answer to be taken, or each part of a batch's. IdleTimeout is for the
	// next request on a connection.
	ReadTimeout    time.Duration // default 10 s
	UploadTimeout  time.Duration // default 2 min
	PackageTimeout time.Duration // default 5 min
	RestoreTimeout time.Duration // default 1 h
	WriteTimeout   time.Duration // default 30 s
	IdleTimeout    time.Duration // default 2 min

	// Stop ends the program gracefully, with an exit code, and returns at once;
	// nil: requests that ask for it are answered as if they did not.
	Stop func(exitCode int)

	// Concurrency is how many connections are served at one time, on all
	// listeners together; default 1024. Those beyond it get a 503. Each may
	// hold a body of the size above.
	Concurrency int
}

const (
	defaultMaxBody        = 16<<20 + 64<<10
	defaultMaxBatch       = 16 << 20
	defaultMaxImport      = 16 << 20
	defaultMaxManagement  = 1 << 20
	defaultMaxHead        = 8 << 10
	defaultMaxRestore     = 8 << 30
	defaultMaxPackage     = 256 << 20
	defaultReadTimeout    = 10 * time.Second
	defaultUploadTimeout  = 2 * time.Minute
	defaultPackageTimeout = 5 * time.Minute
	defaultRestoreTimeout = time.Hour
	defaultWriteTimeout   = 30 * time.Second
	defaultIdleTimeout    = 2 * time.Minute
	defaultConcurrency    = 1024

	// exitAfterChange is the exit code of eKuiper when a client asked it to stop
	// after a change, for its supervisor to start it again.
	exitAfterChange = 100

	// smallBody is the size of body that ReadTimeout is enough for.
	smallBody = 64 << 10

	// keptBody is the largest body whose buffer stays with a connection.
	keptBody = 1 << 20

	// maxMessage bounds the text in an error's answer, in bytes.
	maxMessage = 16 << 10
)

// complete puts defaults in the place of zeros and reports every fault.
func (c *Config) complete() error {
	var faults []error
	if c.Host == nil {
		faults = append(faults, errors.New("a host is needed"))
	}
	size := func(name string, value *host.Bytes, standard host.Bytes) {
		if *value < 0 || *value > math.MaxInt32 && value != &c.MaxPackage && value != &c.MaxRestore {
			faults = append(faults, fmt.Errorf("%s is %d: it must be between 0 and 2 GiB", name, *value))
		}
		if *value == 0 {
			*value = standard
		}
	}
	size("MaxBody", &c.MaxBody, defaultMaxBody)
	size("MaxBatch", &c.MaxBatch, defaultMaxBatch)
	size("MaxImport", &c.MaxImport, defaultMaxImport)
	size("MaxManagement", &c.MaxManagement, defaultMaxManagement)
	size("MaxRestore", &c.MaxRestore, defaultMaxRestore)
	size("MaxPackage", &c.MaxPackage, defaultMaxPackage)
	size("MaxHead", &c.MaxHead, defaultMaxHead)
	limit := func(name string, value *time.Duration, standard time.Duration) {
		if *value < 0 {
			faults = append(faults, fmt.Errorf("%s is %v: it cannot be negative", name, *value))
		}
		if *value == 0 {
			*value = standard
		}
	}
	limit("ReadTimeout", &c.ReadTimeout, defaultReadTimeout)
	limit("UploadTimeout", &c.UploadTimeout, defaultUploadTimeout)
	limit("PackageTimeout", &c.PackageTimeout, defaultPackageTimeout)
	limit("RestoreTimeout", &c.RestoreTimeout, defaultRestoreTimeout)
	limit("WriteTimeout", &c.WriteTimeout, defaultWriteTimeout)
	limit("IdleTimeout", &c.IdleTimeout, defaultIdleTimeout)
	if c.Concurrency < 0 {
		faults = append(faults, fmt.Errorf("field Concurrency is %d: it cannot be negative", c.Concurrency))
	}
	if c.Concurrency == 0 {
		c.Concurrency = defaultConcurrency
	}
	if err := c.Access.Validate(); err != nil {
		faults = append(faults, err)
	}
	c.Version = strings.ToValidUTF8(c.Version, "?") // it becomes a label
	if c.Version == "" {
		c.Version = "unknown"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return errors.Join(faults...)
}

// requestLimits is asked by fasthttp when a request's head is there and its
// body is not.
func (s *Server) requestLimits(head *fasthttp.RequestHeader) fasthttp.RequestConfig {
	limits, path := fasthttp.RequestConfig{MaxRequestBodySize: int(s.config.MaxManagement)}, rawPath(head.RequestURI())
	if rest, ok := bytes.CutPrefix(path, []byte(invokePrefix)); ok {
		limits.MaxRequestBodySize = int(s.config.MaxBody)
		if bytes.IndexByte(rest, '/') >= 0 {
			limits.MaxRequestBodySize = int(s.config.MaxBatch)
		}
	} else if string(path) == importPath {
		limits.MaxRequestBodySize = int(s.config.MaxImport)
	} else {
		s.detachBody(head)
	}
	// Setting a deadline costs; -1 is a body of unknown size.
	if n := head.ContentLength(); n > smallBody || n == -1 {
		limits.ReadTimeout = s.config.UploadTimeout
		if _, no := s.guard.judge(head, path); no != nil { // much is read only of those who may send it
			limits.MaxRequestBodySize = min(limits.MaxRequestBodySize, smallBody)
		}
	}
	return limits
}

// rawPath cuts the path out of a request's target, which may be a whole URL.
func rawPath(target []byte) []byte {
	for _, end := range []byte{'?', '#'} {
		if i := bytes.IndexByte(target, end); i >= 0 {
			target = target[:i]
		}
	}
	if len(target) > 0 && target[0] == '/' {
		return target
	}
	_, rest, ok := bytes.Cut(target, []byte("://"))
	if i := bytes.IndexByte(rest, '/'); ok && i >= 0 {
		return rest[i:]
	}
	return nil
}
