package host_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"berth/host"
)

// killVersions is how many versions of everything the crash test has.
const killVersions = 4

// killParas are what the scripts of the crash test may be called with.
var killParas = []string{"left", "right"}

// killSubject is something that the crash test changes: a plugin, or an uploaded
// file.
type killSubject struct {
	number int
	kind   host.Kind
	form   killForm
	dropIn bool // it comes from the drop-in folder, and never by a request
	script bool // its package has an install.sh
	etc    bool // its package has an etc/
	upload bool // it is a file
}

// killForm is how a plugin is built.
type killForm int

const (
	killWasm killForm = iota
	killNative
	killProgram
)

// killSubjects are plugins of every kind, in every form, by every way in.
func killSubjects() []killSubject {
	subjects := []killSubject{
		{kind: host.Functions, form: killWasm, script: true},
		{kind: host.Functions, form: killWasm, etc: true},
		{kind: host.Functions, form: killNative},
		{kind: host.Sources, form: killNative, etc: true},
		{kind: host.Sinks, form: killNative, script: true, etc: true},
		{kind: host.Portables, form: killProgram, script: true},
		{kind: host.Portables, form: killWasm},
		{kind: host.Wasm, form: killWasm},
		{kind: host.Functions, form: killWasm, dropIn: true},
		{kind: host.Sources, form: killNative, dropIn: true},
		{kind: host.Wasm, form: killWasm, dropIn: true, etc: true},
		{kind: host.Portables, form: killProgram, dropIn: true},
		{upload: true},
		{upload: true},
	}
	for i := range subjects {
		subjects[i].number = i
	}
	return subjects
}

func (s killSubject) String() string {
	if s.upload {
		return "uploads/" + s.name()
	}
	return s.kind.String() + "/" + s.name()
}

func (s killSubject) name() string { return "p" + strconv.Itoa(s.number) }

// functions are the plugin's functions: its first, and with extra its second.
func (s killSubject) functions(extra bool) []string {
	switch {
	case !s.hasFunctions():
		return nil
	case extra:
		return []string{"f" + s.name(), "g" + s.name()}
	}
	return []string{"f" + s.name()}
}

func (s killSubject) hasFunctions() bool { return s.kind != host.Sources && s.kind != host.Sinks }

// answer is what the functions of a version give.
func (s killSubject) answer(version int) int { return 100*s.number + version }

// files are a version's, object being a shared object. The name of one that is
// executable ends in "*".
func (s killSubject) files(version int, object string) files {
	name, v := s.name(), strconv.Itoa(version)
	f := files{}
	manifest := `{"version":"` + v + `"}`
	switch {
	case s.form == killNative:
		f[host.Exported(name)+".so"] = object
	case s.form == killWasm:
		f[name+".wasm"] = constant(int32(s.answer(version)), s.functions(true)...)
	default:
		f["bin/run*"] = "#!/bin/sh\n# " + v + "\n"
	}
	if s.kind == host.Portables {
		runs := fmt.Sprintf(`"language":"wasm","executable":"%s.wasm"`, name)
		if s.form == killProgram {
			runs = `"language":"exec","executable":"bin/run","sources":["x"]`
			f["sources/x.yaml"] = "version: " + v
		}
		manifest = fmt.Sprintf(`{"version":%q,"functions":["f%s","g%s"],%s}`, v, name, name, runs)
	}
	if s.kind == host.Sources {
		f[name+".yaml"] = "version: " + v
	}
	if !s.flat() {
		f[name+".json"] = manifest
		f["data"] = strings.Repeat(v, 5000)
	}
	if s.script {
		f["install.sh*"] = "echo $1 > made && mkdir sub && echo $1 > sub/made"
	}
	if s.etc {
		f["etc/a.yaml"] = "a: " + v
		if version%2 == 0 { // a file in one version, a folder in the next
			f["etc/sub"] = "sub: " + v
		} else {
			f["etc/sub/b.yaml"] = "b: " + v
		}
		if version > 2 {
			f["etc/more.yaml"] = "more: " + v
		}
	}
	return f
}

// flat tells a plugin that lies in the drop-in folder among others.
func (s killSubject) flat() bool {
	return s.dropIn && s.kind != host.Portables && s.kind != host.Wasm
}

// flatFiles are the names of the files of one that is flat.
func (s killSubject) flatFiles() []string {
	return slices.Sorted(maps.Keys(s.files(1, "")))
}

// installed are the files of an installed version: what the package has, and what
// its script made.
func (s killSubject) installed(state killState, object string) files {
	f := s.files(state.Version, object)
	if s.script {
		f["made"], f["sub/made"] = state.Paras+"\n", state.Paras+"\n"
	}
	return f
}

// configuration are the files that are to lie in data/etc/<kind>/<name>/.
func (s killSubject) configuration(version int) files {
	f := files{}
	for name, text := range s.files(version, "") {
		if rest, ok := strings.CutPrefix(name, "etc/"); ok {
			f[rest] = text
		}
	}
	return f
}

// content is that of an upload.
func (s killSubject) content(version int) string {
	return strings.Repeat(fmt.Sprintf("%s-%d ", s.name(), version), 3000)
}

// treeOf reads the files below a folder, none if it is not there; the names of
// executable ones end in "*".
func treeOf(dir string) (files, error) {
	f := files{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		if info.Mode()&0o111 != 0 {
			name += "*"
		}
		f[filepath.ToSlash(name)] = string(data)
		return err
	})
	return f, err
}
