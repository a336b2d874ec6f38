package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// pageLine is a command in docs/rest-api.md, and what the page says of it.
type pageLine struct {
	number int // of the line
	curl   *curlLine
	status int
	answer string // empty: the page shows none
}

// pageLines finds the commands of a page: lines in fenced blocks that begin with
// "$ curl", up to "\" at the end of lines. A number behind # is the status; it is
// 200 without. What follows is the answer; lines that are indented go on with the
// one before.
func pageLines(t *testing.T, page string) (all []pageLine) {
	t.Helper()
	status := regexp.MustCompile(` +# (\d{3})$`)
	lines := strings.Split(page, "\n")
	for i := 0; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], "$ ")
		if !ok {
			continue
		}
		l := pageLine{number: i + 1, status: http.StatusOK}
		for strings.HasSuffix(command, `\`) && i+1 < len(lines) {
			i++
			command = strings.TrimSuffix(command, `\`) + lines[i]
		}
		if m := status.FindStringSubmatch(command); m != nil {
			command = strings.TrimSuffix(command, m[0])
			l.status, _ = strconv.Atoi(m[1])
		}
		var err error
		if l.curl, err = parseCurl(command); err != nil {
			t.Fatalf("line %d: %v: %s", l.number, err, command)
		}
		for ; i+1 < len(lines) && !strings.HasPrefix(lines[i+1], "$ ") && lines[i+1] != "```"; i++ {
			next := lines[i+1]
			if strings.HasPrefix(next, "  ") {
				l.answer = strings.TrimSuffix(l.answer, "\n") + strings.TrimPrefix(next, "  ") + "\n"
			} else {
				l.answer += next + "\n"
			}
		}
		all = append(all, l)
	}
	return all
}

// TestRESTPage runs every command of docs/rest-api.md, in its order, against a
// fresh host: once with curl, where there is one, and once without. Each has to
// be answered as the page shows, and all routes have to be there.
func TestRESTPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "rest-api.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := pageLines(t, string(text))
	native := buildEcho(t)
	t.Run("net_http", func(t *testing.T) {
		newPageHost(t, native).play(t, lines, (*curlLine).send)
	})
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("there is no curl on this machine")
		return
	}
	t.Run("curl", func(t *testing.T) {
		newPageHost(t, native).play(t, lines, (*curlLine).run)
	})
}

// pageHost is the host that the page speaks of, with its folders below a temporary
// one.
type pageHost struct {
	served
	root    string
	hosts   string // the plugin host
	missing map[string]bool
}

const (
	pageBase    = "http://127.0.0.1:9081"
	pageCatalog = "http://127.0.0.1:8000"
)

func newPageHost(t *testing.T, native string) *pageHost {
	t.Helper()
	p := &pageHost{root: t.TempDir(), missing: map[string]bool{}}
	shared, err := os.ReadFile(native)
	if err != nil {
		t.Fatal(err)
	}
	p.pack(t, "tiny", "c")
	p.pack(t, "gauges", "assemblyscript")
	p.write(t, "srv/plugins/letters.zip", packageOf(t, map[string]string{
		"letters.json": `{"version":"v1.0.0","language":"wasm","executable":"letters.wasm","functions":["mirror","vowels"]}`,
		"letters.wasm": exampleFile(t, "extism-c", "letters.wasm"),
	}))
	p.write(t, "srv/plugins/random.zip", packageOf(t, map[string]string{"Random@v1.1.0.so": string(shared), "random.yaml": "default:\n  interval: 1000\n"}))
	p.write(t, "srv/plugins/file.zip", packageOf(t, map[string]string{"File@v1.0.0.so": string(shared)}))
	p.write(t, "srv/plugins/readings", "[21.5,19,20.25]\n[\"warm\"]\n[[4,1,3,2]]\n")
	p.write(t, "srv/drop-in/readme.txt", "")

	plugins := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/kuiper-plugins/2.4.0/debian/functions/index.json" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, `{"plugins":[{"name":"tiny","file":"tiny.zip"}]}`)
	}))
	t.Cleanup(plugins.Close)
	p.hosts = plugins.URL
	p.served, _ = serveWith(t, filepath.Join(p.root, "var/lib/berth"), "--plugins", filepath.Join(p.root, "srv/drop-in"),
		"--plugin-hosts", plugins.URL, "--plugin-version=2.4.0", "--plugin-system=debian")
	p.routes(t) // it answers, so it has looked into its drop-in folder
	p.write(t, "srv/drop-in/functions/add.wasm", guest(t, "add"))
	p.write(t, "srv/drop-in/functions/add.json", `{"functions":["add"]}`)
	return p
}

// play runs the lines, and compares.
func (p *pageHost) play(t *testing.T, lines []pageLine, send func(*curlLine, *testing.T, string) (int, string)) {
	t.Helper()
	here := strings.NewReplacer(pageBase, p.base, "/srv/", p.root+"/srv/", "/var/lib/berth", p.root+"/var/lib/berth")
	there := strings.NewReplacer(p.base, pageBase, p.hosts, pageCatalog, p.root, "")
	for _, l := range lines {
		c := *l.curl
		c.url, c.body = here.Replace(c.url), here.Replace(c.body)
		c.words = nil
		for _, word := range l.curl.words {
			c.words = append(c.words, here.Replace(word))
		}
		p.seen(t, l.curl.method, l.curl.url)
		status, output := send(&c, t, filepath.Join(p.root, "srv/plugins"))
		got := strings.TrimRight(strings.ReplaceAll(there.Replace(output), "\r\n", "\n"), "\n")
		if status != l.status || l.answer != "" && !shows(l.answer, got) {
			t.Errorf("docs/rest-api.md:%d: curl %q\nanswered %d %s\nand the page shows %d %s", l.number, l.curl.words, status, got, l.status, l.answer)
		}
	}
	for route := range p.missing {
		t.Errorf("docs/rest-api.md does not show %s", route)
	}
}

// shows tells whether an answer is what a page shows; … stands for anything.
func shows(page, answer string) bool {
	parts := strings.Split(strings.TrimRight(page, "\n"), "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*?") + `$`).MatchString(answer)
}

// routes asks the host which routes it has: all of them are to be on the page.
func (p *pageHost) routes(t *testing.T) {
	t.Helper()
	_, body := p.do("GET", "/openapi.json", "")
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	for path, item := range document.Paths {
		for method := range item {
			if method != "parameters" {
				p.missing[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	if len(p.missing) < 40 {
		t.Fatalf("the host has %d routes", len(p.missing))
	}
}

// seen takes a route off the list of those that are missing.
func (p *pageHost) seen(t *testing.T, method, target string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	for route := range p.missing {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(route), `\{name\}`, `[^/]+`)
		if regexp.MustCompile("^" + pattern + "$").MatchString(method + " " + u.Path) {
			delete(p.missing, route)
		}
	}
}

func (p *pageHost) write(t *testing.T, file, content string) {
	t.Helper()
	path := filepath.Join(p.root, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pack packs an example of the folder examples/functions.
func (p *pageHost) pack(t *testing.T, plugin, folder string) {
	t.Helper()
	p.write(t, "srv/plugins/"+plugin+".zip", packageOf(t, map[string]string{
		plugin + ".wasm": exampleFile(t, folder, plugin+".wasm"), plugin + ".json": exampleFile(t, folder, plugin+".json"),
	}))
}

func packageOf(t *testing.T, files map[string]string) string {
	t.Helper()
	data, err := os.ReadFile(zipped(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func exampleFile(t *testing.T, folder, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(t), "examples", "functions", folder, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
