package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slowly hands out its parts one read at a time.
type slowly struct{ parts [][]byte }

func (s *slowly) Read(p []byte) (int, error) {
	if len(s.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.parts[0])
	if s.parts[0] = s.parts[0][n:]; len(s.parts[0]) == 0 {
		s.parts = s.parts[1:]
	}
	return n, nil
}

// TestUpload: a zip is the body of create and update, with or without a length.
func TestUpload(t *testing.T) {
	r := serve(t, nil, nil)
	r.zip("echo.zip", map[string]string{"echo.wasm": "echo twin"})
	r.zip("big.zip", map[string]string{"echo.wasm": "twin", "noise": noise(3 << 20)})
	const path = "/plugins/functions"
	zip := r.read("echo.zip")
	g := r.post(path+"?name=echo&functions=echo", "application/zip", zip)
	if g.status != 201 || g.body != "functions plugin echo is created" {
		t.Error(g)
	}
	r.play([]step{
		{"POST", "/invoke/echo", "x", 200, "x"},
		{"GET", path + "/echo/status", "", 200, `~"source":"upload"`},
	})
	if g := r.post(path+"?name=echo", "Application/Zip; x=y", zip); g.status != 400 || !strings.Contains(g.body, "duplicate") {
		t.Error(g)
	}
	big := []byte(r.read("big.zip")) // over what a connection's buffers hold
	if g := r.submit("PUT", path+"/echo", "application/zip", bytes.NewReader(big)); g.status != 200 {
		t.Error(g)
	}
	r.play([]step{{"POST", "/invoke/twin", "x", 200, "xx"}, {"POST", "/invoke/echo", "x", 404, "~no installed plugin"}})
	if g := r.submit("PUT", path+"/echo?functions=echo,twin", "application/zip", &slowly{[][]byte{[]byte(zip)[:10], []byte(zip)[10:]}}); g.status != 200 {
		t.Error(g)
	}
	r.play([]step{{"GET", "/plugins/udfs", "", 200, `["echo","twin"]`}})

	for _, test := range []struct {
		method, path, body, want string
		status                   int
	}{
		{"POST", path, zip, "id cannot be empty", 400},
		{"POST", path + "?name=a%20b", zip, "invalid characters", 400},
		{"PUT", path + "/echo?name=other", zip, "the body is about plugin other", 400},
		{"PUT", path + "/nope", zip, "update functions plugin nope error, cannot delete old version", 404},
		{"POST", path + "?name=bad", "no zip", "fail to install plugin: zip: not a valid zip file", 400},
		{"POST", path + "?name=none", "", "not a valid zip file", 400},
		{"POST", path + "?name=paras&shellParas=a,b&shellParas=&shellParas=c", zip, "have shell parameters : [a,b  c] but no install.sh file", 400},
		{"POST", path + "?name=cut", zip[:len(zip)/2], "not a valid zip file", 400},
		{"POST", "/plugins/nothing?name=x", zip, "no such path", 404},
		{"PATCH", path, zip, "", 405},
	} {
		g := r.submit(test.method, test.path, "application/zip", strings.NewReader(test.body))
		if g.status != test.status || !strings.Contains(g.body, test.want) {
			t.Errorf("%s %s: %v, want %d %s", test.method, test.path, g, test.status, test.want)
		}
	}
	if left, err := os.ReadDir(filepath.Join(r.dir, "data", "staging")); err != nil || len(left) > 0 {
		t.Errorf("left in staging: %v, %v", left, err)
	}
}

func noise(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return string(b)
}

// wire sends bytes on a connection of their own and returns all that comes back.
func (r *rig) wire(text string, end func(net.Conn)) string {
	r.Helper()
	c := r.dial()
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		r.Fatal(err)
	}
	if end != nil {
		end(c)
	}
	answer, err := io.ReadAll(c)
	if err != nil && len(answer) == 0 {
		r.Error(err)
	}
	return string(answer)
}

// TestUploadOnTheWire: what clients may do to a body that is streamed.
func TestUploadOnTheWire(t *testing.T) {
	r := serve(t, nil, func(c *Config) {
		c.MaxPackage, c.ReadTimeout, c.PackageTimeout = 1<<20, 200*time.Millisecond, testLimit
	})
	r.zip("echo.zip", map[string]string{"echo.wasm": "echo"})
	zip := r.read("echo.zip")
	head := func(path, more string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/zip\r\n" + more + "\r\n"
	}
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	smuggled := "DELETE /plugins/functions/echo HTTP/1.1\r\nHost: x\r\n\r\n"
	const at = "/plugins/functions?name=echo"
	stop := func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }
	for _, test := range []struct {
		name, text string
		end        func(net.Conn)
		want       []string
		not        string
	}{
		{"cut off", head(at, length(len(zip))) + zip[:20], stop, []string{"HTTP/1.1 400", "fail to download file upload", "Connection: close"}, "\r\n\r\nHTTP"},
		{"never goes on", head(at, length(len(zip))) + zip[:20], nil, []string{"HTTP/1.1 408", "9408", "reading the zip failed after 20 bytes: the body did not arrive in time"}, ""},
		{"a backup that never goes on", head("/data/restore", length(len(zip))) + zip[:20], nil, []string{"HTTP/1.1 408", "9408", "reading the backup failed after 20 bytes: the body did not arrive in time"}, ""},
		{"a file that never goes on", head("/config/uploads?name=x", length(len(zip))) + zip[:20], nil, []string{"HTTP/1.1 408", "9408", "upload error: reading the file failed after 20 bytes"}, ""},
		{"a form that never goes on", strings.Replace(head("/config/uploads", length(1000)), "application/zip", "multipart/form-data; boundary=b", 1) + "--b\r\n", nil, []string{"HTTP/1.1 408", "9408"}, ""},
		{"chunks that are none", head(at, "Transfer-Encoding: chunked\r\n") + "zz\r\n", stop, []string{"HTTP/1.1 400", "chunk"}, ""},
		{"too long", head(at, length(2<<20)) + zip, nil, []string{"HTTP/1.1 413", "at most 1MiB"}, ""},
		{"endless chunks", head(at, "Transfer-Encoding: chunked\r\n") + strings.Repeat("10000\r\n"+strings.Repeat("x", 65536)+"\r\n", 20) + "0\r\n\r\n", nil, []string{"HTTP/1.1 400"}, ""},
		{"a length of our own", "POST " + at + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nBerth-Streamed-Length: 10\r\nContent-Length: 2\r\n\r\n{}", stop, []string{"HTTP/1.1 400", "id cannot be empty"}, ""},
		{"a request as the body of one that is refused", head("/plugins/nothing", length(len(smuggled))) + smuggled, nil, []string{"HTTP/1.1 404"}, "is deleted"},
		{"a request behind the body", head(at, length(len(zip))) + zip + smuggled, nil, []string{"HTTP/1.1 201", "is created"}, "is deleted"},
	} {
		got := r.wire(test.text, test.end)
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", test.name, got, want)
			}
		}
		if test.not != "" && strings.Contains(got, test.not) || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("%s: answered with %q", test.name, got)
		}
	}
	// A client that waits to be told to go on.
	c := r.dial()
	defer c.Close()
	fmt.Fprint(c, strings.Replace(head(at, length(len(zip))+"Expect: 100-continue\r\n"), "name=echo", "name=late", 1))
	answer := bufio.NewReader(c)
	if line, err := answer.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%q, %v", line, err)
	}
	fmt.Fprint(c, zip)
	rest, _ := io.ReadAll(answer)
	if !strings.Contains(string(rest), "HTTP/1.1 400") || !strings.Contains(string(rest), "no build of") {
		t.Errorf("after 100: %q", rest)
	}
	r.play([]step{{"GET", "/plugins/functions", "", 200, `["echo"]`}})
}

// TestTrailer: a trailer, which comes when the body has been read, does not make
// the next request a body.
func TestTrailer(t *testing.T) {
	r := serve(t, nil, nil)
	next := "GET /ping HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer somebody's\r\nConnection: close\r\n\r\n"
	for _, path := range []string{"/config/uploads?name=stolen", "/plugins/functions?name=stolen", "/data/restore", "/data/import"} {
		got := r.wire("POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: Berth-Streamed-Length\r\n\r\n"+
			fmt.Sprintf("2\r\n{}\r\n0\r\nBerth-Streamed-Length: %d\r\n\r\n", len(next))+next, func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() })
		if !strings.HasPrefix(got, "HTTP/1.1 400") || strings.Count(got, "HTTP/1.1 ") != 2 || !strings.Contains(got, "HTTP/1.1 200") {
			t.Errorf("%s: answered with %q", path, got)
		}
	}
	if _, err := os.Stat(filepath.Join(r.dir, "data", "uploads", "stolen")); err == nil {
		t.Error("the next request became a file")
	}
}

// TestUploadAndShutdown: an upload under way when the server is shut down is
// broken off and leaves nothing; Shutdown waits for it.
func TestUploadAndShutdown(t *testing.T) {
	for _, path := range []string{"/plugins/functions?name=echo", "/config/uploads?name=echo.zip", "/data/restore"} {
		r := serve(t, nil, nil)
		c := r.dial()
		defer c.Close()
		fmt.Fprint(c, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/zip\r\nContent-Length: 100000\r\n\r\nPK")
		staging := filepath.Join(r.dir, "data", "staging")
		r.eventually("the upload is under way", func() bool {
			left, _ := os.ReadDir(staging)
			return len(left) == 1
		})
		ctx, cancel := context.WithTimeout(context.Background(), testLimit)
		defer cancel()
		if err := r.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		answer, _ := io.ReadAll(c)
		for _, want := range []string{"HTTP/1.1 503", "Retry-After", "9503", "the host is shutting down"} {
			if !bytes.Contains(answer, []byte(want)) {
				t.Errorf("%s: answered with %q", path, answer)
			}
		}
		if left, err := os.ReadDir(staging); err != nil || len(left) > 0 {
			t.Errorf("%s: left in staging: %v, %v", path, left, err)
		}
		if _, err := http.Get(r.base + "/ping"); err == nil {
			t.Errorf("%s: it still serves", path)
		}
	}
}
