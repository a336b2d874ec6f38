package archive

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// The time limits of single steps of a download; Limits.Timeout is for all of it.
const (
	connectTimeout = 10 * time.Second
	tlsTimeout     = 10 * time.Second
	headerTimeout  = 30 * time.Second
)

const (
	maxRedirects   = 5
	maxHeaderBytes = 64 << 10
)

// http copies the body of a GET.
func (d download) http(ctx context.Context, dst io.Writer, limits Limits) (Fetched, error) {
	client, closeIdle := newClient(d.roots, limits.Sources)
	defer closeIdle()
	client.CheckRedirect = func(request *http.Request, via []*http.Request) error {
		return d.checkRedirect(limits.Sources, request, via)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url.String(), nil)
	if err != nil {
		return Fetched{}, downloadError(err)
	}
	for name, value := range d.headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if refusal := forbidden(err); refusal != nil {
		return Fetched{}, refusal
	}
	if err != nil {
		return Fetched{}, downloadError(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Fetched{}, downloadError(newStatusError(response))
	}
	return d.receive(ctx, dst, response.Body, response.ContentLength, limits)
}

// newClient returns a client for one download, and what to call when that is over.
func newClient(roots *x509.CertPool, sources Sources) (*http.Client, func()) {
	transport := &http.Transport{
		Proxy:                  sources.proxy(),
		DialContext:            sources.dial,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableKeepAlives:      true, // a connection serves one request, so none is left over
		DisableCompression:     true, // a zip is compressed, and its size and digest are those of the bytes sent
	}
	return &http.Client{Transport: transport}, transport.CloseIdleConnections
}

// checkRedirect decides whether to follow from the last of via to request. The
// headers go to where they were meant to go: http itself keeps back those only
// that it knows for secrets.
func (d download) checkRedirect(sources Sources, request *http.Request, via []*http.Request) error {
	from, to := via[len(via)-1].URL.Scheme, request.URL.Scheme
	switch {
	case len(via) > maxRedirects:
		return refuse(ErrDownload, "redirected more than %d times; give the final address", maxRedirects)
	case to != "http" && to != "https":
		return refuse(ErrDownload, "redirected to the scheme %s; only http and https are followed", quote(to))
	case from == "https" && to == "http":
		return refuse(ErrDownload, "redirected from https to http; give an address that stays on https")
	}
	if err := sources.check(request.URL); err != nil {
		return refuse(ErrForbidden, "redirected to %s://%s: %v", to, printable(request.URL.Host), err)
	}
	if request.URL.Host != d.url.Host {
		for name := range d.headers {
			request.Header.Del(name)
		}
	}
	return nil
}

// printable makes a line that a server sent fit for a message.
func printable(s string) string {
	const most = 100
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}
