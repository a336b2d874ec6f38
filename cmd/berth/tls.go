package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// tlsFiles names the files that the host's TLS is made of.
type tlsFiles struct {
	cert, key string
	clientCA  string // empty: clients need no certificate
}

func (c *config) tlsFiles() tlsFiles { return tlsFiles{c.TLSCert, c.TLSKey, c.TLSClientCA} }

// load reads the files.
func (f tlsFiles) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("tls-cert %s, tls-key %s: %w", f.cert, f.key, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if f.clientCA != "" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		if config.ClientCAs, err = authorities(f.clientCA); err != nil {
			return nil, fmt.Errorf("tls-client-ca: %w", err)
		}
	}
	return config, nil
}

// fileStamp tells one state of a file from another.
type fileStamp struct {
	modified time.Time
	size     int64
}

// stamps returns zeros for files that are not there.
func (f tlsFiles) stamps() (stamps [3]fileStamp) {
	for i, path := range []string{f.cert, f.key, f.clientCA} {
		if info, err := os.Stat(path); err == nil {
			stamps[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}

// tlsSource gives each new connection the TLS of what the files hold when it comes: they are read again once one of them
// changed. While what they hold is no whole, what they held last goes on.
type tlsSource struct {
	files tlsFiles
	log   *slog.Logger

	mu      sync.Mutex // guards what follows
	read    [3]fileStamp
	current *tls.Config
}

func newTLSSource(files tlsFiles, log *slog.Logger) (*tlsSource, error) {
	s := &tlsSource{files: files, log: log, read: files.stamps()}
	var err error
	s.current, err = files.load()
	return s, err
}

// config is for a listener.
func (s *tlsSource) config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.latest(), nil },
	}
}

func (s *tlsSource) latest() *tls.Config {
	stamps := s.files.stamps() // before they are read: what changes meanwhile is noticed the next time
	s.mu.Lock()
	defer s.mu.Unlock()
	if stamps == s.read {
		return s.current
	}
	s.read = stamps
	config, err := s.files.load()
	if err != nil {
		s.log.Warn("the files of TLS changed and cannot be used: what they held goes on", "error", err)
		return s.current
	}
	s.log.Info("the files of TLS changed and were read", "cert", s.files.cert)
	s.current = config
	return config
}
