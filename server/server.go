package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"berth/host"
)

// Host is what the server serves: the methods of host.Host that it calls.
type Host interface {
	Install(context.Context, host.Request) (host.Record, error)
	Update(context.Context, host.Request) (host.Record, error)
	Upsert(context.Context, host.Request) (host.Record, error)
	Drop(ctx context.Context, kind host.Kind, name string) error
	Register(ctx context.Context, kind host.Kind, name string, functions []string) error

	Reload(context.Context) (host.Reloaded, error)
	Export() []host.Request
	FetchFile(ctx context.Context, uri string, limit host.Bytes) ([]byte, error)
	Import(ctx context.Context, plugins []host.Request, partial bool) map[host.Ref]error

	Backup(ctx context.Context, w io.Writer) error
	Restore(ctx context.Context, src io.Reader, limit host.Bytes) (host.Restored, error)

	SaveUpload(ctx context.Context, name string, content io.Reader) (path string, err error)
	FetchUpload(ctx context.Context, name, uri string) (path string, err error)
	Uploads() (paths []string, err error)
	RemoveUpload(name string) error

	List(host.Kind) []string
	File(r host.Record, file string) string
	Describe(host.Kind, string) (host.Record, error)
	Status(host.Kind, string) (host.Status, error)
	Statuses() []host.Status
	Logs(host.Kind, string) (host.Lines, error)
	FunctionNames() []string
	FunctionPlugin(function string) (host.Record, error)
	Figures() []host.FunctionFigures
	Ready() bool

	// Acquire must not keep the name: it is only valid until Acquire returns.
	Acquire(ctx context.Context, name string) (host.Acquired, error)
}

var _ Host = (*host.Host)(nil)

const (
	// readGrace is how long a request whose bytes are still coming may take to
	// be there once Shutdown began. It was not begun, so it can be repeated.
	readGrace = 500 * time.Millisecond

	// closeGrace is how long Shutdown waits for handlers that were interrupted
	// when its context ended.
	closeGrace = time.Second

	shutdownTick = 25 * time.Millisecond
)

// ErrClosed is returned by Serve once Shutdown was called.
var ErrClosed = errors.New("server: closed")

// Server serves a Host over HTTP. Its methods are safe for concurrent use. Make
// one with New, end it with Shutdown.
type Server struct {
	config   Config
	host     Host
	log      *slog.Logger
	http     *fasthttp.Server
	router   *router.Router
	requests requestCounts
	guard    *guard
	metrics  *metrics
	started  time.Time
	cpu      cpuMeter
	conns    connections
	mark     string // of this Server alone, and secret: see lengthHeader

	life context.Context // of every operation; ends with Shutdown
	end  context.CancelFunc

	mu        sync.Mutex // guards what follows
	listeners []*listener
	closing   bool
	serving   sync.WaitGroup // Add only while closing is false

	closed   chan struct{} // closed when Shutdown is done
	closeErr error
}

// New returns a server that listens nowhere yet. Its errors are those of the
// configuration, all together.
//
// It sets fasthttp's process-wide limit for the body buffers that connections
// keep between requests to 1 MiB; fasthttp would keep the largest ever seen.
func New(config Config) (*Server, error) {
	if err := config.complete(); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	s := &Server{
		config:  config,
		host:    config.Host,
		log:     config.Log,
		started: time.Now(),
		conns:   connections{open: map[net.Conn]struct{}{}},
		closed:  make(chan struct{}),
		guard:   newGuard(config.Access, config.Log),
		mark:    rand.Text(),
	}
	s.cpu.start(s.started)
	s.life, s.end = context.WithCancel(context.Background())
	s.metrics = newMetrics(s)
	s.router = s.routes()
	fasthttp.SetBodySizePoolLimit(keptBody, keptBody)
	s.http = &fasthttp.Server{
		Handler:        s.handle,
		ErrorHandler:   s.refuse,
		HeaderReceived: s.requestLimits,
		ConnState:      s.conns.changed,
		Logger:         connectionLog{s.log},

		MaxRequestBodySize: int(config.MaxManagement),
		ReadBufferSize:     int(config.MaxHead),
		ReadTimeout:        config.ReadTimeout,
		WriteTimeout:       config.WriteTimeout,
		IdleTimeout:        config.IdleTimeout,
		// The listener keeps the limit; fasthttp's own answer is not ours. Its
		// count is per listener and lags behind by a moment.
		Concurrency: 2*config.Concurrency + 16,

		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true, // what runs here is nobody's business
		// Date stays: RFC 9110 (6.6.1) wants it of a server with a clock.
		CloseOnShutdown:       true,
		SecureErrorLogMessage: true, // no headers of clients in logs
	}
	return s, nil
}

// Handler returns the handler of every request, for tests and benchmarks that
// bring their own fasthttp.
func (s *Server) Handler() fasthttp.RequestHandler { return s.handle }

// Serve accepts and serves connections until Shutdown is called, which closes
// the listener; then it returns nil. It may be called for several listeners at
// one time. It waits out shortages (of file descriptors, say); any other error
// of the listener ends it and is returned. After Shutdown it closes the
// listener and returns ErrClosed.
func (s *Server) Serve(ln net.Listener) error {
	l := newListener(s, ln)
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return errors.Join(ErrClosed, l.Close())
	}
	s.listeners = append(s.listeners, l)
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()
	s.log.Debug("serving", "network", ln.Addr().Network(), "address", ln.Addr().String())
	if err := s.http.Serve(l); err != nil {
		return fmt.Errorf("server: accept on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown stops accepting, lets the requests under way finish and waits for
// them; idle connections are closed, and requests whose bytes are still coming
// get half a second to be there. When ctx ends first, operations are cancelled,
// connections closed, and ctx's error is returned; calls that still run end
// when the host is closed, which is to be next. It is idempotent; later callers
// wait for the first.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closing
	s.closing = true
	listeners := s.listeners
	s.mu.Unlock()
	if !first {
		select {
		case <-s.closed:
			return s.closeErr
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(s.closed)
	for _, l := range listeners {
		if err := l.Close(); err != nil {
			s.log.Warn("closing a listener failed", "address", l.Addr().String(), "error", err)
		}
	}
	s.closeErr = s.drain(ctx)
	s.end()
	if s.closeErr != nil {
		s.conns.abort()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
		defer cancel()
		if left := s.conns.wait(grace); left > 0 {
			s.log.Warn("calls still run: closing the host ends them", "requests", left)
		}
	}
	s.serving.Wait()
	return s.closeErr
}

// drain returns nil when every connection is closed, or ctx's error. fasthttp
// takes a connection that never sent anything for one with a request under
// way, so reading gets a deadline here.
func (s *Server) drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Its error is ctx's, or of listeners that are closed already.
		_ = s.http.ShutdownWithContext(ctx)
	}()
	cut := time.Now().Add(readGrace)
	tick := time.NewTicker(shutdownTick)
	defer tick.Stop()
	for {
		s.conns.readUntil(cut)
		select {
		case <-done:
			if s.conns.wait(ctx) > 0 {
				return ctx.Err()
			}
			return nil
		case <-tick.C:
		}
	}
}

func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// connectionLog takes what fasthttp has to say about connections: clients that
// went away or sent nonsense. None of it is the operator's to act on.
type connectionLog struct{ log *slog.Logger }

// Printf implements fasthttp.Logger.
func (l connectionLog) Printf(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("connection: " + fmt.Sprintf(format, args...))
	}
}
