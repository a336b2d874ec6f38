package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// authority issues certificates for tests.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t}
	issued := a.issue(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = issued.Leaf, issued.PrivateKey.(*ecdsa.PrivateKey)
	a.pool = x509.NewCertPool()
	a.pool.AddCert(a.cert)
	return a
}

// issue completes what a certificate says and signs it; the first signs itself.
func (a *authority) issue(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) forServer() tls.Certificate {
	return a.issue(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
}

func (a *authority) forClient() tls.Certificate {
	return a.issue(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

func tlsClient(t testing.TB, config *tls.Config) *http.Client {
	client := &http.Client{Timeout: testLimit, Transport: &http.Transport{TLSClientConfig: config}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// serveTLS is serve over TLS.
func serveTLS(t *testing.T, config *tls.Config, add map[string]call, change func(*Config)) *rig {
	r := newRig(t, add, change)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	r.base = "https://" + r.addr
	r.serveOn(tls.NewListener(ln, config))
	return r
}

// TestTLS: the whole API over it, with answers that arrive although the request
// was not read, and an end that waits for calls.
func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	var access Access
	secret := token(t, &access, "a", allScopes)
	r := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.forServer()}, MinVersion: tls.VersionTLS12}, nil,
		func(c *Config) { c.Access, c.MaxBody = access, 1<<20 })
	r.install("p", "echo")
	client := tlsClient(t, &tls.Config{RootCAs: ca.pool})
	for _, c := range []struct {
		size, status int
		header       string
	}{{10, 200, secret}, {1 << 20, 200, secret}, {1<<20 + 1, 413, secret}, {30 << 20, 413, secret}, {30 << 20, 401, ""}, {10, 401, ""}} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", r.base+"/invoke/echo", io.LimitReader(zeros{}, int64(c.size)))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(c.size)
		req.Header.Set("Authorization", "Bearer "+c.header)
		resp, err := client.Do(req)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || err != nil || c.status == 200 && len(body) != c.size {
			t.Errorf("%+v: %d with %d bytes, %v", c, resp.StatusCode, len(body), err)
		}
	}
	g := r.raw("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	r.checkError("without TLS", g)
	if g.status != 400 || !strings.Contains(g.body, "this is HTTPS") {
		t.Errorf("without TLS: %v", g)
	}
	if resp, err := tlsClient(t, nil).Get(r.base + "/ping"); err == nil {
		resp.Body.Close()
		t.Error("a certificate of an unknown authority was taken")
	}
	idle, err := tls.Dial("tcp", r.addr, &tls.Config{RootCAs: ca.pool})
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	silent := r.dial() // never shakes hands
	defer silent.Close()
	began := time.Now()
	if err := r.server.Shutdown(t.Context()); err != nil || time.Since(began) > testLimit/2 {
		t.Errorf("Shutdown: %v after %v", err, time.Since(began))
	}
}

// TestClientCertificates: who has none of the right authority gets no answer,
// and who has one needs no token.
func TestClientCertificates(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	r := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.forServer()}, ClientCAs: ca.pool, ClientAuth: tls.RequireAndVerifyClientCert}, nil,
		func(c *Config) { c.Access.Certificates = true })
	get := func(certificates ...tls.Certificate) (int, error) {
		client := tlsClient(t, &tls.Config{RootCAs: ca.pool, Certificates: certificates})
		resp, err := client.Get(r.base + "/plugins/functions")
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	if status, err := get(ca.forClient()); status != 200 || err != nil {
		t.Errorf("with a certificate: %d, %v", status, err)
	}
	for what, certificates := range map[string][]tls.Certificate{"none": nil, "a stranger's": {stranger.forClient()}, "a server's": {ca.forServer()}} {
		if status, err := get(certificates...); err == nil || !strings.Contains(err.Error(), "tls: ") {
			t.Errorf("with %s: %d, %v", what, status, err)
		}
	}
	r.eventually("their connections are closed", func() bool { return r.server.conns.count() <= 1 })
}

// TestTLSIsCutOff: a client that does not shake hands is cut off in time.
func TestTLSIsCutOff(t *testing.T) {
	ca := newAuthority(t)
	r := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.forServer()}}, nil, func(c *Config) { c.ReadTimeout = 50 * time.Millisecond })
	silent := r.dial()
	defer silent.Close()
	if rest, err := io.ReadAll(silent); err != nil || len(rest) > 0 {
		t.Errorf("a client that does not shake hands reads %q, %v", rest, err)
	}
}

// TestTLSIsInterrupted: when the time of a shutdown is over, connections are
// closed under the calls.
func TestTLSIsInterrupted(t *testing.T) {
	ca := newAuthority(t)
	began, interrupt := make(chan struct{}), make(chan struct{})
	r := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.forServer()}}, map[string]call{"hang": func(_ context.Context, dst, _ []byte) ([]byte, error) {
		close(began)
		<-interrupt
		return dst, nil
	}}, nil)
	r.install("p", "hang")
	conn, err := tls.Dial("tcp", r.addr, &tls.Config{RootCAs: ca.pool})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(testLimit))
	if _, err := io.WriteString(conn, "POST /invoke/hang HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- r.server.Shutdown(ctx) }()
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client reads %d bytes, %v", n, err)
	}
	close(interrupt) // as closing the host does
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
}
