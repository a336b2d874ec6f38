package catalog

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"berth/host"
)

// place is where the indexes of these tests were found.
const place = "https://host.test/kuiper-plugins/2.4.0/debian/functions/index.json"

func base(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse(place)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestIndexForms(t *testing.T) {
	folder := strings.TrimSuffix(place, IndexFile)
	for _, tt := range []struct {
		text string
		want map[string]string
	}{
		{`[]`, map[string]string{}},
		{`{"plugins":[]}`, map[string]string{}},
		{`["echo","geo_hash"]`, map[string]string{"echo": folder + "echo_arm64.zip", "geo_hash": folder + "geo_hash_arm64.zip"}},
		{`{"plugins":["echo"]}`, map[string]string{"echo": folder + "echo_arm64.zip"}},
		{` {"made":{"by":["x"]},"plugins":[{"name":"echo","version":"1.0.0","file":"e.zip","sha256":"x","new":{}}],"x":1} `,
			map[string]string{"echo": folder + "e.zip"}},
		{`[{"name":"echo","file":"a/b.zip"},{"name":"up","file":"../up.zip"},{"name":"root","file":"/r.zip"},{"name":"cdn","file":"//cdn.test/c.zip"},
			{"name":"other","file":"https://other.test/o.zip?v=1&f=o.zip"}]`,
			map[string]string{"echo": folder + "a/b.zip", "up": "https://host.test/kuiper-plugins/2.4.0/debian/up.zip", "root": "https://host.test/r.zip",
				"cdn": "https://cdn.test/c.zip", "other": "https://other.test/o.zip?v=1&f=o.zip"}},
		// The machine's architecture, then what is for all, then the first.
		{`[{"name":"a","file":"all.zip"},{"name":"a","arch":"amd64","file":"amd64.zip"},{"name":"a","arch":"arm64","file":"arm64.zip"},{"name":"a","arch":"arm64","file":"2.zip"}]`,
			map[string]string{"a": folder + "arm64.zip"}},
		{`[{"name":"a","arch":"arm64","file":"arm64.zip"},{"name":"a","file":"all.zip"},{"name":"b","arch":"amd64"},{"name":"c","file":"1.zip"},{"name":"c","file":"2.zip"}]`,
			map[string]string{"a": folder + "arm64.zip", "c": folder + "1.zip"}},
	} {
		index, err := ParseIndex([]byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		got, faults := index.Offers(base(t), "arm64")
		if len(faults) > 0 || !maps.Equal(got, tt.want) {
			t.Errorf("%s:\n got %v %v\nwant %v", tt.text, got, faults, tt.want)
		}
	}
}

func TestIndexRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "EOF",
		"<!DOCTYPE html>":                 "invalid character",
		"null":                            "neither an object nor a list",
		`"echo"`:                          "neither an object nor a list",
		"17":                              "neither an object nor a list",
		"{}":                              `no "plugins"`,
		`{"error":"not found"}`:           `no "plugins"`,
		`{"plugins":{"echo":"echo.zip"}}`: "no list",
		`{"plugins":null}`:                "no list",
		`{"plugins":[],"plugins":["a"]}`:  "twice",
		`{"plugins":[`:                    "EOF",
		`["a"`:                            "EOF",
		`["a"] ["b"]`:                     "more follows",
		`[1]`:                             "neither a name nor an object",
		`[null]`:                          "neither a name nor an object",
		`[["a"]]`:                         "neither a name nor an object",
		`[{"name":1}]`:                    "cannot unmarshal",
		"[" + strings.Repeat(`"a",`, MaxEntries) + `"a"]`: "more than 4096 packages",
		`["` + strings.Repeat("a", MaxIndex) + `"]`:       "at most 1048576",
		strings.Repeat("[", 100_000):                      "depth",
		`{"x":` + strings.Repeat("[", 100_000):            "depth",
	} {
		index, err := ParseIndex([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || len(index.Plugins) > 0 {
			t.Errorf("%.50s: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseIndex([]byte("[" + strings.Repeat(`"a",`, MaxEntries-1) + `"a"]`)); err != nil {
		t.Errorf("as many as there may be: %v", err)
	}
}

// TestIndexEntries: one bad entry is left out, the others stay.
func TestIndexEntries(t *testing.T) {
	for entry, want := range map[string]string{
		`""`:                            "id cannot be empty",
		`{}`:                            "id cannot be empty",
		`"a b"`:                         "invalid characters",
		`"../up"`:                       "invalid characters",
		`"a\u0000"`:                     "invalid characters",
		`" a"`:                          "whitespace",
		`{"file":"x.zip"}`:              "id cannot be empty",
		`{"name":"a","file":"x.exe"}`:   "has to end in .zip",
		`{"name":"a","file":"x.zip#y"}`: "has to end in .zip",
		`{"name":"a","file":"x.zip?y"}`: "has to end in .zip",
		`{"name":"a","file":"http://[::1/x.zip"}`:                        "is no URL",
		`{"name":"a","file":"x.zip? y.zip"}`:                             "have to be escaped",
		`{"name":"a","file":"x.zip?ä.zip"}`:                              "have to be escaped",
		`{"name":"a","file":"x\n.zip"}`:                                  "is no URL",
		`{"name":"a","file":"file:///etc/x.zip"}`:                        `scheme "file"`,
		`{"name":"a","file":"javascript:alert(1).zip"}`:                  `scheme "javascript"`,
		`{"name":"a","file":"http://host.test/x.zip"}`:                   "from https to http",
		`{"name":"a","file":"https://u:p@h.test/x.zip"}`:                 "user or password",
		`{"name":"a","file":"https:///x.zip"}`:                           "not the URL of a zip",
		`"` + strings.Repeat("a", 129) + `"`:                             "longer than 128",
		`{"name":"a","file":"` + strings.Repeat("a", maxFile) + `.zip"}`: "longer than 2048",
	} {
		index, err := ParseIndex([]byte(`["first",` + entry + `,"last"]`))
		if err != nil {
			t.Errorf("%s: %v", entry, err)
			continue
		}
		got, faults := index.Offers(base(t), "amd64")
		if len(faults) != 1 || !strings.Contains(faults[0].Error(), want) || len(faults[0].Error()) > 400 {
			t.Errorf("%s: %v, want %q", entry, faults, want)
		}
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"first", "last"}) {
			t.Errorf("%s: %v is left", entry, names)
		}
	}
}

func TestIndexEncode(t *testing.T) {
	x := Index{[]Entry{
		{Name: "b", File: "b.zip"},
		{Name: "a", Version: "1.0.0", Arch: "arm64", File: "a_arm64.zip", SHA256: "00ff"},
		{Name: "a", Version: "<1>", Arch: "amd64", File: "a_amd64.zip", SHA256: "ff00"},
	}}
	const want = `{
  "plugins": [
    {
      "name": "a",
      "version": "<1>",
      "arch": "amd64",
      "file": "a_amd64.zip",
      "sha256": "ff00"
    },
    {
      "name": "a",
      "version": "1.0.0",
      "arch": "arm64",
      "file": "a_arm64.zip",
      "sha256": "00ff"
    },
    {
      "name": "b",
      "file": "b.zip"
    }
  ]
}
`
	got, err := x.Encode()
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if x.Plugins[0].Name != "b" {
		t.Error("Encode sorted the caller's list")
	}
	if again, err := ParseIndex(got); err != nil || len(again.Plugins) != 3 || again.Plugins[0] != x.Plugins[2] {
		t.Errorf("%+v, %v", again, err)
	}
	if empty, err := (Index{}).Encode(); err != nil || string(empty) != "{\n  \"plugins\": []\n}\n" {
		t.Errorf("%q, %v", empty, err)
	}
	for _, bad := range []Index{{[]Entry{{Name: "a b"}}}, {[]Entry{{Name: "a", File: "a"}}}, {make([]Entry, MaxEntries+1)}} {
		if _, err := bad.Encode(); err == nil {
			t.Errorf("%.100v was written", bad)
		}
	}
}

func TestPackageFile(t *testing.T) {
	for _, tt := range []struct {
		file, name, arch string
		ok               bool
	}{
		{"echo_amd64.zip", "echo", "amd64", true},
		{"my_echo_arm.zip", "my_echo", "arm", true},
		{"my_echo.zip", "my_echo", "", true},
		{"echo.zip", "echo", "", true},
		{"amd64.zip", "amd64", "", true},
		{"_amd64.zip", "_amd64", "", true},
		{"echo_AMD64.zip", "echo_AMD64", "", true},
		{"echo.zip.sig", "", "", false},
		{"index.json", "", "", false},
	} {
		name, arch, ok := SplitPackageFile(tt.file)
		if ok != tt.ok || ok && (name != tt.name || arch != tt.arch) {
			t.Errorf("%s: %q %q %v", tt.file, name, arch, ok)
		}
		if ok && PackageFile(name, arch) != tt.file {
			t.Errorf("%s became %s", tt.file, PackageFile(name, arch))
		}
	}
}

// FuzzIndex: whatever a host sends, what is offered are names of plugins and URLs that a host downloads.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"plugins":[{"name":"echo","arch":"amd64","file":"echo_amd64.zip"},"geohash"]}`))
	f.Add([]byte(`[{"name":"a","file":"//u@h/x.zip"},{"name":"b","file":"http://h/x.zip?y.zip"},{"name":"c","file":"%2e%2e/x.zip"}]`))
	f.Add([]byte(`{"x":[{}],"plugins":["a","b",{"name":"c","file":"\u0000"}]} `))
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := ParseIndex(data)
		if err != nil {
			return
		}
		if len(index.Plugins) > MaxEntries {
			t.Fatalf("%d entries", len(index.Plugins))
		}
		offers, faults := index.Offers(base(t), "amd64")
		if len(offers)+len(faults) > len(index.Plugins) {
			t.Errorf("%d offers and %d faults of %d entries", len(offers), len(faults), len(index.Plugins))
		}
		for name, address := range offers {
			u, err := url.Parse(address)
			if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || !strings.HasSuffix(address, ".zip") {
				t.Errorf("%q: %q, %v", name, address, err)
			}
			if err := host.CheckName(name); err != nil {
				t.Error(err)
			}
			if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
				t.Errorf("%q has blanks or control characters", address)
			}
		}
		if encoded, err := index.Encode(); err == nil {
			again, err := ParseIndex(encoded)
			if err != nil || len(again.Plugins) != len(index.Plugins) {
				t.Errorf("%v: what was written is not what is read: %s", err, encoded)
			}
			if more, faults := again.Offers(base(t), "amd64"); len(faults) > 0 || fmt.Sprint(more) != fmt.Sprint(offers) {
				t.Errorf("%v %v, after writing and reading %v", offers, faults, more)
			}
		}
	})
}
