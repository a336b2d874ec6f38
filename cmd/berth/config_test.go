package main

import (
	"bytes"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"berth/host"
)

// berth runs a command line in this process, in an empty folder of its own unless the test changed it.
func berth(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(t.Context(), args, environ, strings.NewReader(""), &out, &errOut)
	return code, out.String(), errOut.String()
}

func writeFile(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigPrecedence(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "berth.yaml", "memory: 1MiB\ninput: 1MiB\noutput: 1MiB\nunix-mode: 0660\n")
	environ := []string{"BERTH_INPUT=2MiB", "BERTH_OUTPUT=2MiB", "BERTH_TIMEOUT=", "BERTH_HOST=http://x", "BERTH_SERVICE_HOST=10.0.0.1", "BERTH_PORT_9081_TCP=tcp://x"}
	l, err := loadConfig("", []setting{{"--output", "output", "3MiB"}}, nil, environ)
	if err != nil {
		t.Fatal(err)
	}
	c := l.config
	if c.Memory != 1<<20 || c.Input != 2<<20 || c.Output != 3<<20 || c.UnixMode != 0o660 || c.Timeout != 5*time.Second {
		t.Errorf("memory %v, input %v, output %v, unix-mode %o, timeout %v", c.Memory, c.Input, c.Output, c.UnixMode, c.Timeout)
	}
	if l.origin["memory"] != "berth.yaml:1" || l.origin["input"] != "BERTH_INPUT" || l.origin["output"] != "--output" {
		t.Errorf("origins: %v", l.origin)
	}
}

func TestConfigDefaults(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := loadConfig("", nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(l.config, defaultConfig()) {
		t.Errorf("with no source: %+v", l.config)
	}
}

func TestConfigFaultsTogether(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "other.yaml", "lsten: 3\nmemory: 64 potatoes\ndata:\n  a: b\ndrain: 0\nfigures:\ndrain: 5s\nlisten: 0.0.0.0:1\n---\nx: y\n")
	long := "/tmp/" + strings.Repeat("x", 103)
	code, _, stderr := berth(t, []string{"BERTH_LOGLEVEL=x", "BERTH_LOG_FORMAT=xml", "BERTH_CONFIG=other.yaml"},
		"serve", "--nope", "--timeout=-3s", "--lisen", "--insecure=maybe", "--unix", long)
	if code != int(exitUsage) {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		`other.yaml:1: unknown key "lsten"; did you mean "listen"?`,
		`other.yaml:2: memory: "64 potatoes" is not a size`,
		`other.yaml:4: data: one plain value`,
		`other.yaml:5: drain: 0 is not allowed here`,
		`other.yaml:6: figures: has no value`,
		`other.yaml:7: drain: is set in line 5 already`,
		`other.yaml:8: listen: other machines can reach 0.0.0.0:1`,
		`a second yaml document`,
		`BERTH_LOGLEVEL: unknown key "LOGLEVEL"; did you mean "log-level"?`,
		`BERTH_LOG_FORMAT: log-format: "xml" is not one of text, json`,
		`--nope: unknown key "nope"`,
		`--lisen: unknown key "lisen"; did you mean "listen"?`,
		`--timeout: timeout: -3s is negative`,
		`--insecure: insecure: "maybe" is neither true nor false`,
		`--unix: unix: the path has 108 bytes, the system allows 107`,
		"has 15 faults",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}
}

// aDigest and anotherDigest stand for tokens.
var (
	aDigest       = strings.Repeat("0a", 32)
	anotherDigest = strings.Repeat("0b", 32)
)

func TestConfigSingleFaults(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "file", "")
	tests := []struct{ key, text, want string }{
		{"listen", "127.0.0.1", "is not an address"},
		{"listen", "127.0.0.1:x", "is not a port"},
		{"listen", "127.0.0.1:65536", "is not a port"},
		{"listen", ":9081", "other machines"},
		{"listen", "0.0.0.0:9081", "other machines"},
		{"listen", "[::]:9081", "other machines"},
		{"listen", "localhost.example:9081", "other machines"},
		{"listen", "", "nothing to listen on"},
		{"unix", "/does/not/exist/x.sock", "the folder /does/not/exist is not there"},
		{"unix", "file/x", "file is not a folder"},
		{"unix-mode", "0400", "permissions"},
		{"unix-mode", "9", "permissions"},
		{"data", "file", "file is not a folder"},
		{"data", "", "a folder is needed"},
		{"memory", "1KiB", "at least 64KiB"},
		{"memory", "5GiB", "at most 4GiB"},
		{"input", "2GiB", "too large"},
		{"budget", "-1", "is not a size"},
		{"timeout", "5", "write it with its unit"},
		{"load-timeout", "0", "not allowed"},
		{"instances", "-1", "too small"},
		{"instances", "many", "whole number"},
		{"file-limit", "0", "too small"},
		{"fuel", "-1", "too small"},
		{"fuel", "9223372036854775808", "whole number"},
		{"queue-time", "0", "not allowed"},
		{"policy-hosts", "a, http://b", `"http://b" is a URL`},
		{"policy-hosts", "a:80", "without a port"},
		{"policy-addresses", "10.0.0.0/33", "is no range of addresses"},
		{"policy-addresses", "fe80::1%eth0", "is no range of addresses"},
		{"policy-paths", "/srv,data", `"data" is no absolute path`},
		{"policy-paths", "/srv/../etc", `has ".."`},
		{"plugin-hosts", "https://a.test, b.test", `"b.test" is no plugin host`},
		{"plugin-hosts", "https://u:p@a.test", "user or password"},
		{"plugin-version", "", "cannot be a folder"},
		{"plugin-version", "../2.4.0", "cannot be a folder"},
		{"plugin-system", "my system", "cannot be a folder"},
		{"policy-clock", "no", "neither true nor false"},
		{"download-schemes", "https,ftp", `"ftp" is not one of http, https, file`},
		{"download-hosts", "https://a.test", "is a URL"},
		{"download-addresses", "127.0.0.1:80", "is no range of addresses"},
		{"signatures", "on", "is not one of off, warn, require"},
		{"signatures", "warn", "warn checks with public keys, and there is none"},
		{"signatures", "require", "name the files of those who may sign in signature-keys"},
		{"signature-keys", "gone.pem", "no such file"},
		{"signature-keys", "file", "there is no PEM block in it"},
		{"tokens", "ci", "is written <name>:<scopes>:<sha256"},
		{"tokens", "ci:write:" + aDigest, `"write" is no scope`},
		{"tokens", "ci:read:" + aDigest + ",ci:read:" + anotherDigest, `two tokens are called "ci"`},
		{"tokens", "a:read:" + aDigest + ",b:read:" + aDigest, `"a" and "b" are the same token`},
		{"jwt-keys", "nowhere", "no such file"},
		{"jwt-keys", ".", "file holds no RSA public key in PEM"},
		{"tls-cert", "file", "tls-key: the key of the certificate file is needed"},
		{"tls-key", "file", "mean nothing without a certificate"},
		{"tls-client-ca", "file", "mean nothing without a certificate"},
		{"cors-origins", "ui.example.com", "is no origin"},
		{"cors-origins", "*", "every web page"},
		{"log-level", "INFO", "is not one of debug, info, warn, error"},
	}
	for _, tt := range tests {
		_, err := loadConfig("", []setting{{"--" + tt.key, tt.key, tt.text}}, nil, nil)
		if exitOf(err) != exitUsage || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "--"+tt.key) {
			t.Errorf("%s=%q: %v, want %q", tt.key, tt.text, err, tt.want)
		}
	}
}

func TestConfigAccepted(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct{ key, text string }{
		{"listen", "127.0.0.1:0"}, {"listen", "[::1]:9081"}, {"listen", "localhost:1"}, {"listen", "127.3.2.1:65535"},
		{"unix", "x.sock"}, {"timeout", "0"}, {"timeout", "0s"}, {"timeout", "1h2m"}, {"instances", "0"}, {"memory", "65536"},
		{"plugin-hosts", ""}, {"plugin-hosts", "https://a.test, http://10.0.0.1:8080/x"}, {"plugin-system", ""}, {"plugin-version", "v2.4.0-beta.1"},
	} {
		if _, err := loadConfig("", []setting{{"--" + tt.key, tt.key, tt.text}}, nil, nil); err != nil {
			t.Errorf("%s=%q: %v", tt.key, tt.text, err)
		}
	}
}

// TestConfigLists: a list is a text with commas, a yaml list, or a flag given again; the later source replaces the list
// of the earlier, and an empty one empties it.
func TestConfigLists(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "berth.yaml", "policy-hosts: [a.test, '*.b.test']\npolicy-addresses: 10.1.2.3/8, ::1\npolicy-paths:\n  - /srv/a b:ro\n  - /srv/c\n")
	l, err := loadConfig("", nil, nil, []string{"BERTH_POLICY_HOSTS=c.test"})
	if err != nil {
		t.Fatal(err)
	}
	p := l.config.policy()
	want := host.DefaultPolicy()
	want.Hosts, want.Paths = []string{"c.test"}, []string{"/srv/a b:ro", "/srv/c"}
	want.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("%+v, want %+v", p, want)
	}
	if l, err = loadConfig("", []setting{{"--policy-hosts", "policy-hosts", ""}}, nil, nil); err != nil || len(l.config.PolicyHosts) > 0 {
		t.Errorf("emptied: %q, %v", l.config.PolicyHosts, err)
	}
	_, stdout, stderr := berth(t, nil, "config", "--policy-hosts=x", "--policy-hosts=y, z", "--policy-clock=false", "--json")
	if !strings.Contains(stdout, `"policy-hosts": "x,y,z"`) || !strings.Contains(stdout, `"policy-clock": "false"`) {
		t.Errorf("%s%s", stdout, stderr)
	}
	writeFile(t, "berth.yaml", "policy-hosts: ['a,b']\npolicy-paths: [[/x]]\nlisten: [a]\n")
	_, err = loadConfig("", nil, nil, nil)
	for _, fault := range []string{"berth.yaml:1: policy-hosts: each entry", "berth.yaml:2: policy-paths: each entry", "berth.yaml:3: listen: one plain value"} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%v, want %q", err, fault)
		}
	}
}

func TestConfigFileMissing(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, environ := range map[string][]string{"flag": nil, "variable": {"BERTH_CONFIG=gone.yaml"}} {
		file := ""
		if environ == nil {
			file = "gone.yaml"
		}
		if _, err := loadConfig(file, nil, nil, environ); exitOf(err) != exitUsage || !strings.Contains(err.Error(), "gone.yaml") {
			t.Errorf("named by %s: %v", name, err)
		}
	}
}

// TestConfigPrinted prints a configuration in which every key has an unusual value and reads it back.
func TestConfigPrinted(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, _, stderr := berth(t, nil, "keygen", "-o", "a"); code != 0 {
		t.Fatal(stderr)
	}
	pki := newPKI(t, ".")
	pki.issue("host", false)
	writeFile(t, "keys/portal", rsaKey(t))
	args := []string{"config", "--listen=127.0.0.1:0", "--unix=a b #c.sock", "--unix-mode=0660", "--data=true", "--plugins=drop in", "--scripts=deny", "--script-timeout=3s", "--insecure", "--log-level=warn",
		"--log-format=json", "--budget=3000001", "--memory=128KiB", "--input=1B", "--output=3", "--timeout=0", "--instances=3",
		"--drain=1h", "--load-timeout=1h1m1s", "--download-limit=1MiB", "--unpacked-limit=2MB", "--file-limit=7",
		"--download-timeout=100ms", "--connections=9", "--batch-limit=1KiB", "--read-timeout=1s", "--upload-timeout=2s", "--restore-limit=3GiB", "--restore-timeout=9m", "--write-timeout=3s", "--idle-timeout=4s",
		"--shutdown-timeout=5s", "--figures=12", "--fuel=5000000000", "--calls=6", "--queue=7", "--queue-time=2s",
		"--policy-hosts=*.example.com", "--policy-hosts=api.test, *.test", "--policy-addresses=10.0.0.0/8,fd00::/8", "--policy-paths=/srv/a b:ro,/srv/c",
		"--policy-env=false", "--policy-config=false", "--policy-clock=false", "--policy-random=false",
		"--plugin-hosts=https://a.test,http://b.test/x", "--plugin-version=2.3.1", "--plugin-system=alpine",
		"--download-schemes=https,file", "--download-hosts=*.example.com,10.0.0.1", "--download-addresses=10.0.0.0/8", "--signatures=warn", "--signature-keys=a.pub.pem"}
	args = append(args, "--tokens=ci:read+invoke:"+aDigest, "--tokens=ops:manage:"+anotherDigest, "--jwt-keys=keys",
		"--tls-cert=host.pem", "--tls-key=host.key", "--tls-client-ca=ca.pem", "--cors-origins=https://UI.test:443,http://10.0.0.7:8080")
	code, stdout, stderr := berth(t, nil, args...)
	if code != 0 {
		t.Fatal(stderr)
	}
	writeFile(t, "berth.yaml", stdout)
	l, err := loadConfig("", nil, nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	defaults := defaultConfig()
	byDefault := defaults.texts()
	for _, o := range l.config.options() {
		if l.origin[o.name] == "" {
			t.Errorf("%s is not in it", o.name)
		}
		if o.value.String() == byDefault[o.name] {
			t.Errorf("%s has its default: the test should set it", o.name)
		}
		if !strings.Contains(stdout, "\n# Set by --"+o.name+".\n") {
			t.Errorf("%s: it does not say what set it", o.name)
		}
	}
	_, again, _ := berth(t, nil, "config")
	strip := func(text string) (lines []string) {
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "# Set by") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	if strings.Join(strip(stdout), "") != strings.Join(strip(again), "") {
		t.Errorf("printed, read and printed:\n%s", again)
	}
}

// TestConfigPrintedDefaults reads back what is printed where nothing is set: empty values too.
func TestConfigPrintedDefaults(t *testing.T) {
	t.Chdir(t.TempDir())
	_, stdout, stderr := berth(t, nil, "config")
	writeFile(t, "berth.yaml", stdout)
	l, err := loadConfig("", nil, nil, nil)
	defaults := defaultConfig()
	if err != nil || !reflect.DeepEqual(l.config.texts(), defaults.texts()) {
		t.Errorf("%v%s\n%s", err, stderr, stdout)
	}
}

// TestConfigDocumented holds every field to a comment, an option, and a line in the help.
func TestConfigDocumented(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	_, help, _ := berth(t, nil, "serve", "--help")
	var c config
	named := map[string]string{}
	for _, o := range c.options() {
		named[strings.ReplaceAll(o.name, "-", "")] = o.name
	}
	fields := 0
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "config" {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			name := field.Names[0].Name
			key := named[strings.ToLower(name)]
			fields++
			if !strings.HasPrefix(field.Doc.Text(), name+" ") {
				t.Errorf("%s: its comment does not begin with it", name)
			}
			if key == "" || !strings.Contains(help, "--"+key+" ") {
				t.Errorf("%s: no key or no line in the help", name)
			}
		}
		return false
	})
	if fields != len(named) {
		t.Errorf("%d fields, %d keys", fields, len(named))
	}
}

func TestLimits(t *testing.T) {
	c := defaultConfig()
	if l := c.limits(); l.Instances < 4 || l.Memory != 64<<20 || l.Timeout != 5*time.Second {
		t.Errorf("%+v", l)
	}
}

func TestEditDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"lisen", "listen", 1}, {"kitten", "sitting", 3}, {"", "ab", 2}} {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: %d", tt.a, tt.b, got)
		}
	}
}

func FuzzConfigFile(f *testing.F) {
	f.Add("listen: 127.0.0.1:0\n")
	f.Add("a: &x [1]\nb: *x\n<<: {c: d}\n? [k]\n: v\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "berth.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadConfig(path, nil, nil, nil); err != nil && exitOf(err) != exitUsage {
			t.Errorf("%v", err)
		}
	})
}

func TestCancelledRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	code := run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--config", os.DevNull}, nil, strings.NewReader(""), &out, &errOut)
	if code != 0 {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
}
