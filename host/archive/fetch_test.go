package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCheckURI(t *testing.T) {
	for uri, want := range map[string]bool{
		"http://example.com/x.zip":             true,
		"https://u:p@example.com:8443/x.zip":   true,
		"HTTP://example.com/x.zip":             true,
		"http://example.com/y?file=x.zip":      true,
		"http://[::1]:80/x.zip":                true,
		"http://example.zip":                   true,
		"file:///x.zip":                        true,
		"file:///tmp/a%20b.zip":                true,
		"file:/x.zip":                          true,
		"":                                     false,
		"x.zip":                                false,
		"/x.zip":                               false,
		"ftp://127.0.0.1/x.zip":                false,
		"http:///x.zip":                        false,
		"http://:80/x.zip":                     false,
		"http:x.zip":                           false,
		"https://":                             false,
		"http://example.com/x.zip?y=1":         false,
		"http://example.com/x.ZIP":             false,
		"http://example.com/x":                 false,
		"file://host/x.zip":                    false,
		"file://u@/x.zip":                      false,
		"file://x.zip":                         false,
		"file:x.zip":                           false,
		"file:///etc/shadow?.zip":              false,
		"file:///etc/shadow?x.zip":             false,
		"http://example.com/\x00x.zip":         false,
		"http://exa mple.com/x.zip":            false,
		"http://example.com/%zz.zip":           false,
		"data:application/zip;base64,eA==.zip": false,
	} {
		err := CheckURI(uri)
		if (err == nil) != want {
			t.Errorf("%q: got %v, want valid: %v", uri, err, want)
		}
		if err != nil && (!errors.Is(err, ErrInvalidURI) || err.Error() != "invalid uri "+uri) {
			t.Errorf("%q: unexpected error %q", uri, err)
		}
		if _, fetchErr := Fetch(t.Context(), uri, io.Discard, Limits{}); !want && !errors.Is(fetchErr, ErrInvalidURI) {
			t.Errorf("%q: Fetch got %v", uri, fetchErr)
		}
	}
}

// serve returns the address of a server of its own for the handler.
func serve(t *testing.T, secure bool, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// sized returns a handler that sends the body with its length.
func sized(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = io.WriteString(w, body)
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

// raw returns a handler that answers with exactly these bytes and hangs up.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, answer)
			conn.Close()
		}
	}
}

func TestFetch(t *testing.T) {
	body := noise(300 << 10)
	sum := sha256.Sum256([]byte(body))
	want := Fetched{Size: int64(len(body)), Digest: hex.EncodeToString(sum[:])}

	path := filepath.Join(t.TempDir(), "a b.zip")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.zip")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	plain, secure := serve(t, false, sized(body)), serve(t, true, sized(body))
	chunked := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		if coding := r.Header.Get("Accept-Encoding"); coding != "" {
			t.Errorf("asked for the encoding %q", coding)
		}
		for rest := body; rest != ""; {
			n := min(len(rest), 10_000)
			_, _ = io.WriteString(w, rest[:n])
			w.(http.Flusher).Flush()
			rest = rest[n:]
		}
	})
	hops := 0
	hopping := serve(t, false, nil)
	hopping.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hops++; hops > maxRedirects {
			sized(body)(w, r)
			return
		}
		redirect("/again")(w, r)
	})
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	for name, uri := range map[string]string{
		"file":               "file://" + strings.ReplaceAll(path, " ", "%20"),
		"link":               "file://" + link,
		"http":               plain.URL + "/x.zip",
		"https":              secure.URL + "/x.zip",
		"chunked":            chunked.URL + "/x.zip",
		"http to https":      serve(t, false, redirect(secure.URL)).URL + "/x.zip",
		"five redirects":     hopping.URL + "/x.zip",
		"exactly this large": plain.URL + "/x.zip",
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			limits := Limits{Download: want.Size}.WithDefaults()
			fetched, err := fetch(t.Context(), uri, &got, limits, roots)
			if err != nil || fetched != want || got.String() != body {
				t.Errorf("got %v, %v, %d bytes; want %v", fetched, err, got.Len(), want)
			}
		})
	}
}

func TestFetchRefused(t *testing.T) {
	const limit = 100_000
	folder := filepath.Join(t.TempDir(), "folder.zip")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo.zip")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large.zip")
	if err := os.WriteFile(large, make([]byte, limit+1), 0o600); err != nil {
		t.Fatal(err)
	}
	device := filepath.Join(t.TempDir(), "zero.zip")
	if err := os.Symlink("/dev/zero", device); err != nil {
		t.Fatal(err)
	}
	plain := serve(t, false, sized("x"))
	loop := serve(t, false, redirect("/x.zip"))
	secure := serve(t, true, redirect(plain.URL+"/x.zip"))
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	endless := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		for chunk := make([]byte, 4096); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	server := func(handler http.HandlerFunc) string { return serve(t, false, handler).URL + "/x.zip" }
	for name, test := range map[string]struct {
		uri  string
		kind error
		text string // contained in the error
		all  bool   // the text is all of it
	}{
		"404":              {server(http.NotFound), ErrDownload, "cannot download the file with status: 404 Not Found", true},
		"500":              {server(raw("HTTP/1.1 500 Oh\x1b[31m no\r\n\r\n")), ErrDownload, "status: 500 Oh?[31m no", false},
		"no content":       {server(raw("HTTP/1.1 204 No Content\r\n\r\n")), ErrDownload, "204 No Content", false},
		"not http":         {server(raw("SSH-2.0-OpenSSH_9\r\n")), ErrDownload, "malformed", false},
		"loop":             {loop.URL + "/x.zip", ErrDownload, "more than 5 times", false},
		"redirect to file": {server(redirect("file:///etc/passwd")), ErrDownload, `the scheme "file"`, false},
		"redirect to ftp":  {server(redirect("ftp://x/y.zip")), ErrDownload, `the scheme "ftp"`, false},
		"https to http":    {secure.URL + "/x.zip", ErrDownload, "from https to http", false},
		"length over":      {server(raw("HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n")), ErrTooLarge, "100001 bytes, the limit is 100000", false},
		"length short of":  {server(raw("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort")), ErrDownload, "after 5 bytes", false},
		"length absurd":    {server(raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n")), ErrDownload, "Content-Length", false},
		"endless":          {endless.URL + "/x.zip", ErrTooLarge, "more than 100000 bytes", false},
		"endless header":   {server(raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20))), ErrDownload, "", false},
		"nobody there":     {"http://127.0.0.1:1/x.zip", ErrDownload, `Get "http://127.0.0.1:1/x.zip": dial tcp`, false},
		"folder":           {"file://" + folder, ErrDownload, folder + " is not a regular file", true},
		"fifo":             {"file://" + fifo, ErrDownload, fifo + " is not a regular file", true},
		"device":           {"file://" + device, ErrDownload, device + " is not a regular file", true},
		"absent":           {"file:///nope/absent.zip", ErrDownload, "stat /nope/absent.zip: no such file or directory", true},
		"large":            {"file://" + large, ErrTooLarge, "100001 bytes, the limit is 100000", false},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			fetched, err := fetch(t.Context(), test.uri, &got, Limits{Download: limit}.WithDefaults(), roots)
			var typed *Error
			if !errors.Is(err, test.kind) || !errors.As(err, &typed) || fetched != (Fetched{}) {
				t.Fatalf("got %v, %v; want %v", fetched, err, test.kind)
			}
			if !strings.Contains(err.Error(), test.text) || test.all && err.Error() != test.text {
				t.Errorf("got %q, want %q", err, test.text)
			}
			if got.Len() > limit {
				t.Errorf("wrote %d bytes", got.Len())
			}
		})
	}
}

// TestFetchAny: a file may have any name; all else of its uri is as of a zip's.
func TestFetchAny(t *testing.T) {
	path := filepath.Join(t.TempDir(), "export.json")
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"file://" + path, serve(t, false, sized("{}")).URL + "/export?x=y"} {
		var got bytes.Buffer
		if fetched, err := FetchAny(t.Context(), uri, &got, Limits{}); err != nil || fetched.Size != 2 || got.String() != "{}" {
			t.Errorf("%s: %v, %v, %q", uri, fetched, err, got.String())
		}
	}
	for _, uri := range []string{"", path, "file://host" + path, "file://" + path + "?x", "ftp://h/x", "http:///x"} {
		if _, err := FetchAny(t.Context(), uri, io.Discard, Limits{}); !errors.Is(err, ErrInvalidURI) {
			t.Errorf("%q: %v", uri, err)
		}
	}
}

// TestFetchStatus tells a server that does not deliver from one that is not there.
func TestFetchStatus(t *testing.T) {
	for name, test := range map[string]struct {
		uri    string
		status int // 0: there is none
	}{
		"404":          {serve(t, false, http.NotFound).URL + "/x.zip", 404},
		"503":          {serve(t, false, raw("HTTP/1.1 503 Later\r\n\r\n")).URL + "/x.zip", 503},
		"nobody there": {"http://127.0.0.1:1/x.zip", 0},
		"not http":     {serve(t, false, raw("SSH-2.0-OpenSSH_9\r\n")).URL + "/x.zip", 0},
	} {
		_, err := Fetch(t.Context(), test.uri, io.Discard, Limits{})
		var status *StatusError
		got := 0
		if errors.As(err, &status) {
			got = status.Status
		}
		if !errors.Is(err, ErrDownload) || got != test.status || errors.Is(err, fs.ErrNotExist) != (test.status == 404) {
			t.Errorf("%s: status %d, %v", name, got, err)
		}
	}
}

// TestFetchUntrusted has a server that nobody vouches for.
func TestFetchUntrusted(t *testing.T) {
	secure := serve(t, true, sized("x"))
	_, err := Fetch(t.Context(), secure.URL+"/x.zip", io.Discard, Limits{})
	var unknown x509.UnknownAuthorityError
	if !errors.Is(err, ErrDownload) || !errors.As(err, &unknown) {
		t.Errorf("got %v, want an unknown authority", err)
	}
}

// TestFetchLie has a server that sends more than it said: the rest is not part of the answer.
func TestFetchLie(t *testing.T) {
	server := serve(t, false, raw("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"))
	var got bytes.Buffer
	fetched, err := Fetch(t.Context(), server.URL+"/x.zip", &got, Limits{})
	if err != nil || fetched.Size != 3 || got.String() != "abc" {
		t.Errorf("got %v, %v, %q", fetched, err, got.String())
	}
}

// stuck returns a server that sends a little and then nothing, and a channel that tells when it has.
func stuck(t *testing.T) (uri string, sent chan struct{}) {
	sent = make(chan struct{}, 8)
	server := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "PK")
		w.(http.Flusher).Flush()
		sent <- struct{}{}
		<-r.Context().Done()
	})
	return server.URL + "/x.zip", sent
}

func TestFetchCancelled(t *testing.T) {
	uri, sent := stuck(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the operator said stop")
	go func() { <-sent; cancel(reason) }()
	_, err := Fetch(ctx, uri, io.Discard, Limits{})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, reason) || errors.Is(err, ErrDownload) {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(path, []byte("PK"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(ctx, "file://"+path, io.Discard, Limits{}); !errors.Is(err, reason) {
		t.Errorf("copying a file: got %v", err)
	}
}

func TestFetchTimeout(t *testing.T) {
	uri, _ := stuck(t)
	_, err := Fetch(t.Context(), uri, io.Discard, Limits{Timeout: 20 * time.Millisecond})
	if !errors.Is(err, ErrDownload) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "20ms") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = Fetch(ctx, uri, io.Discard, Limits{})
	if errors.Is(err, ErrDownload) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
