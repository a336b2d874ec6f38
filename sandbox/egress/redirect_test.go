package egress

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// redirector answers with a redirect to what the query's "to" says, and counts
// down in "n".
func redirector(t *testing.T, hits *atomic.Int64) (port string) {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		q := r.URL.Query()
		switch n, _ := strconv.Atoi(q.Get("n")); {
		case q.Has("to"):
			w.Header().Set("Location", q.Get("to"))
			w.WriteHeader(http.StatusFound)
		case n > 0:
			http.Redirect(w, r, "/?n="+strconv.Itoa(n-1), http.StatusTemporaryRedirect)
		default:
			_, _ = io.WriteString(w, "end "+r.Header.Get("Authorization")+r.Header.Get("Cookie"))
		}
	})
}

func TestRedirects(t *testing.T) {
	var hits atomic.Int64
	port := redirector(t, &hits)
	addresses := &nameServer{answer: func(name string, _ int) []netip.Addr {
		switch name {
		case "private.test":
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}
		case "metadata.test":
			return []netip.Addr{netip.MustParseAddr("169.254.169.254")}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}}
	c := client(t, Policy{Hosts: []string{"*.test", "10.*"}, Addresses: loopback()}, outside{resolver: addresses.resolver(t)})
	base := "http://a.test:" + port + "/"

	for _, tt := range []struct{ to, want string }{
		{"http://denied.example:" + port, "not among the allowed hosts"},
		{"//denied.example:" + port, "not among the allowed hosts"},
		{"http://127.0.0.1:" + port, "not among the allowed hosts"},
		{"http://private.test:" + port, "private"},
		{"http://metadata.test/latest/meta-data", "link-local"},
		{"http://10.1.2.3:" + port, "private"},
		{"http://0x0a.1.2.3:" + port, "usual form"},
		{"http://me:secret@b.test:" + port, "user in the URL"},
		{"ftp://b.test/", "only http and https"},
		{"file:///etc/passwd", "only http and https"},
		{"http://b%C3%BCcher.test:" + port, "xn--"},
		{"http://:" + port, "names no host"},
	} {
		hits.Store(0)
		mustDeny(t, c, request(t, base+"?to="+escape(tt.to)), tt.want)
		if hits.Load() != 1 {
			t.Errorf("%s: %d requests", tt.to, hits.Load())
		}
	}
	if got := mustGet(t, c, request(t, base+"?to="+escape("http://b.test:"+port+"/"))); got != "end " {
		t.Errorf("an allowed redirect: %q", got)
	}
}

func escape(s string) string {
	return strings.NewReplacer("%", "%25", "&", "%26", "?", "%3f", "+", "%2b").Replace(s)
}

func TestRedirectsAreCounted(t *testing.T) {
	var hits atomic.Int64
	port := redirector(t, &hits)
	c := client(t, Policy{Hosts: []string{"127.0.0.1"}}, outside{})
	if got := mustGet(t, c, request(t, "http://127.0.0.1:"+port+"/?n=10")); got != "end " {
		t.Errorf("10 redirects: %q", got)
	}
	hits.Store(0)
	mustDeny(t, c, request(t, "http://127.0.0.1:"+port+"/?n=11"), "more than 10 redirects")
	if hits.Load() != 11 {
		t.Errorf("%d requests until the redirects were too many", hits.Load())
	}
}

func TestRedirectsKeepCredentialsAtHome(t *testing.T) {
	var hits atomic.Int64
	port := redirector(t, &hits)
	c := client(t, Policy{Hosts: []string{"*.test"}, Addresses: loopback()}, outside{resolver: loopbackNames(t)})
	for host, want := range map[string]string{"a.test": "end Bearer secretsession=1", "b.test": "end "} {
		req := request(t, "http://a.test:"+port+"/?to=http://"+host+":"+port+"/")
		req.Header.Set("Authorization", "Bearer secret")
		req.Header.Set("Cookie", "session=1")
		if got := mustGet(t, c, req); got != want {
			t.Errorf("to %s: %q, want %q", host, got, want)
		}
	}
}

func TestRedirectsStaySecure(t *testing.T) {
	var hits atomic.Int64
	plainPort := redirector(t, &hits)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}))
	t.Cleanup(secure.Close)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	c := client(t, Policy{Hosts: []string{"example.com"}, Addresses: loopback()}, outside{resolver: loopbackNames(t), tls: &tls.Config{RootCAs: roots}})

	base := "https://example.com:" + portOf(t, secure.URL) + "/"
	mustDeny(t, c, request(t, base+"?to=http://example.com:"+plainPort+"/"), "from https to http")
	if hits.Load() != 0 {
		t.Error("the downgraded request was sent")
	}
	mustGet(t, c, request(t, base+"?to="+base))
	mustGet(t, c, request(t, "http://example.com:"+plainPort+"/?to="+base)) // up is fine
}
