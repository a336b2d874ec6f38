package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestParcel: how a package comes to a host depends on where the host runs.
func TestParcel(t *testing.T) {
	dir := t.TempDir()
	zip := writeFile(t, filepath.Join(dir, "calc.zip"), "zip")
	writeFile(t, zip+signatureSuffix, "signed\n")
	writeFile(t, filepath.Join(dir, "calc", "calc.wasm"), guest(t, "add"))
	for _, tt := range []struct {
		given             string
		local, upload     bool
		uri, file, signed string
		fault             exitCode
		ours, folder      bool
	}{
		{given: zip, local: true, uri: "file://" + zip, ours: true},
		{given: zip, local: true, upload: true, file: zip, signed: "signed"},
		{given: zip, file: zip, signed: "signed"},
		{given: filepath.Join(dir, "calc"), local: true, folder: true},
		{given: filepath.Join(dir, "calc"), folder: true},
		{given: "http://x/y.zip", uri: "http://x/y.zip"},
		{given: "file:///there/y.zip", uri: "file:///there/y.zip"},
		{given: "http://x/y.zip", upload: true, fault: exitUsage},
		{given: zip + signatureSuffix, fault: exitUsage},
		{given: filepath.Join(dir, "nosuch"), fault: exitUsage},
	} {
		a := &app{errOut: io.Discard}
		p, err := a.parcel(t.Context(), &client{local: tt.local}, "calc", tt.given, tt.upload)
		if exitOf(err) != tt.fault {
			t.Errorf("%+v: %v", tt, err)
		}
		if err != nil {
			continue
		}
		if tt.folder {
			if data, err := os.ReadFile(p.file); err != nil || !bytes.HasPrefix(data, []byte("PK")) {
				t.Errorf("%+v: %v", tt, err)
			}
			p.remove()
			if _, err := os.Stat(p.file); err == nil {
				t.Errorf("%+v: %s is left", tt, p.file)
			}
			continue
		}
		if p.uri != tt.uri || p.file != tt.file || p.signature != tt.signed || p.ours != tt.ours {
			t.Errorf("%+v: %+v", tt, p)
		}
		p.remove()
	}
}

// TestRemoteInstall: a host on another machine gets the file itself, of a size that is said before.
func TestRemoteInstall(t *testing.T) {
	file := zipped(t, map[string]string{"calc.wasm": guest(t, "add")})
	s, _ := serveWith(t, t.TempDir())
	lengths := make(chan int64, 1)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lengths <- r.ContentLength
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, s.base+r.URL.String(), bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = r.Header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer between.Close()
	a := &app{environ: []string{"BERTH_HOST=" + between.URL}}
	c, err := a.client(quick)
	if err != nil {
		t.Fatal(err)
	}
	c.local = false
	p, err := a.parcel(t.Context(), c, "calc", file, false)
	if err != nil {
		t.Fatal(err)
	}
	in := installation{functions: []string{"add"}}
	if answer, err := in.send(t.Context(), c, http.MethodPost, "calc", p); err != nil || answer.status != http.StatusCreated {
		t.Fatalf("%+v, %v", answer, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if length := <-lengths; length != info.Size() {
		t.Errorf("%d bytes were announced of %d", length, info.Size())
	}
	s.wants("add", "[1,2]", "3")
}

// TestBrokenDownload: what breaks off is an error, and no file is left of it.
func TestBrokenDownload(t *testing.T) {
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "PK")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer broken.Close()
	dir := t.TempDir()
	code, _, stderr := berth(t, []string{"BERTH_HOST=" + broken.URL}, "backup", filepath.Join(dir, "x.zip"))
	if code != int(exitFailure) || !strings.Contains(stderr, "broke off") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer silent.Close()
	code, _, stderr = berth(t, []string{"BERTH_HOST=" + silent.URL}, "backup", "-", "--timeout", "50ms")
	if code != int(exitTimeout) {
		t.Errorf("exit %d: %s", code, stderr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if code := run(ctx, []string{"backup", "-", "--host", silent.URL}, nil, nil, &out, &out); code != int(exitFailure) {
		t.Errorf("exit %d: %s", code, out.String())
	}
}

// TestRestoreKeys: the operator's limits of a backup hold.
func TestRestoreKeys(t *testing.T) {
	t.Chdir(t.TempDir())
	backup := writeFile(t, "backup.zip", strings.Repeat("x", 1<<20)) // over what a connection's buffers hold
	for flag, want := range map[string]string{"--restore-limit=100KiB": "at most 100KiB", "--restore-timeout=1ns": "did not arrive in time"} {
		s, stop := serveWith(t, t.TempDir(), flag)
		if code, _, stderr := berth(t, []string{"BERTH_HOST=" + s.base}, "restore", backup); code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d %s", flag, code, stderr)
		}
		stop()
	}
}

// TestRestoreInPart: what could not be restored, plugins and uploaded files, is said, and the exit code tells it.
func TestRestoreInPart(t *testing.T) {
	body := ""
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
	defer host.Close()
	backup := writeFile(t, filepath.Join(t.TempDir(), "backup.zip"), "x")
	for _, test := range []struct {
		body, want string
		code       exitCode
	}{
		{`{"restored":["functions/p"],"dropped":[],"failed":{},"uploads":{}}`, "", 0},
		{`{"restored":[],"dropped":[],"failed":{"functions/p":"no room"},"uploads":{}}`, "functions/p: no room", exitRefused},
		{`{"restored":[],"dropped":[],"failed":{},"uploads":{"a.txt":"no room"}}`, "uploads/a.txt: no room", exitRefused},
	} {
		body = test.body
		code, _, stderr := berth(t, []string{"BERTH_HOST=" + host.URL}, "restore", backup)
		if code != int(test.code) || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: %d %s", test.body, code, stderr)
		}
	}
}
