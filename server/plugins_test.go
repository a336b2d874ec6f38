package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"berth/host"
)

// step is a request and what is answered to it. A body that begins with ~ is a
// regular expression; ${FILES} is where the packages lie.
type step struct {
	method, path, body string
	status             int
	want               string
}

func (r *rig) play(steps []step) {
	r.Helper()
	files := "file://" + r.dir
	for _, s := range steps {
		g := r.do(s.method, s.path, strings.ReplaceAll(s.body, "${FILES}", files))
		text := strings.ReplaceAll(g.body, files, "${FILES}")
		ok := text == s.want
		if pattern, is := strings.CutPrefix(s.want, "~"); is {
			ok = regexp.MustCompile(pattern).MatchString(text)
		}
		if g.status != s.status || !ok {
			r.Errorf("%s %s %s:\n got %d %s\nwant %d %s", s.method, s.path, s.body, g.status, text, s.status, s.want)
		}
		if g.status >= 400 && g.status != 405 && s.method != http.MethodHead {
			r.checkError(s.method+" "+s.path, g)
		}
	}
}

// checkError checks the shape that every error has.
func (r *rig) checkError(what string, g got) {
	r.Helper()
	var body struct {
		Error   *int    `json:"error"`
		Message *string `json:"message"`
	}
	if err := json.Unmarshal([]byte(g.body), &body); err != nil || body.Error == nil || body.Message == nil || *body.Message == "" {
		r.Errorf("%s: %q is not the body of an error: %v", what, g.body, err)
	}
	if got := g.header.Get("Content-Type"); got != "application/json" {
		r.Errorf("%s: Content-Type %q", what, got)
	}
	if got := g.header.Get("X-Content-Type-Options"); got != "nosniff" {
		r.Errorf("%s: X-Content-Type-Options %q", what, got)
	}
	if got := g.header.Get("Retry-After"); (g.status == 503) != (got != "") {
		r.Errorf("%s: status %d with Retry-After %q", what, g.status, got)
	}
}

// TestConformance holds what ../../shared/conformance/scenarios.json says of
// functions, udfs, register and root.
func TestConformance(t *testing.T) {
	r := serve(t, nil, nil)
	r.zip("missSo.zip", map[string]string{"readme.txt": "nothing here"})
	r.zip("wrongName.zip", map[string]string{"Other.so": "x"})
	if err := os.WriteFile(r.dir+"/invalid.zip", []byte("PK\x03\x04 this is no zip archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	const path = "/plugins/functions"
	created := `{"error":1000,"message":"functions plugins create command error: `
	undecoded := `{"error":1000,"message":"Invalid body: Error decoding the functions plugin json: `
	badName := func(name string) string {
		return `{"error":1000,"message":"id '` + name + `' contains invalid characters: only alphanumeric, hyphens and underscores are allowed"}`
	}
	r.play([]step{
		{"GET", path, "", 200, "[]"},
		{"GET", "/plugins/udfs", "", 200, "[]"},

		{"POST", path, "xx", 400, undecoded + `invalid character 'x' looking for beginning of value"}`},
		{"POST", path, "", 400, undecoded + `EOF"}`},
		{"POST", path, `{"name":"","file":"${FILES}/echo.zip"}`, 400, `{"error":1000,"message":"id cannot be empty"}`},
		{"POST", path, `{"file":"${FILES}/echo.zip"}`, 400, `{"error":1000,"message":"id cannot be empty"}`},
		{"POST", path, `null`, 400, `{"error":1000,"message":"id cannot be empty"}`},
		{"POST", path, `{"name":"a b","file":"${FILES}/echo.zip"}`, 400, badName("a b")},
		{"POST", path, `{"name":" a","file":"x"}`, 400, `{"error":1000,"message":"id ' a' contains leading or trailing whitespace"}`},
		{"POST", path, `{"name":"../up","file":"x"}`, 400, badName("../up")},
		{"POST", path, `{"name":"a/b","file":"x"}`, 400, badName("a/b")},
		{"POST", path, `{"name":"ab","file":"x.zip"}`, 400, created + `invalid uri x.zip"}`},
		{"POST", path, `{"name":"ab","file":""}`, 400, created + `invalid uri "}`},
		{"POST", path, `{"name":"ab"}`, 400, created + `invalid uri "}`},
		{"POST", path, `{"name":"ab","file":"${FILES}/plain.txt"}`, 400, created + `invalid uri ${FILES}/plain.txt"}`},
		{"POST", path, `{"name":"ab","file":"ftp://127.0.0.1/x.zip"}`, 400, created + `invalid uri ftp://127.0.0.1/x.zip"}`},
		{"POST", path, `{"name":"ab","file":"file:///nope/absent.zip"}`, 400, "~^" + regexp.QuoteMeta(created) + "fail to download file"},
		{"POST", path, `{"name":"ab","file":"http://127.0.0.1:1/x.zip"}`, 400, "~^" + regexp.QuoteMeta(created) + "fail to download file"},
		{"POST", path, `{"name":1,"file":"x"}`, 400, undecoded + `json: name is of type number and has to be of type string"}`},
		{"POST", path, `[1,2]`, 400, undecoded + `json: the body is of type array and has to be of type object"}`},

		{"POST", path, `{"name":"invalid","file":"${FILES}/invalid.zip"}`, 400, "~^" + regexp.QuoteMeta(created) + "fail to install plugin: zip: not a valid zip file"},
		{"POST", path, `{"name":"missSo","file":"${FILES}/missSo.zip"}`, 400, "~^" + regexp.QuoteMeta(created) + "fail to install plugin: invalid zip file:"},
		{"POST", path, `{"name":"wrongName","file":"${FILES}/wrongName.zip"}`, 400, "~^" + regexp.QuoteMeta(created) + "fail to install plugin: invalid zip file:"},
		{"POST", path, `{"name":"missSo","file":"${FILES}/missSo.zip","shellParas":["a","b"]}`, 400, created + `fail to install plugin: have shell parameters : [a b] but no install.sh file"}`},
		{"GET", path, "", 200, "[]"},

		{"GET", path + "/nope", "", 404, `{"error":1002,"message":"describe functions plugin nope error: not found"}`},
		{"DELETE", path + "/nope", "", 404, `{"error":1002,"message":"delete functions plugin nope error: invalid name nope: not exist"}`},
		{"PUT", path + "/nope", `{"name":"nope","file":"${FILES}/echo.zip"}`, 404, `{"error":1002,"message":"update functions plugin nope error, cannot delete old version: invalid name nope: not exist"}`},
		{"DELETE", path + "/no%20pe", "", 400, badName("no pe")},
		{"PUT", path + "/no%20pe", "", 400, badName("no pe")},
		{"GET", path + "/no%20pe", "", 400, badName("no pe")},
		{"GET", path + "/no%20pe/status", "", 400, badName("no pe")},
		{"POST", path + "/no%20pe/register", "", 400, badName("no pe")},
		{"GET", path + "/..%2fup", "", 404, `{"error":1002,"message":"no such path"}`},
		{"PATCH", path, "", 405, ""},
		{"DELETE", path, "", 405, ""},
		{"PUT", path, "{}", 405, ""},
		{"POST", path + "/nope", "{}", 405, ""},

		{"GET", "/plugins/udfs/nope", "", 404, `{"error":1002,"message":"describe function nope error: not found"}`},
		{"GET", "/plugins/udfs/no%20pe", "", 400, badName("no pe")},
		{"POST", "/plugins/udfs", "{}", 405, ""},
		{"DELETE", "/plugins/udfs/nope", "", 405, ""},
		{"POST", path + "/nope/register", `{"functions":["a"]}`, 404, `{"error":1002,"message":"register functions plugin nope error: not found"}`},
		{"GET", path + "/nope/register", "", 405, ""},

		{"GET", "/", "", 200, `~"os":"linux"`},
		{"POST", "/", "", 200, `~"version":"1.2.3"`},
		{"GET", "/ping", "", 200, ""},
		{"GET", "/nope", "", 404, `{"error":1002,"message":"no such path"}`},
	})
}

// TestLife is the conformance scenario native-function-life.
func TestLife(t *testing.T) {
	r := serve(t, nil, nil)
	r.plugin("echo", "v1.0.0")
	r.plugin("echo", "v2.0.0")
	http1 := httptest.NewServer(http.FileServer(http.Dir(r.dir)))
	defer http1.Close()
	const path = "/plugins/functions"
	r.play([]step{
		{"POST", path, `{"name":"echo","file":"${FILES}/echov1.0.0.zip"} and more`, 201, "functions plugin echo is created"},
		{"GET", path, "", 200, `["echo"]`},
		{"GET", path + "/echo", "", 200, `{"name":"echo","version":"1.0.0","functions":["echo"]}`},
		{"GET", path + "/%65cho", "", 200, `{"name":"echo","version":"1.0.0","functions":["echo"]}`},
		{"GET", "/plugins/udfs", "", 200, `["echo"]`},
		{"GET", "/plugins/udfs/echo", "", 200, `{"name":"echo","plugin":"echo","kind":"functions","encoding":"raw"}`},
		{"POST", path, `{"name":"echo","file":"${FILES}/echov1.0.0.zip"}`, 400, `{"error":1000,"message":"functions plugins create command error: invalid name echo: duplicate"}`},
		{"POST", path, `{"name":"other","file":"${FILES}/echov1.0.0.zip","functions":["echo"]}`, 400, `~function name echo already exists|no build of`},
		{"POST", path + "/echo/register", "nope", 400, `{"error":1000,"message":"Invalid body: Error decoding the function list json: invalid character 'o' in literal null (expecting 'u')"}`},
		{"POST", path + "/echo/register", `{"functions":"x"}`, 400, `~^{"error":1000,"message":"Invalid body: Error decoding the function list json: json: functions is of type string and has to be of type array"}`},
		{"POST", path + "/echo/register", `{"functions":[]}`, 400, `{"error":1000,"message":"function plugins echo register functions error: property 'functions' must not be empty"}`},
		{"POST", path + "/echo/register", `{}`, 400, `{"error":1000,"message":"function plugins echo register functions error: property 'functions' must not be empty"}`},
		{"POST", path + "/echo/register", `{"functions":["echo","absent"]}`, 400, `~^{"error":1000,"message":"function plugins echo register functions error: .*absent`},
		{"POST", path + "/echo/register", `{"functions":["echo","twin"]}`, 200, "function plugin echo function list is registered"},
		{"GET", "/plugins/udfs", "", 200, `["echo","twin"]`},
		{"GET", "/plugins/udfs/twin", "", 200, `{"name":"twin","plugin":"echo","kind":"functions","encoding":"raw"}`},
		{"GET", path + "/echo", "", 200, `{"name":"echo","version":"1.0.0","functions":["echo","twin"]}`},
		{"POST", "/invoke/twin", "ab", 200, "abab"},

		{"PUT", path + "/echo", "nope", 400, `{"error":1000,"message":"Invalid body: Error decoding the functions plugin json: invalid character 'o' in literal null (expecting 'u')"}`},
		{"PUT", path + "/echo", `{"name":"a b"}`, 400, `~^{"error":1000,"message":"id 'a b' contains invalid`},
		{"PUT", path + "/echo", `{"name":"other","file":"${FILES}/echov2.0.0.zip"}`, 400, `~^{"error":1000,"message":"the body is about plugin other, the path about plugin echo`},
		{"PUT", path + "/echo", `{"name":"echo","file":"x"}`, 400, `{"error":1000,"message":"functions plugins create command error: invalid uri x"}`},
		{"GET", path + "/echo", "", 200, `{"name":"echo","version":"1.0.0","functions":["echo","twin"]}`},
		{"DELETE", path + "/echo", "", 200, "functions plugin echo is deleted."},
		{"GET", path, "", 200, `[]`},
		{"GET", path + "/echo", "", 404, `{"error":1002,"message":"describe functions plugin echo error: not found"}`},
		{"POST", "/invoke/echo", "ab", 404, `{"error":1002,"message":"call function echo: no installed plugin has this function"}`},
		{"DELETE", path + "/echo", "", 404, `{"error":1002,"message":"delete functions plugin echo error: invalid name echo: not exist"}`},

		{"POST", path, `{"NAME":"echo","File":"` + http1.URL + `/echov1.0.0.zip","functions":["echo","twin-second"],"unknown":1}`, 201, "functions plugin echo is created"},
		{"GET", "/plugins/udfs/twin-second", "", 200, `{"name":"twin-second","plugin":"echo","kind":"functions","encoding":"raw"}`},
		{"PUT", path + "/echo", `{"file":"${FILES}/echov2.0.0.zip"}`, 200, "~^plugin echo is updated"},
		{"GET", path + "/echo", "", 200, `{"name":"echo","version":"2.0.0","functions":["echo"]}`},
		{"DELETE", path + "/echo", "", 200, "~^functions plugin echo is deleted"},
	})
}

func TestStatus(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo", "rejected", "twin")
	r.do("POST", "/invoke/echo", "x")
	r.do("POST", "/invoke/rejected", "x")
	var state pluginState
	g := r.do("GET", "/plugins/functions/p/status", "")
	if err := json.Unmarshal([]byte(strings.Replace(g.body, `"active"`, `2`, 1)), &struct {
		*pluginState
		Status    int `json:"status"`
		LastError struct {
			Function, Code string
		} `json:"lastError"`
		Functions []struct {
			Name   string
			Calls  uint64
			Errors map[string]uint64
		} `json:"functions"`
	}{pluginState: &state}); err != nil {
		t.Fatalf("%v: %v", err, g)
	}
	if state.Calls != 2 || state.Errors != 1 || state.Module == nil || state.Module.Form != "closures" || state.Engine != "fake" || state.Version != "1.0.0" {
		t.Errorf("status: %s", g.body)
	}
	for _, part := range []string{`"status":"active"`, `"code":"rejected"`, `"refused":[]`, `"refCount":{}`, `{"name":"twin","calls":0}`} {
		if !strings.Contains(g.body, part) {
			t.Errorf("no %s in %s", part, g.body)
		}
	}
	r.play([]step{{"GET", "/plugins/functions/nope/status", "", 404, `{"error":1002,"message":"status of functions plugin nope error: not found"}`}})
}

// TestManagementFaults checks that faults of the host keep their status, and
// that what is inside stays inside.
func TestManagementFaults(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo")
	file := r.plugin("q", "v1", "twin")
	r.store.failWith(errors.New("secret disk"))
	for _, s := range []step{
		{"POST", "/plugins/functions", `{"name":"q","file":"` + file + `"}`, 500, ""},
		{"PUT", "/plugins/functions/p", `{"file":"` + r.plugin("p", "v2", "echo") + `"}`, 500, ""},
		{"DELETE", "/plugins/functions/p", "", 500, ""},
		{"POST", "/plugins/functions/p/register", `{"functions":["twin"]}`, 500, ""},
	} {
		g := r.do(s.method, s.path, s.body)
		r.checkError(s.path, g)
		if g.status != s.status || strings.Contains(g.body, "secret") {
			t.Errorf("%s %s: %v", s.method, s.path, g)
		}
	}
	if n := strings.Count(r.log.String(), "secret disk"); n != 4 {
		t.Errorf("the log has %d causes:\n%s", n, r.log)
	}
	if g := r.do("POST", "/invoke/echo", "still there"); g.body != "still there" {
		t.Errorf("after failed changes: %v", g)
	}
	r.store.failWith(nil)
	r.engine.load = func(*host.Package) error {
		return &host.Error{Code: host.CodeForbidden, Err: errors.New("the policy allows no such thing")}
	}
	r.play([]step{{"POST", "/plugins/functions", `{"name":"q","file":"` + file + `"}`, 403, `{"error":9403,"message":"functions plugins create command error: fail to install plugin: the policy allows no such thing"}`}})
}

func TestConcurrentInstalls(t *testing.T) {
	r := serve(t, nil, nil)
	file := r.plugin("p", "v1", "echo")
	statuses := make([]int, 8)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() { statuses[i] = r.do("POST", "/plugins/functions", `{"name":"p","file":"`+file+`"}`).status })
	}
	wg.Wait()
	slices.Sort(statuses)
	if statuses[0] != 201 || statuses[1] != 400 {
		t.Errorf("statuses %v", statuses)
	}
}
