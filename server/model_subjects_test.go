package server_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

// form is how a plugin of the model is built.
type form int

const (
	formWasm form = iota
	formNative
	formProgram
)

// subject is a plugin that the clients of the model deal with.
type subject struct {
	number int
	kind   host.Kind
	name   string
	form   form
	folder bool // it may also lie in the drop-in folder
}

// subjects are plugins of every kind and form. Names are shared by kinds, and
// function names by all.
func subjects() []subject {
	all := []subject{
		{kind: host.Functions, name: "one"},
		{kind: host.Functions, name: "two"},
		{kind: host.Functions, name: "nat", form: formNative},
		{kind: host.Functions, name: "both", folder: true},
		{kind: host.Functions, name: "too", folder: true},
		{kind: host.Sources, name: "one", form: formNative},
		{kind: host.Sinks, name: "one", form: formNative},
		{kind: host.Portables, name: "one"},
		{kind: host.Portables, name: "prog", form: formProgram},
		{kind: host.Wasm, name: "one"},
	}
	for i := range all {
		all[i].number = i
	}
	return all
}

func (s subject) String() string { return s.kind.String() + "/" + s.name }

// path is the plugin's, in requests.
func (s subject) path() string { return "/plugins/" + s.String() }

// own is the function that no other plugin has.
func (s subject) own() string { return "own" + strconv.Itoa(s.number) }

func (s subject) hasFunctions() bool { return s.kind != host.Sources && s.kind != host.Sinks }

// shared are the functions that plugins may take from one another.
func shared() []string { return []string{"s1", "s2", "s3"} }

const modelVersions = 3

// declared are the functions that a version has if a request names none.
func (s subject) declared(version int) []string {
	if !s.hasFunctions() {
		return nil
	}
	return append([]string{s.own()}, [...][]string{nil, nil, {"s1"}, {"s2", "s3"}}[version]...)
}

// exported are the functions that a build for the sandbox has, dropped those of one
// in the drop-in folder.
func (s subject) exported() []string { return append([]string{s.own()}, shared()...) }
func (s subject) dropped() []string  { return []string{s.own(), "s1"} }

// result is what the functions of a version give.
func (s subject) result(version int) int { return 10*s.number + version }

// subjectOf is the plugin of a result.
func subjectOf(result int) (number, version int) { return result / 10, result % 10 }

// files are those of a version. The name of one that is executable ends in "*".
func (s subject) files(version int, object string) map[string]string {
	f := map[string]string{}
	manifest := fmt.Sprintf(`"version":"%d"`, version)
	if functions := s.declared(version); functions != nil {
		manifest += `,"functions":["` + strings.Join(functions, `","`) + `"]`
	}
	switch s.form {
	case formWasm:
		f[s.name+".wasm"] = string(enginetest.Constant(int32(s.result(version)), s.exported()...))
	case formNative:
		f[host.Exported(s.name)+".so"] = object
	}
	switch {
	case s.kind == host.Sources:
		f[s.name+".yaml"] = "default: {}"
	case s.form == formProgram:
		manifest += `,"language":"exec","executable":"run"`
		f["run*"] = "#!/bin/sh\n"
	case s.kind == host.Portables:
		manifest += `,"language":"wasm","executable":"` + s.name + `.wasm"`
	}
	f[s.name+".json"] = "{" + manifest + "}"
	return f
}

// dropIn is the build that a version has in the drop-in folder.
func (s subject) dropIn(version int) []byte {
	return enginetest.Constant(int32(s.result(version)), s.dropped()...)
}

// pack makes a zip of files whose names may end in "*".
func pack(f map[string]string) []byte {
	data, err := enginetest.Zip(f)
	if err != nil {
		panic(err)
	}
	return data
}

// parcel is a zip that requests name or carry.
type parcel struct {
	uri     string
	data    []byte // nil: there is none at the uri
	digest  string
	version int    // 0: it cannot be installed
	fault   string // what its refusal says behind eKuiper's words
}

func hexDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// droppedDigest is the digest that the host gives a plugin of one file in the
// drop-in folder.
func droppedDigest(file string, data []byte) string {
	return hexDigest(fmt.Appendf(nil, "%q %s\n", file, hexDigest(data)))
}

// parcels are the zips of a plugin, good ones first, as many as there are
// versions. They are saved in dir.
func (s subject) parcels(t testing.TB, dir, object string) (all []parcel) {
	t.Helper()
	save := func(name string, p parcel) {
		path := filepath.Join(dir, fmt.Sprintf("%v-%s-%s.zip", s.kind, s.name, name))
		p.uri, p.digest = "file://"+path, hexDigest(p.data)
		if p.data != nil {
			if err := os.WriteFile(path, p.data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, p)
	}
	for version := 1; version <= modelVersions; version++ {
		save(strconv.Itoa(version), parcel{data: pack(s.files(version, object)), version: version})
	}
	with := func(name, text string) []byte {
		f := s.files(1, object)
		f[name] = text
		return pack(f)
	}
	save("nozip", parcel{data: []byte("no zip"), fault: "fail to install plugin: zip: not a valid zip file"})
	save("nobuild", parcel{data: pack(map[string]string{"README": ""}), fault: "fail to install plugin: "})
	save("nomanifest", parcel{data: with(s.name+".json", "{"), fault: "fail to install plugin: manifest " + s.name + ".json: "})
	save("script", parcel{data: with("install.sh", "echo no luck; exit 3"), fault: "fail to install plugin: exit status 3: install.sh failed; its output ended with: no luck"})
	save("absent", parcel{fault: "fail to download file file://"})
	all = append(all, parcel{uri: "nowhere", fault: "invalid uri nowhere"})
	return all
}
