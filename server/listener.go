package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"berth/host"
)

const (
	// After an answer to a request that was not read to its end, this much more
	// of it is read and thrown away before the connection is closed: the reset
	// that the kernel would send otherwise can overtake the answer.
	lingerTime  = time.Second
	lingerBytes = 64 << 20

	refusalTime = 100 * time.Millisecond

	shortestPause = 5 * time.Millisecond
	longestPause  = time.Second
)

// listener keeps the limit of connections and waits out shortages, which
// fasthttp takes for the end.
type listener struct {
	net.Listener
	server *Server
	once   sync.Once
	closed chan struct{}
	err    error
}

func newListener(s *Server, ln net.Listener) *listener {
	return &listener{Listener: ln, server: s, closed: make(chan struct{})}
}

// Close implements net.Listener. It is idempotent.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.err = l.Listener.Close()
	})
	return l.err
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	pause := shortestPause
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil && l.server.conns.count() < l.server.config.Concurrency:
			return lingering(c), nil
		case err == nil:
			l.turnAway(c)
		case l.isClosed():
			return nil, io.EOF // what fasthttp takes for an orderly end
		case isShortage(err):
			l.server.log.Warn("accepting a connection failed; trying again", "address", l.Addr().String(), "error", err, "pause", pause)
			if !l.sleep(pause) {
				return nil, io.EOF
			}
			pause = min(2*pause, longestPause)
		default:
			return nil, err
		}
	}
}

func (l *listener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// sleep returns false when the listener was closed meanwhile.
func (l *listener) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.closed:
		return false
	}
}

// isShortage tells errors that pass from those that stay.
func isShortage(err error) bool {
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR} {
		if errors.Is(err, passing) {
			return true
		}
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// turnAway answers a connection for which there is no room. The answer fits the
// socket's buffer, so nobody waits for the client. A connection that has to
// shake hands first is just closed.
func (l *listener) turnAway(c net.Conn) {
	l.server.requests.add(routeNone, fasthttp.StatusServiceUnavailable)
	if _, shakes := c.(*tls.Conn); !shakes {
		_ = writeClosing(c, codeAnswers[host.CodeUnavailable], fmt.Sprintf("the host serves %d connections already: try again later", l.server.config.Concurrency))
	}
	_ = c.Close()
}

// writeClosing answers on a connection that fasthttp has no part in.
func writeClosing(c net.Conn, a answer, message string) error {
	_ = c.SetDeadline(time.Now().Add(refusalTime))
	body, retry := appendError(nil, a.number, message), ""
	if a.status == fasthttp.StatusServiceUnavailable {
		retry = "Retry-After: " + retryAfter + "\r\n"
	}
	_, err := fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nConnection: close\r\n%sContent-Type: %s\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n\r\n%s",
		a.status, fasthttp.StatusMessage(a.status), retry, jsonType, len(body), body)
	return err
}

// halfCloser is a connection that can end what it sends and still read.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// lingerer is a connection that can be closed slowly, or at once.
type lingerer interface {
	slowly()
	abort() error
}

// lingerOn has a connection closed slowly: its last request was not read to its
// end.
func lingerOn(c net.Conn) {
	if c, ok := c.(lingerer); ok {
		c.slowly()
	}
}

// lingerConn is a lingerer of TCP or of Unix.
type lingerConn struct {
	halfCloser
	linger atomic.Bool
}

// lingerTLS is a lingerer of TLS, which fasthttp recognises by its methods.
type lingerTLS struct {
	*tls.Conn
	linger atomic.Bool
}

func lingering(c net.Conn) net.Conn {
	switch c := c.(type) {
	case *tls.Conn:
		return &lingerTLS{Conn: c}
	case halfCloser:
		return &lingerConn{halfCloser: c}
	}
	return c
}

// Handshake is called by fasthttp. It answers who speaks plain HTTP.
func (c *lingerTLS) Handshake() error {
	err := c.Conn.Handshake()
	var other tls.RecordHeaderError
	if errors.As(err, &other) && other.Conn != nil {
		switch string(other.RecordHeader[:]) {
		case "GET /", "HEAD ", "POST ", "PUT /", "DELET", "OPTIO":
			_ = writeClosing(other.Conn, httpAnswers[faultMalformed], "this is HTTPS: write https:// before the address")
		}
	}
	return err
}

// Close implements net.Conn.
func (c *lingerConn) Close() error { return closeSlowly(c.halfCloser, c.linger.Load()) }

// Close implements net.Conn.
func (c *lingerTLS) Close() error { return closeSlowly(c.Conn, c.linger.Load()) }

func (c *lingerConn) slowly() { c.linger.Store(true) }
func (c *lingerTLS) slowly()  { c.linger.Store(true) }

func (c *lingerConn) abort() error { return c.halfCloser.Close() }
func (c *lingerTLS) abort() error  { return c.NetConn().Close() }

func closeSlowly(c halfCloser, linger bool) error {
	if linger && c.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c, lingerBytes)
	}
	return c.Close()
}

// connections are those that are open.
type connections struct {
	mu   sync.Mutex // guards open
	open map[net.Conn]struct{}
}

// changed is called by fasthttp when a connection is new, and when its last
// request is over and it is closed; of one that stream has taken, by stream.
func (c *connections) changed(conn net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew:
		c.mu.Lock()
		c.open[conn] = struct{}{}
		c.mu.Unlock()
	case fasthttp.StateClosed:
		c.mu.Lock()
		delete(c.open, conn)
		c.mu.Unlock()
	}
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

func (c *connections) has(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.open[conn]
	return ok
}

// readUntil ends reading at a time, also reading that goes on now.
func (c *connections) readUntil(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.SetReadDeadline(t)
	}
}

// abort closes every connection at once.
func (c *connections) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		if slow, ok := conn.(lingerer); ok {
			_ = slow.abort()
			continue
		}
		_ = conn.Close()
	}
}

// wait returns how many connections are left when all are closed or ctx ends.
func (c *connections) wait(ctx context.Context) int {
	tick := time.NewTicker(shutdownTick)
	defer tick.Stop()
	for {
		n := c.count()
		if n == 0 {
			return 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return n
		}
	}
}
