package native

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"berth/host"
	"berth/host/elfinfo"
)

// choose returns the file of the build that is meant for this host: the one in
// the folder of its target, else the plain one. linux-arm is the folder of all
// versions of ARM: neither its name nor the file's header tells GOARM 5, 6 and 7
// apart, so a build for a later one is found out when it runs.
func (e *Engine) choose(p *host.Package) (file string, err error) {
	switch p.Kind {
	case host.Functions, host.Sources, host.Sinks:
	default:
		return "", host.Fail(host.CodeInvalid, "%w as a shared object: plugins of kind %s have none", host.ErrNoBuild, p.Kind)
	}
	builds := p.Native()
	if len(builds) == 0 {
		return "", host.Fail(host.CodeInvalid, "%w as a shared object: the package has neither %s.so nor %s/%[2]s.so",
			host.ErrNoBuild, host.Exported(p.Name), e.target.Folder())
	}
	if e.target.OS != "linux" {
		return "", host.Fail(host.CodeInvalid, "native builds run on Linux, this host is %s: add a .wasm build to the package", e.target)
	}
	var own, plain []string
	for _, build := range builds {
		switch folder, _, nested := strings.Cut(build, "/"); {
		case !nested:
			plain = append(plain, build)
		case folder == e.target.Folder():
			own = append(own, build)
		}
	}
	if len(own) == 0 {
		own = plain
	}
	switch len(own) {
	case 1:
		return own[0], nil
	case 0:
		return "", host.Fail(host.CodeInvalid, "no native build in the package is for this host, %s, but %s: build one with %s, and put it into %s/",
			e.target, list(builds), e.command(), e.target.Folder())
	}
	return "", host.Fail(host.CodeInvalid, "several native builds in the package may be meant for this host, %s: %s: leave one", e.target, list(own))
}

// check refuses a build that cannot be loaded into this process.
func (e *Engine) check(p *host.Package, file string) error {
	info, err := read(p.Path(file))
	var unreadable *fs.PathError
	switch {
	case errors.As(err, &unreadable):
		return err
	case err != nil:
		return host.Fail(host.CodeInvalid, "%s is no shared object (ELF): %w; build it with %s", file, err, e.command())
	case info.Target != e.target:
		return host.Fail(host.CodeInvalid, "%s is built for %s, this host is %s: build it with %s%s",
			file, info.Target, e.target, e.command(), elsewhere(p.Name, file, info.Target))
	case info.Form == elfinfo.Program:
		return host.Fail(host.CodeInvalid, "%s is a program, not a shared object: build it with %s", file, e.command())
	case info.Form != elfinfo.Shared:
		return host.Fail(host.CodeInvalid, "%s is an object file or a core dump, not a shared object: build it with %s", file, e.command())
	}
	return nil
}

// elsewhere tells where in a package a build for another target belongs, if there
// is such a place.
func elsewhere(plugin, file string, target elfinfo.Target) string {
	folder := target.Folder() + "/"
	if _, ok := host.NativeBuild(plugin, folder+path.Base(file)); !ok {
		return ""
	}
	return ", or put it into " + folder
}

// read reads what a build is; what is not a regular file is not opened.
func read(path string) (elfinfo.Info, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return elfinfo.Info{}, err
	}
	if !stat.Mode().IsRegular() {
		return elfinfo.Info{}, errors.New("it is no regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return elfinfo.Info{}, err
	}
	defer f.Close()
	return elfinfo.Read(f, stat.Size())
}

// command is how a Go plugin for this host is built.
func (e *Engine) command() string {
	return fmt.Sprintf("GOOS=%s GOARCH=%s go build -buildmode=plugin", e.target.OS, e.target.Arch)
}

// list writes a list of files that may be long as one that is not.
func list(files []string) string {
	const most = 5
	if len(files) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(files[:most], ", "), len(files)-most)
	}
	return strings.Join(files, ", ")
}
