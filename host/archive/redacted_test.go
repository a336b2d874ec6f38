package archive

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestRedacted(t *testing.T) {
	for uri, want := range map[string]string{
		"https://user:s3cret@h:8443/x.zip?a=b#c": "https://user:xxxxx@h:8443/x.zip?a=b#c",
		"https://:s3cret@h/x.zip":                "https://:xxxxx@h/x.zip",
		"https://user:@h/x.zip":                  "https://user:xxxxx@h/x.zip",
		"https://user:s3:c@ret@h/x.zip":          "https://user:xxxxx@h/x.zip",
		"http://user:s3/cret@h/x.zip":            "http://user:xxxxx@h/x.zip", // which is none
		"ftp://user:s3cret@h":                    "ftp://user:xxxxx@h",
		"https://user@h/x.zip":                   "https://user@h/x.zip",
		"http://h:80/a:b@c.zip":                  "http://h:80/a:b@c.zip",
		"http://h/?mail=a:b@c.zip":               "http://h/?mail=a:b@c.zip",
		"file:///a:b@c.zip":                      "file:///a:b@c.zip",
		"upload":                                 "upload",
		"":                                       "",
	} {
		if got := Redacted(uri); got != want {
			t.Errorf("%q: got %q, want %q", uri, got, want)
		}
	}
}

// TestNoPasswordInErrors: whatever goes wrong with a download, its password is not told.
func TestNoPasswordInErrors(t *testing.T) {
	with := func(base, path string) string { return strings.Replace(base, "://", "://user:s3cret@", 1) + path }
	there := serve(t, false, http.NotFound).URL
	for _, uri := range []string{
		with(there, "/x.zip"), with("http://127.0.0.1:1", "/x.zip"), with(serve(t, false, redirect(with(there, "/y.zip"))).URL, "/x.zip"),
		with(serve(t, false, redirect("ftp://h/x")).URL, "/x.zip"), with("http://h", "/x"), with("ftp://h", "/x.zip"), with("http://h.zip", ""),
	} {
		for what, fetch := range map[string]func() (Fetched, error){
			"zip": func() (Fetched, error) {
				return Fetch(t.Context(), uri, io.Discard, Limits{Sources: Sources{Hosts: only("127.0.0.1")}})
			},
			"any": func() (Fetched, error) {
				return FetchAny(t.Context(), uri, io.Discard, Limits{Sources: Sources{Hosts: only("127.0.0.1")}})
			},
			"beside": func() (Fetched, error) {
				return FetchBeside(t.Context(), uri, ".sig", io.Discard, Limits{Sources: Sources{Hosts: only("127.0.0.1")}})
			},
			"file": func() (Fetched, error) {
				return FetchFile(t.Context(), uri, nil, io.Discard, Limits{Sources: Sources{Hosts: only("127.0.0.1")}})
			},
		} {
			if _, err := fetch(); err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}
