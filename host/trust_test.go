package host_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"berth/host"
	"berth/host/archive"
	"berth/host/enginetest"
	"berth/host/signing"
)

func newKey(t testing.TB) signing.PrivateKey {
	t.Helper()
	key, err := signing.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed is the text of the signature of data.
func signed(t testing.TB, key signing.PrivateKey, data []byte) string {
	t.Helper()
	digest, err := signing.ParseDigest(hashOf(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return key.Sign(digest).String() + "\n"
}

// fakeZip is the zip of a fake build of "p".
func fakeZip(t testing.TB, version string) []byte {
	t.Helper()
	return zipOf(t, files{"p.wasm": fakeBuild{Version: version, Functions: []string{"f"}}.String()})
}

// shelf serves files by their paths, and redirects where a text begins with "->".
func shelf(t testing.TB, content map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := content[r.URL.Path]
		to, away := strings.CutPrefix(text, "->")
		switch {
		case away:
			http.Redirect(w, r, to, http.StatusFound)
		case text == "500":
			w.WriteHeader(http.StatusInternalServerError)
		case ok:
			fmt.Fprint(w, text)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func withSignatures(mode host.SignatureMode, keys ...signing.PublicKey) func(*rig) {
	return func(r *rig) {
		withFake(&fakeEngine{})(r)
		r.config.Signatures = host.Signatures{Mode: mode, Keys: keys}
	}
}

func TestDigestOfRequest(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	zip, other := fakeZip(t, "1"), fakeZip(t, "2")
	digest, uri := hashOf(string(zip)), saved(t, zip)
	before := r.snapshot()
	for want, words := range map[string][]string{
		hashOf(string(other)): {"fail to install plugin: ", digest, hashOf(string(other)), "another file than was meant"},
		digest[1:]:            {"property 'sha256'", "there are 63 characters"},
		"x" + digest[1:]:      {"property 'sha256'", "hex digits only"},
	} {
		_, err := r.Install(t.Context(), host.Request{Name: "p", File: uri, SHA256: want})
		enginetest.WantError(t, err, host.CodeInvalid, words...)
		r.unchanged(before)
	}
	// What is no zip at all is not looked at.
	_, err := r.Install(t.Context(), host.Request{Name: "p", File: saved(t, []byte("PK")), SHA256: digest})
	enginetest.WantError(t, err, host.CodeInvalid, digest)
	if _, err := r.Install(t.Context(), host.Request{Name: "p", File: uri, SHA256: strings.ToUpper(digest)}); err != nil {
		t.Fatal(err)
	}
	r.answers("f", "x", "1:f:x")
	before = r.snapshot()
	_, err = r.Update(t.Context(), host.Request{Name: "p", File: saved(t, other), SHA256: digest})
	enginetest.WantError(t, err, host.CodeInvalid, "update plugin p", digest, hashOf(string(other)))
	r.unchanged(before)
	r.answers("f", "x", "1:f:x")
	if _, err := r.Update(t.Context(), host.Request{Name: "p", File: saved(t, other), SHA256: hashOf(string(other))}); err != nil {
		t.Fatal(err)
	}
	r.answers("f", "x", "2:f:x")
}

// signatureCase is a package and what a host that looks finds of its signature.
type signatureCase struct {
	name  string
	req   host.Request
	state host.SignatureState
	code  host.Code // where signatures are required
	words []string
}

// signatureCases lie on a server, all packages "p" of version 2.
func signatureCases(t *testing.T, key signing.PrivateKey) []signatureCase {
	zip := fakeZip(t, "2")
	tampered := zipOf(t, files{"p.wasm": fakeBuild{Version: "2", Functions: []string{"f"}}.String(), "more": "x"})
	good, other, empty := signed(t, key, zip), signed(t, newKey(t), zip), ""
	server := shelf(t, map[string]string{
		"/valid.zip": string(zip), "/valid.zip.sig": good,
		"/unsigned.zip": string(zip),
		"/other.zip":    string(zip), "/other.zip.sig": other,
		"/tampered.zip": string(tampered), "/tampered.zip.sig": good,
		"/truncated.zip": string(zip), "/truncated.zip.sig": good[:80],
		"/huge.zip": string(zip), "/huge.zip.sig": good + strings.Repeat(" ", signing.MaxText),
		"/empty.zip": string(zip), "/empty.zip.sig": empty,
		"/page.zip": string(zip), "/page.zip.sig": "<html>sign in first</html>",
		"/broken.zip": string(zip), "/broken.zip.sig": "500",
		"/loop.zip": string(zip), "/loop.zip.sig": "->/loop.zip.sig",
		"/away.zip": string(zip), "/away.zip.sig": "->http://localhost:1/x.sig",
	})
	at := func(name string) host.Request { return host.Request{Name: "p", File: server + "/" + name + ".zip"} }
	with := func(name, signature string) host.Request {
		req := at(name)
		req.Signature = signature
		return req
	}
	const forbidden = host.CodeForbidden
	return []signatureCase{
		{"beside", at("valid"), host.SignatureValid, 0, nil},
		{"in the request", with("unsigned", strings.TrimSpace(good)), host.SignatureValid, 0, nil},
		{"the request's goes first", with("other", good), host.SignatureValid, 0, nil},
		{"of a file", host.Request{Name: "p", File: saved(t, zip), Signature: good}, host.SignatureValid, 0, nil},
		{"none", at("unsigned"), host.SignatureMissing, forbidden, []string{"is not signed", server + "/unsigned.zip.sig", `"berth sign"`}},
		{"none, a file", host.Request{Name: "p", File: saved(t, zip)}, host.SignatureMissing, forbidden, []string{"is not signed"}},
		{"another key", at("other"), host.SignatureInvalid, forbidden, []string{server + "/other.zip.sig does not hold", hashOf(string(zip)), "signature-keys"}},
		{"another key, in the request", with("valid", other), host.SignatureInvalid, forbidden, []string{"the signature in the request does not hold"}},
		{"tampered zip", at("tampered"), host.SignatureInvalid, forbidden, []string{"does not hold", hashOf(string(tampered))}},
		{"truncated", at("truncated"), host.SignatureInvalid, forbidden, []string{"truncated.zip.sig is no signature", "this text has 80"}},
		{"huge", at("huge"), host.SignatureInvalid, forbidden, []string{"huge.zip.sig is no signature", "more than 4096 bytes"}},
		{"huge, in the request", with("valid", strings.Repeat("A", 10_000)), host.SignatureInvalid, forbidden, []string{"longer than 4096 bytes"}},
		{"empty", at("empty"), host.SignatureInvalid, forbidden, []string{"the text is empty"}},
		{"a page", at("page"), host.SignatureInvalid, forbidden, []string{"is no signature"}},
		{"broken server", at("broken"), host.SignatureMissing, host.CodeInvalid, []string{"cannot be fetched from " + server + "/broken.zip.sig", "500"}},
		{"loop", at("loop"), host.SignatureMissing, host.CodeInvalid, []string{"cannot be fetched", "more than 5 times"}},
		{"somewhere else", at("away"), host.SignatureMissing, forbidden, []string{"cannot be fetched", "redirected to http://localhost:1: download-hosts"}},
	}
}

// TestSignaturesRequired: what is not signed is refused, on install and on
// update, and nothing is left of it.
func TestSignaturesRequired(t *testing.T) {
	key, second := newKey(t), newKey(t)
	for _, test := range signatureCases(t, key) {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, func(r *rig) {
				withSignatures(host.SignaturesRequire, second.Public(), key.Public())(r)
				r.config.Archive.Sources.Hosts = func(host string) bool { return host == "127.0.0.1" }
			})
			before := r.snapshot()
			check := func(record host.Record, err error, before string) {
				if test.code != 0 {
					enginetest.WantError(t, err, test.code, append(test.words, "fail to install plugin: ", "signatures: require")...)
					r.unchanged(before)
				} else if err != nil || record.Signature != host.SignatureValid || record.SignedBy != key.Public().Fingerprint() || len(record.Warnings) != 0 {
					t.Errorf("%+v, %v", record, err)
				}
			}
			record, err := r.Install(t.Context(), test.req)
			check(record, err, before)
			if err == nil {
				r.answers("f", "x", "2:f:x")
				return
			}
			old := fakeZip(t, "1")
			if _, err := r.Install(t.Context(), host.Request{Name: "p", File: saved(t, old), Signature: signed(t, second, old)}); err != nil {
				t.Fatal(err)
			}
			before = r.snapshot()
			record, err = r.Update(t.Context(), test.req)
			check(record, err, before)
			r.answers("f", "x", "1:f:x")
		})
	}
}

// TestSignaturesWarn: everything is installed, and what is wrong with it is said
// and kept.
func TestSignaturesWarn(t *testing.T) {
	key := newKey(t)
	for _, test := range signatureCases(t, key) {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, func(r *rig) {
				withSignatures(host.SignaturesWarn, key.Public())(r)
				r.config.Archive.Sources.Hosts = func(host string) bool { return host == "127.0.0.1" }
			})
			record, err := r.Install(t.Context(), test.req)
			if err != nil {
				t.Fatal(err)
			}
			if test.state == host.SignatureValid {
				if record.Signature != test.state || record.SignedBy != key.Public().Fingerprint() || len(record.Warnings) > 0 || strings.Contains(r.log.String(), "WARN") {
					t.Errorf("%+v\n%s", record, r.log)
				}
				return
			}
			if record.Signature != test.state || record.SignedBy != "" || len(record.Warnings) != 1 {
				t.Fatalf("%+v", record)
			}
			for _, word := range test.words {
				if !strings.Contains(record.Warnings[0], word) {
					t.Errorf("%q is not in the warning %q", word, record.Warnings[0])
				}
			}
			r.logged("level=WARN", "a package is installed without a valid signature", "functions/p")
			r.answers("f", "x", "2:f:x")
		})
	}
}

// TestSignaturesOff: nobody looks, and who gives a signature is told so.
func TestSignaturesOff(t *testing.T) {
	r := newRig(t, withSignatures(host.SignaturesOff, newKey(t).Public()))
	record := r.install("p", saved(t, fakeZip(t, "1")))
	if record.Signature != host.SignatureUnknown || record.SignedBy != "" || len(record.Warnings) > 0 {
		t.Errorf("%+v", record)
	}
	record, err := r.Update(t.Context(), host.Request{Name: "p", File: saved(t, fakeZip(t, "2")), Signature: "no signature"})
	if err != nil || record.Signature != host.SignatureUnknown || len(record.Warnings) != 1 || !strings.Contains(record.Warnings[0], "signatures: off") {
		t.Errorf("%+v, %v", record, err)
	}
}

// TestSignatureKept: what was found is there after a restart and another list of
// functions, and the status tells it; the next version has its own.
func TestSignatureKept(t *testing.T) {
	key := newKey(t)
	r := newRig(t, withSignatures(host.SignaturesWarn, key.Public()))
	zip := fakeZip(t, "1")
	if _, err := r.Install(t.Context(), host.Request{Name: "p", File: saved(t, zip), Signature: signed(t, key, zip)}); err != nil {
		t.Fatal(err)
	}
	if err := r.Register(t.Context(), host.Functions, "p", []string{"f"}); err != nil {
		t.Fatal(err)
	}
	r.config.Signatures = host.Signatures{} // of later packages
	r.restart()
	status, err := r.Status(host.Functions, "p")
	if err != nil || status.Signature != host.SignatureValid || status.SignedBy != key.Public().Fingerprint() {
		t.Errorf("%+v, %v", status.Record, err)
	}
	if record := r.update("p", saved(t, zip)); record.Signature != host.SignatureUnknown || record.SignedBy != "" {
		t.Errorf("installed again, and nobody looked: %+v", record)
	}
}

// TestSignatureCanceled: who gives up while the signature is fetched is told so.
func TestSignatureCanceled(t *testing.T) {
	zip := fakeZip(t, "1")
	asked, leave := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".zip") {
			_, _ = w.Write(zip)
			return
		}
		close(asked)
		<-leave
	}))
	defer server.Close()
	defer close(leave)
	r := newRig(t, withSignatures(host.SignaturesWarn, newKey(t).Public()))
	before := r.snapshot()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := r.Install(ctx, host.Request{Name: "p", File: server.URL + "/p.zip"})
	enginetest.WantError(t, err, host.CodeCanceled)
	r.unchanged(before)
}

func TestSignaturesNeedKeys(t *testing.T) {
	for mode, want := range map[host.SignatureMode]string{host.SignaturesWarn: "public key", host.SignaturesRequire: "public key", 99: "unknown mode"} {
		r := &rig{t: t, dir: t.TempDir(), log: &safeBuffer{}}
		withSignatures(mode)(r)
		if err := r.tryStart(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v without a key: %v", mode, err)
		}
	}
}

// TestSources: packages, what they redirect to, and modules that manifests name
// come only from where the operator allows.
func TestSources(t *testing.T) {
	zip := string(fakeZip(t, "2"))
	build := fakeBuild{Version: "2", Functions: []string{"f"}}.String()
	server := shelf(t, map[string]string{"/p.zip": zip, "/m.wasm": build})
	port := server[strings.LastIndex(server, ":"):]
	away := shelf(t, map[string]string{"/p.zip": "->http://localhost" + port + "/p.zip", "/m.wasm": "->http://localhost" + port + "/m.wasm"})
	module := func(url string) string { return packed(t, files{"p.json": `{"wasm":[{"url":"` + url + `"}]}`}) }
	for _, test := range []struct {
		name, uri string
		schemes   []string
		hosts     []string
		addresses string
		words     []string // none: it is allowed
	}{
		{"all", server + "/p.zip", nil, nil, "", nil},
		{"as allowed", server + "/p.zip", []string{"http"}, []string{"10.*", "127.0.0.1"}, "127.0.0.0/8", nil},
		{"any host", server + "/p.zip", nil, []string{"*"}, "", nil},
		{"scheme", server + "/p.zip", []string{"https"}, nil, "", []string{"fail to download file " + server, "download-schemes"}},
		{"file", saved(t, []byte(zip)), []string{"http", "https"}, nil, "", []string{"download-schemes", `"file"`}},
		{"host", server + "/p.zip", nil, []string{"*.example.com"}, "", []string{"download-hosts", `"127.0.0.1"`}},
		{"address", server + "/p.zip", nil, nil, "10.0.0.0/8", []string{"download-addresses", "127.0.0.1"}},
		{"redirect", away + "/p.zip", nil, []string{"127.*"}, "", []string{"redirected to http://localhost" + port, "download-hosts"}},
		{"module", module(server + "/m.wasm"), nil, []string{"127.0.0.1"}, "127.0.0.1/32", nil},
		{"module by scheme", module(server + "/m.wasm"), []string{"file"}, nil, "", []string{"module 0 (" + server + "/m.wasm): it cannot be fetched: download-schemes"}},
		{"module by host", module(server + "/m.wasm"), nil, []string{"{a,b}.test"}, "", []string{"module 0", "it cannot be fetched: download-hosts"}},
		{"module by address", module(server + "/m.wasm"), nil, nil, "10.0.0.0/8", []string{"module 0", "it cannot be fetched: download-addresses"}},
		{"module by redirect", module(away + "/m.wasm"), nil, []string{"127.0.0.1"}, "", []string{"module 0", `the host "localhost"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sources := archive.Sources{Schemes: test.schemes}
			if test.hosts != nil {
				var err error
				if sources.Hosts, err = host.MatchHosts(test.hosts); err != nil {
					t.Fatal(err)
				}
			}
			if test.addresses != "" {
				sources.Addresses = []netip.Prefix{netip.MustParsePrefix(test.addresses)}
			}
			r := newRig(t, withFake(&fakeEngine{}))
			r.install("p", packed(t, files{"p.wasm": fakeBuild{Version: "1", Functions: []string{"f"}}.String()}))
			r.config.Archive.Sources = sources
			r.restart()
			before := r.snapshot()
			_, err := r.Update(t.Context(), host.Request{Name: "p", File: test.uri})
			if test.words == nil {
				if err != nil {
					t.Error(err)
				}
				r.answers("f", "x", "2:f:x")
				return
			}
			enginetest.WantError(t, err, host.CodeForbidden, append(test.words, "add it there")...)
			r.unchanged(before)
			r.answers("f", "x", "1:f:x")
		})
	}
}

func TestMatchHosts(t *testing.T) {
	for _, test := range []struct {
		patterns string
		host     string
		want     bool
	}{
		{"*", "münchen.test", true},
		{"a.test", "a.test", true},
		{"A.Test.", "a.test", true},
		{"a.test", "b.test", false},
		{"x.test *.a.test", "b.a.test", true},
		{"*.a.test", "a.test", false},
		{"{a,b}.test", "b.test", true},
		{"[!a].test", "ａ.test", false},
		{"*.test", "münchen.test", false},
		{"[::1]", "::1", true},
		{"0:0:0:0:0:0:0:1", "::1", true},
		{"::ffff:10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"10.0.*", "10.0.0.2", true},
		{"**", "::1", false},
	} {
		match, err := host.MatchHosts(strings.Fields(test.patterns))
		if err != nil {
			t.Fatal(err)
		}
		if got := match(test.host); got != test.want {
			t.Errorf("%s matches %s: %v", test.patterns, test.host, got)
		}
	}
	for _, patterns := range [][]string{nil, {"a", "http://b"}} {
		if _, err := host.MatchHosts(patterns); err == nil {
			t.Errorf("%q are taken", patterns)
		}
	}
}

// TestTrustInUploads: a zip in the request has nothing beside it.
func TestTrustInUploads(t *testing.T) {
	key := newKey(t)
	r := newRig(t, withSignatures(host.SignaturesRequire, key.Public()))
	zip, other := fakeZip(t, "1"), fakeZip(t, "2")
	before := r.snapshot()
	for _, test := range []struct {
		sha256, signature string
		code              host.Code
		words             []string
	}{
		{"", "", host.CodeForbidden, []string{"is not signed: there is no signature in the request", "signatures: require"}},
		{"", signed(t, key, other), host.CodeForbidden, []string{"the signature in the request does not hold"}},
		{hashOf(string(other)), signed(t, key, zip), host.CodeInvalid, []string{hashOf(string(other)), hashOf(string(zip))}},
	} {
		_, err := r.Install(t.Context(), host.Request{Name: "p", Upload: bytes.NewReader(zip), SHA256: test.sha256, Signature: test.signature})
		enginetest.WantError(t, err, test.code, test.words...)
		r.unchanged(before)
	}
	record, err := r.Install(t.Context(), host.Request{Name: "p", Upload: bytes.NewReader(zip), SHA256: hashOf(string(zip)), Signature: signed(t, key, zip)})
	if err != nil || record.Signature != host.SignatureValid {
		t.Errorf("%+v, %v", record, err)
	}
	r.answers("f", "x", "1:f:x")
}

// TestNoPasswordIsTold: the record has the address as it is, and nothing else has
// the password in it.
func TestNoPasswordIsTold(t *testing.T) {
	r := newRig(t, withSignatures(host.SignaturesWarn, newKey(t).Public()))
	uri := strings.Replace(shelf(t, map[string]string{"/p.zip": string(fakeZip(t, "1"))}), "://", "://user:s3cret@", 1) + "/p.zip"
	record, err := r.Install(t.Context(), host.Request{Name: "p", File: uri})
	if err != nil || record.Source != uri || r.Export()[0].File != uri || len(record.Warnings) != 1 {
		t.Fatalf("%+v, %v", record, err)
	}
	_, err = r.Update(t.Context(), host.Request{Name: "p", File: strings.Replace(uri, "p.zip", "none.zip", 1)})
	enginetest.WantError(t, err, host.CodeInvalid, "user:xxxxx@")
	if told := fmt.Sprint(record.Warnings, err, r.log.String(), record.SourceShown()); strings.Contains(told, "s3cret") {
		t.Error(told)
	}
}
