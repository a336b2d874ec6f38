package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

func prefixes(t *testing.T, texts ...string) (list []netip.Prefix) {
	t.Helper()
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// only is a Sources.Hosts that allows these.
func only(hosts ...string) func(string) bool {
	return func(host string) bool { return slices.Contains(hosts, host) }
}

// counting is a server that counts what reaches it, and its port.
func counting(t *testing.T) (requests *atomic.Int64, port string) {
	t.Helper()
	requests = new(atomic.Int64)
	server := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		sized("zip")(w, r)
	})
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return requests, u.Port()
}

// TestSources fetches from a server on 127.0.0.1 and from a file; what is not allowed reaches neither.
func TestSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(path, []byte("zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	requests, port := counting(t)
	file, address, name := "file://"+path, "http://127.0.0.1:"+port+"/x.zip", "http://localhost:"+port+"/x.zip"
	away := func(to string) string { return serve(t, false, redirect(to)).URL + "/x.zip" }
	for _, test := range []struct {
		name    string
		uri     string
		sources Sources
		want    string // "" if it is allowed, else part of the refusal
	}{
		{"all", address, Sources{}, ""},
		{"all, a file", file, Sources{}, ""},
		{"no scheme", address, Sources{Schemes: []string{}}, "download-schemes is empty"},
		{"no scheme, a file", file, Sources{Schemes: []string{}}, "download-schemes is empty"},
		{"scheme", address, Sources{Schemes: []string{"http"}}, ""},
		{"scheme in capitals", "HTTP" + address[4:], Sources{Schemes: []string{"http"}}, ""},
		{"other scheme", address, Sources{Schemes: []string{"https", "file"}}, `download-schemes does not have "http": add it there, or give a URI of https or file`},
		{"scheme of a file", file, Sources{Schemes: []string{"file"}}, ""},
		{"no files", file, Sources{Schemes: []string{"http", "https"}}, `download-schemes does not have "file"`},
		{"a file has no host", file, Sources{Hosts: only(), Addresses: prefixes(t, "10.0.0.0/8")}, ""},
		{"host", name, Sources{Hosts: only("localhost")}, ""},
		{"host in capitals", "http://LocalHost:" + port + "/x.zip", Sources{Hosts: only("localhost")}, ""},
		{"host with a dot at its end", "http://Example.Test.:" + port + "/x.zip", Sources{Hosts: only("Example.Test.")}, `does not have the host "example.test"`},
		{"other host", name, Sources{Hosts: only("127.0.0.1")}, `download-hosts does not have the host "localhost"`},
		{"host as an address", address, Sources{Hosts: only("127.0.0.1")}, ""},
		{"host as a long address", "http://[::ffff:127.0.0.1]:" + port + "/x.zip", Sources{Hosts: only("127.0.0.1")}, ""},
		{"another address for a host", address, Sources{Hosts: only("127.0.0.2")}, `the host "127.0.0.1"`},
		{"address", address, Sources{Addresses: prefixes(t, "10.0.0.0/8", "127.0.0.1/32")}, ""},
		{"address of a name", name, Sources{Addresses: prefixes(t, "127.0.0.0/8")}, ""},
		{"address, as IPv6 writes it", address, Sources{Addresses: prefixes(t, "::ffff:127.0.0.0/104")}, ""},
		{"other address", address, Sources{Addresses: prefixes(t, "10.0.0.0/8")}, "download-addresses does not have 127.0.0.1: add it"},
		{"IPv6 alone", address, Sources{Addresses: prefixes(t, "::/0")}, "download-addresses does not have 127.0.0.1"},
		{"other address of a name", name, Sources{Addresses: prefixes(t, "10.0.0.0/8")}, `the address of "localhost"`},
		{"redirect", away(name), Sources{Schemes: []string{"http"}, Hosts: only("127.0.0.1", "localhost"), Addresses: prefixes(t, "127.0.0.0/8")}, ""},
		{"redirect to a host", away(name), Sources{Hosts: only("127.0.0.1")}, "redirected to http://localhost:" + port + `: download-hosts does not have the host "localhost"`},
		{"redirect to a scheme", away("https://127.0.0.1/x"), Sources{Schemes: []string{"http"}}, `download-schemes does not have "https"`},
		{"redirect to an address", away("http://127.0.0.2:" + port + "/x"), Sources{Addresses: prefixes(t, "127.0.0.1/32")}, "download-addresses does not have 127.0.0.2"},
		{"second redirect", away(away(name)), Sources{Hosts: only("127.0.0.1")}, `download-hosts does not have the host "localhost"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := requests.Load()
			limits := Limits{Sources: test.sources}
			fetches := map[string]func(io.Writer) (Fetched, error){
				"zip": func(w io.Writer) (Fetched, error) { return Fetch(t.Context(), test.uri, w, limits) },
				"any": func(w io.Writer) (Fetched, error) { return FetchAny(t.Context(), test.uri, w, limits) },
			}
			if !strings.HasPrefix(test.uri, "file:") {
				fetches["file"] = func(w io.Writer) (Fetched, error) { return FetchFile(t.Context(), test.uri, nil, w, limits) }
				fetches["beside"] = func(w io.Writer) (Fetched, error) { return FetchBeside(t.Context(), test.uri, ".sig", w, limits) }
			}
			for what, fetch := range fetches {
				var got bytes.Buffer
				_, err := fetch(&got)
				var typed *Error
				switch {
				case test.want == "" && (err != nil || got.String() != "zip"):
					t.Errorf("%s: got %q, %v", what, got.String(), err)
				case test.want == "":
				case !errors.Is(err, ErrForbidden) || errors.Is(err, ErrDownload) || !errors.As(err, &typed) || !strings.Contains(err.Error(), test.want):
					t.Errorf("%s: got %v, want %q", what, err, test.want)
				case strings.Contains(err.Error(), "Get ") || got.Len() > 0 || requests.Load() != before:
					t.Errorf("%s: got %q, %d requests, %v", what, got.String(), requests.Load()-before, err)
				}
			}
		})
	}
}

// TestSourcesProxy has a proxy in the environment, which net/http reads once: each fetch is a process of its own.
func TestSourcesProxy(t *testing.T) {
	requests := new(atomic.Int64)
	proxy := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		sized("by way of the proxy")(w, r)
	})
	for _, test := range []struct {
		addresses string
		want      string
		requests  int64
	}{
		{"", "by way of the proxy", 1},
		{"127.0.0.0/8", "download-addresses does not have 192.0.2.1", 0},
	} {
		requests.Store(0)
		cmd := exec.CommandContext(t.Context(), os.Args[0], test.addresses)
		cmd.Env = append(os.Environ(), jobVariable+"=proxy", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), test.want) || requests.Load() != test.requests {
			t.Errorf("addresses %q: %s, %v, %d requests", test.addresses, out, err, requests.Load())
		}
	}
}

// fetchThroughProxy is the job of TestSourcesProxy: it prints what it gets from a server that is not there.
func fetchThroughProxy(addresses string) int {
	var limits Limits
	if addresses != "" {
		limits.Sources.Addresses = []netip.Prefix{netip.MustParsePrefix(addresses)}
	}
	if _, err := Fetch(context.Background(), "http://192.0.2.1/x.zip", os.Stdout, limits); err != nil {
		_, _ = io.WriteString(os.Stdout, err.Error())
	}
	return 0
}

func TestFetchBeside(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{"x.zip": "zip", "x.zip.sig": "sig", "alone.zip": "zip"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		switch r.RequestURI {
		case "/a%2fb.zip.sig", "/get?file=x.zip.sig":
			sized("sig")(w, r)
		case "/broken.zip.sig":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			http.NotFound(w, r)
		}
	}).URL
	for _, test := range []struct {
		uri    string
		want   string
		kind   error
		absent bool
	}{
		{"file://" + dir + "/x.zip", "sig", nil, false},
		{server + "/a%2fb.zip", "sig", nil, false},
		{server + "/get?file=x.zip", "sig", nil, false},
		{"file://" + dir + "/alone.zip", "", ErrDownload, true},
		{server + "/none.zip", "", ErrDownload, true},
		{"http://example.zip", "", ErrDownload, true}, // not example.zip.sig, which is another's
		{server + "/broken.zip", "", ErrDownload, false},
		{server + "/none", "", ErrInvalidURI, false},
	} {
		var got bytes.Buffer
		_, err := FetchBeside(t.Context(), test.uri, ".sig", &got, Limits{})
		if got.String() != test.want || !errors.Is(err, test.kind) || errors.Is(err, fs.ErrNotExist) != test.absent {
			t.Errorf("%s: %q, %v", test.uri, got.String(), err)
		}
	}
}
