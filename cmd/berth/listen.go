package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"
)

// listen opens what the configuration says, TCP first. On an error nothing stays open.
func listen(ctx context.Context, c *config, log *slog.Logger) (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			closeListeners(listeners)
		}
	}()
	if c.Listen != "" {
		ln, err := listenTCP(ctx, c.Listen, c.Insecure || c.guarded())
		if err != nil {
			return listeners, err
		}
		if c.TLSCert != "" {
			source, err := newTLSSource(c.tlsFiles(), log)
			if err != nil {
				_ = ln.Close()
				return listeners, err
			}
			ln = tls.NewListener(ln, source.config())
		}
		listeners = append(listeners, ln)
	}
	if c.Unix != "" {
		ln, err := listenUnix(ctx, c.Unix, fs.FileMode(c.UnixMode))
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, ln)
	}
	return listeners, nil
}

func closeListeners(listeners []net.Listener) {
	for _, ln := range listeners {
		_ = ln.Close()
	}
}

// listenTCP listens, and looks what it got: "localhost" is what the machine's own table says it is. anywhere allows
// addresses that other machines reach.
func listenTCP(ctx context.Context, address string, anywhere bool) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: another host may be running there: stop it, or choose another port with --listen (0 picks one)", err)
	}
	if err != nil {
		return nil, err
	}
	if !anywhere && !isLoopback(ln.Addr().String()) {
		_ = ln.Close()
		return nil, fail(exitUsage, "%s stands for %s here, which other machines can reach: listen on 127.0.0.1", address, ln.Addr())
	}
	return ln, nil
}

// listenUnix makes a Unix socket, which is removed when it is closed. One that a killed host left behind is removed; one
// that somebody listens on, and any other file, is left alone and is an error.
func listenUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	if err := checkSocketPath(path); err != nil {
		return nil, fail(exitUsage, "unix: %w", err)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	// The file gets the permissions of the socket when it is bound (less the umask), so that there is no moment in which
	// others can connect.
	lc := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		return conn.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) })
	}}
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return fail(exitUsage, "unix: %s is there and is no socket: choose another path, or remove it", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("listen unix %s: another process serves there: stop it, or choose another path with --unix", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil // its host has just ended
	}
	return fmt.Errorf("listen unix %s: whether another process serves there cannot be found out: %w", path, err)
}
