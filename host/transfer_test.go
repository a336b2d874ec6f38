package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/host"
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
			wantError(t, err, test.code, test.words)
			wantError(t, errKept, test.code, test.words)
		} else if err != nil || errKept != nil || string(data) != "content" || read(t, kept) != "content" {
			t.Errorf("%s: %q, %v, %v", test.uri, data, err, errKept)
		}
	}
	r := newRig(t, func(r *rig) { withFake(&fakeEngine{})(r); r.config.Archive.Sources.Schemes = []string{} })
	_, err := r.FetchFile(t.Context(), file, 7)
	wantError(t, err, host.CodeForbidden, "download-schemes")
	if strings.Contains(err.Error(), "content") {
		t.Error(err)
	}
}
