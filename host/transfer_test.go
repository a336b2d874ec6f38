package host_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

// TestFetchPolicy: files that requests name are had from where packages may be
// had, and nowhere else.
func TestFetchPolicy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "export.json")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, web := "file://"+path, shelf(t, map[string]string{"/export.json": "content"})+"/export.json"
	for _, test := range []struct {
		schemes []string
		uri     string
		limit   host.Bytes
		code    host.Code
		words   string // empty: it is had
	}{
		{nil, file, 7, 0, ""},
		{nil, web, 7, 0, ""},
		{[]string{"file"}, file, 7, 0, ""},
		{[]string{"https"}, file, 7, host.CodeForbidden, "download-schemes"},
		{[]string{"https"}, web, 7, host.CodeForbidden, "download-schemes"},
		{nil, file, 6, host.CodeTooLarge, "the limit is 6"},
		{nil, web, 6, host.CodeTooLarge, "the limit is 6"},
		{nil, "file://" + filepath.Dir(path), 7, host.CodeInvalid, "is not a regular file"},
		{nil, web + "x", 7, host.CodeInvalid, "404"},
		{nil, path, 7, host.CodeInvalid, "invalid uri"},
	} {
		r := newRig(t, func(r *rig) {
			withFake(&fakeEngine{})(r)
			r.config.Archive.Sources.Schemes, r.config.Archive.Download = test.schemes, int64(test.limit)
		})
		data, err := r.FetchFile(t.Context(), test.uri, test.limit)
		kept, errKept := r.FetchUpload(t.Context(), "export.json", test.uri)
		if test.words != "" {
			enginetest.WantError(t, err, test.code, test.words)
			enginetest.WantError(t, errKept, test.code, test.words)
		} else if err != nil || errKept != nil || string(data) != "content" || read(t, kept) != "content" {
			t.Errorf("%s: %q, %v, %v", test.uri, data, err, errKept)
		}
	}
	r := newRig(t, func(r *rig) { withFake(&fakeEngine{})(r); r.config.Archive.Sources.Schemes = []string{} })
	_, err := r.FetchFile(t.Context(), file, 7)
	enginetest.WantError(t, err, host.CodeForbidden, "download-schemes")
	if strings.Contains(err.Error(), "content") {
		t.Error(err)
	}
}

// TestExportIsTrusted: what a request said of the digest and the signature is in
// the export, after a restart and through a backup too, so that a host that asks
// for signatures can import it.
func TestExportIsTrusted(t *testing.T) {
	key, zip := newKey(t), fakeZip(t, "1")
	uri, digest, signature := saved(t, zip), hashOf(string(zip)), strings.TrimSpace(signed(t, key, zip))
	r := newRig(t, withFake(&fakeEngine{})) // it looks at none
	if _, err := r.Install(t.Context(), host.Request{Name: "p", File: uri, SHA256: strings.ToUpper(digest), Signature: " " + signature + "\n"}); err != nil {
		t.Fatal(err)
	}
	check := func(r *rig, what string) {
		t.Helper()
		if got := r.Export(); len(got) != 1 || got[0].SHA256 != digest || got[0].Signature != signature {
			t.Errorf("%s: %+v", what, got)
		}
	}
	check(r, "installed")
	r.restart()
	check(r, "after a restart")
	data := backedUp(t, r)
	if err := r.Register(t.Context(), host.Functions, "p", []string{"f"}); err != nil {
		t.Fatal(err)
	}
	check(r, "after register")
	strict := newRig(t, withSignatures(host.SignaturesRequire, key.Public()))
	if faults := strict.Import(t.Context(), r.Export(), false); len(faults) > 0 {
		t.Error(faults)
	}
	check(strict, "imported")
	if err := strict.Drop(t.Context(), host.Functions, "p"); err != nil {
		t.Fatal(err)
	}
	if _, err := strict.Restore(t.Context(), bytes.NewReader(data), 0); err != nil {
		t.Fatal(err)
	}
	check(strict, "restored")

	// What was not given is not there, nor what is no signature.
	if _, err := r.Update(t.Context(), host.Request{Name: "p", File: uri, Signature: "AAAA"}); err != nil {
		t.Fatal(err)
	}
	if got := r.Export()[0]; got.SHA256 != "" || got.Signature != "" {
		t.Errorf("%+v", got)
	}
}
