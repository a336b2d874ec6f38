package portable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berth/host"
	"berth/host/elfinfo"
)

// firstLine is how many bytes of a script Linux reads to find its interpreter.
const firstLine = 256

// check refuses an executable that could not be started. Whether it has to be
// started by itself is a matter of the language: Python programs are read by the
// interpreter. What the bytes of programs mean is known of Linux's only.
func (e *Engine) check(p *host.Package, executable string) error {
	path := p.Path(executable)
	stat, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !stat.Mode().IsRegular():
		return host.Fail(host.CodeInvalid, "%s is no regular file", executable)
	case p.Manifest.Language == "python":
		return nil
	case stat.Mode().Perm()&0o111 == 0:
		return host.Fail(host.CodeInvalid, "the file %s in the zip has no execute bit: chmod +x %[1]s before zipping", executable)
	case e.target.OS != "linux":
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := elfinfo.Read(f, stat.Size())
	var unreadable *fs.PathError
	switch {
	case errors.As(err, &unreadable):
		return err
	case errors.Is(err, elfinfo.ErrFormat):
		return e.checkScript(f, p, executable, err)
	case err != nil:
		return host.Fail(host.CodeInvalid, "%s is no program (ELF): %w; %s", executable, err, e.advice(p))
	}
	return e.checkProgram(info, p, executable)
}

func (e *Engine) checkProgram(info elfinfo.Info, p *host.Package, executable string) error {
	switch {
	case info.Target != e.target:
		return host.Fail(host.CodeInvalid, "%s is built for %s, this host is %s: %s", executable, info.Target, e.target, e.advice(p))
	case info.Form == elfinfo.Other, info.Form == elfinfo.Shared && info.Interpreter == "":
		return host.Fail(host.CodeInvalid, "%s is an object file or a library, not a program: %s", executable, e.advice(p))
	case missing(info.Interpreter):
		return host.Fail(host.CodeInvalid, "%s needs the dynamic linker %s, which this host does not have: link it statically (with Go: CGO_ENABLED=0), or for this host's C library",
			executable, clip(info.Interpreter))
	}
	return nil
}

// checkScript refuses a file that is no program, unless it is a script whose
// interpreter is there. notELF says what else it seems to be.
func (e *Engine) checkScript(f *os.File, p *host.Package, executable string, notELF error) error {
	head, err := io.ReadAll(io.NewSectionReader(f, 0, firstLine))
	if err != nil {
		return err
	}
	line, ok := strings.CutPrefix(string(head), "#!")
	if !ok {
		return host.Fail(host.CodeInvalid, "%s is neither a program (ELF) nor a script that begins with #!: %w; %s", executable, notELF, e.advice(p))
	}
	line, _, _ = strings.Cut(line, "\n")
	if strings.HasSuffix(line, "\r") {
		return host.Fail(host.CodeInvalid, "the lines of the script %s end as on Windows, so that its interpreter is not found: end them with a line feed alone", executable)
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return host.Fail(host.CodeInvalid, "the first line of the script %s names no interpreter: #!/bin/sh, for one", executable)
	}
	if missing(words[0]) {
		return host.Fail(host.CodeInvalid, "the script %s needs %q, which this host does not have: install it, or name another interpreter in its first line", executable, words[0])
	}
	return nil
}

// missing tells whether a file that a program needs is not there. A relative
// path, which would be the program's own matter, is not looked at.
func missing(path string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	_, err := os.Stat(path)
	return err != nil
}

// advice is how to build a program for this host.
func (e *Engine) advice(p *host.Package) string {
	if p.Manifest.Language == "go" {
		return fmt.Sprintf("build it with GOOS=%s GOARCH=%s go build", e.target.OS, e.target.Arch)
	}
	return "build it for " + e.target.String()
}
