package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/server"
)

// pki is a folder with an authority, ca.pem, and what it issued: <name>.pem and
// <name>.key.
type pki struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(t *testing.T, dir string) *pki {
	p := &pki{t: t, dir: dir}
	p.cert, p.key = p.make("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return p
}

// issue makes a certificate: a client's, or that of a host on the loopback.
func (p *pki) issue(name string, client bool) *x509.Certificate {
	template := &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if client {
		template = &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	}
	cert, _ := p.make(name, template)
	return cert
}

func (p *pki) make(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := p.cert, p.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		p.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	writeFile(p.t, p.path(name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(p.t, p.path(name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	return cert, key
}

func (p *pki) path(file string) string { return filepath.Join(p.dir, file) }

// rsaKey is the public key of an issuer of JWTs.
func rsaKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// TestListenAnywhere: an address that other machines reach needs something that
// asks who they are.
func TestListenAnywhere(t *testing.T) {
	t.Chdir(t.TempDir())
	p := newPKI(t, ".")
	p.issue("host", false)
	writeFile(t, "keys/portal", rsaKey(t))
	settings := func(pairs ...string) (all []setting) {
		for _, pair := range append(pairs, "listen=0.0.0.0:0") {
			key, text, _ := strings.Cut(pair, "=")
			all = append(all, setting{"--" + key, key, text})
		}
		return all
	}
	secure := []string{"tls-cert=host.pem", "tls-key=host.key"}
	for _, tt := range []struct {
		pairs   []string
		refused bool
		warned  bool
	}{
		{nil, true, false},
		{secure, true, false}, // TLS alone asks nobody
		{[]string{"cors-origins=http://ui.test"}, true, false},
		{[]string{"insecure=true"}, false, false},
		{[]string{"tokens=ci:read:" + aDigest}, false, true},
		{[]string{"jwt-keys=keys"}, false, true},
		{append([]string{"tokens=ci:read:" + aDigest}, secure...), false, false},
		{append([]string{"tls-client-ca=ca.pem"}, secure...), false, false},
	} {
		l, err := loadConfig("", settings(tt.pairs...), nil, nil)
		if refused := exitOf(err) == exitUsage; refused != tt.refused {
			t.Errorf("%v: %v", tt.pairs, err)
		}
		if err != nil {
			if !strings.Contains(err.Error(), "tokens, jwt-keys or tls-client-ca") {
				t.Errorf("%v: %v", tt.pairs, err)
			}
			continue
		}
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		listeners, err := listen(t.Context(), &l.config, logger)
		if err != nil {
			t.Fatalf("%v: %v", tt.pairs, err)
		}
		warnOfEavesdroppers(&l.config, listeners, logger)
		closeListeners(listeners)
		if warned := strings.Contains(log.String(), "tokens travel in the clear"); warned != tt.warned {
			t.Errorf("%v: the log is %q", tt.pairs, log.String())
		}
	}
	for _, pairs := range [][]string{{"cors-origins=*", "listen=127.0.0.1:0", "insecure=true"}, {"cors-origins=*", "tokens=ci:read:" + aDigest}} {
		if _, err := loadConfig("", settings(pairs...), nil, nil); err != nil {
			t.Errorf("%v: %v", pairs, err)
		}
	}
}

// TestServeTLS is a host over TLS that asks for certificates and tokens, and the
// command that has them, or not.
func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	p := newPKI(t, dir)
	p.issue("host", false)
	p.issue("client", true)
	token, secret, err := server.NewToken("ops", server.ScopeManage|server.ScopeInvoke)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := serveWith(t, filepath.Join(dir, "data"), "--tls-cert", p.path("host.pem"), "--tls-key", p.path("host.key"),
		"--tls-client-ca", p.path("ca.pem"), "--tokens", token.String())
	if !strings.HasPrefix(s.base, "https://127.0.0.1:") {
		t.Fatalf("it listens on %s", s.base)
	}
	whole := []string{"BERTH_HOST=" + s.base, "BERTH_TOKEN= " + secret + "\n", "BERTH_CA=" + p.path("ca.pem"), "BERTH_CERT=" + p.path("client.pem"), "BERTH_KEY=" + p.path("client.key")}
	without := func(name string) (environ []string) {
		for _, variable := range whole {
			if !strings.HasPrefix(variable, name+"=") {
				environ = append(environ, variable)
			}
		}
		return environ
	}
	wasm := writeFile(t, filepath.Join(dir, "echo", "echo.wasm"), guest(t, "echo"))
	for _, tt := range []struct {
		what    string
		environ []string
		args    []string
		code    exitCode
		says    string
	}{
		{"all of it", whole, []string{"plugin", "create", "echo", filepath.Dir(wasm)}, exitOK, "is created"},
		{"a call", whole, []string{"invoke", "--raw", "echo", "hello"}, exitOK, "hello"},
		{"flags", nil, []string{"plugin", "list", "--host", s.base, "--token", secret, "--ca", p.path("ca.pem"), "--cert", p.path("client.pem"), "--key", p.path("client.key")}, exitOK, "echo"},
		{"no token", without("BERTH_TOKEN"), []string{"plugin", "list"}, exitRefused, "a token is needed: send it as Authorization: Bearer <token>; --token or BERTH_TOKEN gives one"},
		{"a wrong token", whole, []string{"plugin", "list", "--token", "wrong"}, exitRefused, "none that this host knows"},
		{"no authority", without("BERTH_CA"), []string{"plugin", "list"}, exitUnavailable, "--ca the authority of its certificate?"},
		{"no certificate", without("BERTH_CERT"), []string{"plugin", "list"}, exitUsage, "--cert and --key belong together"},
		{"neither", nil, []string{"plugin", "list", "--host", s.base, "--token", secret, "--ca", p.path("ca.pem")}, exitUnavailable, "--cert and --key give the certificate that it asks for"},
		{"no TLS", nil, []string{"plugin", "list", "--host", strings.TrimPrefix(s.base, "https://")}, exitRefused, "this is HTTPS: write https://"},
		{"no TLS, but its flags", whole, []string{"plugin", "list", "--host", strings.TrimPrefix(s.base, "https://")}, exitUsage, "has to begin with https://"},
		{"no file", whole, []string{"plugin", "list", "--ca", p.path("gone.pem")}, exitUsage, "--ca: open "},
		{"no authority in it", whole, []string{"plugin", "list", "--ca", p.path("host.key")}, exitUsage, "there is no certificate in PEM in"},
		{"not a pair", whole, []string{"plugin", "list", "--cert", p.path("host.pem")}, exitUsage, "--cert: "},
	} {
		code, stdout, stderr := berth(t, tt.environ, tt.args...)
		if code != int(tt.code) || !strings.Contains(stdout+stderr, tt.says) || strings.Contains(stdout+stderr, secret) {
			t.Errorf("%s: exit %d, want %d:\n%s%s", tt.what, code, tt.code, stdout, stderr)
		}
	}
}

// TestTLSFilesChange: each connection gets what the files hold when it comes,
// and what they held last while that is no whole.
func TestTLSFilesChange(t *testing.T) {
	p := newPKI(t, t.TempDir())
	first := p.issue("host", false)
	p.issue("client", true)
	files := tlsFiles{p.path("host.pem"), p.path("host.key"), p.path("ca.pem")}
	var log bytes.Buffer
	source, err := newTLSSource(files, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", source.config())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
			if err := conn.(*tls.Conn).HandshakeContext(context.Background()); err == nil {
				_, _ = conn.Write([]byte("x"))
			}
			_ = conn.Close()
		}
	}()
	pool, err := authorities(p.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(p.path("client.pem"), p.path("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	client := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	connect := func() (seen *x509.Certificate, err error) {
		conn, err := tls.Dial("tcp", ln.Addr().String(), client)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return nil, err // in TLS 1.3 a refusal comes after the handshake
		}
		return conn.ConnectionState().PeerCertificates[0], nil
	}
	// Files have coarse times: make sure that each change is one.
	tick := time.Now()
	touch := func() {
		tick = tick.Add(time.Second)
		for _, file := range []string{files.cert, files.key, files.clientCA} {
			if err := os.Chtimes(file, tick, tick); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect := func(what string, want *x509.Certificate) {
		t.Helper()
		if got, err := connect(); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	expect("at first", first)
	writeFile(t, files.key, "half a ke")
	touch()
	expect("a broken key", first)
	expect("again", first)
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
	client.ClientSessionCache = tls.NewLRUClientSessionCache(4) // or the old certificate is what a resumed session knows
	second := p.issue("host", false)
	touch()
	expect("a new pair", second)

	// A client whose authority was taken out does not come in by an old session.
	other := newPKI(t, t.TempDir())
	text, err := os.ReadFile(other.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, files.clientCA, string(text))
	touch()
	if seen, err := connect(); err == nil {
		t.Errorf("a client of an authority that was taken out gets %v", seen)
	}

	if err := os.Remove(files.cert); err != nil {
		t.Fatal(err)
	}
	if _, err := newTLSSource(files, slog.New(slog.DiscardHandler)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a certificate: %v", err)
	}
}

func TestTokenCommand(t *testing.T) {
	code, stdout, stderr := berth(t, nil, "token", "ci", "--scope", "read,invoke", "--json")
	var made struct{ Name, Token, Entry string }
	if err := json.Unmarshal([]byte(stdout), &made); err != nil || code != 0 {
		t.Fatalf("%d %s%s: %v", code, stdout, stderr, err)
	}
	if made.Name != "ci" || made.Entry != "ci:read+invoke:"+hashOf(made.Token) {
		t.Errorf("%+v", made)
	}
	for _, args := range [][]string{{"token", "ci"}, {"token"}, {"token", "--scope", "read"}, {"token", "a b", "--scope", "read"}, {"token", "ci", "--scope", "write"}, {"token", "ci", "--scope", ""}, {"token", "a", "b", "--scope", "read"}} {
		if code, stdout, _ := berth(t, nil, args...); code != int(exitUsage) || stdout != "" {
			t.Errorf("%v: exit %d, %s", args, code, stdout)
		}
	}
}
