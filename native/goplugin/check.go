package goplugin

import (
	"debug/buildinfo"
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

// ErrNotPlugin is what the error of Check is, by errors.Is, for a file that is no
// Go plugin at all: it may be a library of another language.
var ErrNotPlugin = errors.New("no Go plugin")

const (
	// maxRead bounds how much of a file is read for its build information, in
	// bytes; a read counts as least bytes at least.
	maxRead = 64 << 20
	least   = 1 << 10
	// command is how a plugin that fits is built.
	command = "berth build-plugin <folder>"
)

// Check tells whether a file is a Go plugin that this host can load, by its
// build information: none of its code is run. What it accepts may still fail to
// load: not all that the runtime compares is written there.
//
// # Errors
//
// CodeInvalid: ErrNotPlugin, or what the plugin has, what the host has, and how
// to build it. The error of the file system as it is.
func Check(path string) error {
	b, err := HostBuild()
	if err != nil {
		return err
	}
	libc, err := hostLibc()
	if err != nil {
		return err
	}
	return check(path, b, libc)
}

// check is Check for another host.
func check(path string, b Build, libc elfinfo.Libc) error {
	name := filepath.Base(path)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return host.Fail(host.CodeInvalid, "%s is %w: it is no regular file", name, ErrNotPlugin)
	}
	plugin, err := ReadBuild(f)
	if err != nil {
		return host.Fail(host.CodeInvalid, "%s is %w: %w", name, ErrNotPlugin, err)
	}
	if plugin.Mode != "plugin" {
		return host.Fail(host.CodeInvalid, "%s is %w: it was built with -buildmode=%s; build it with %s", name, ErrNotPlugin, plugin.Mode, command)
	}
	differences := b.differences(plugin)
	if own, err := elfinfo.ReadLibc(f, info.Size()); err == nil && own != libc && own != elfinfo.NoLibc && libc != elfinfo.NoLibc {
		differences = append(differences, differs("C library", own.String(), libc.String()))
	}
	if len(differences) == 0 {
		return nil
	}
	return host.Fail(host.CodeInvalid, "%s does not fit this host: %s; build it with %s", name, strings.Join(differences, "; "), command)
}

// ReadBuild reads how a Go program or plugin was built. It reads at most 64 MiB
// of it.
func ReadBuild(r io.ReaderAt) (Build, error) {
	info, err := buildinfo.Read(&bounded{r: r, left: maxRead})
	if err != nil {
		return Build{}, err
	}
	return buildOf(info), nil
}

// bounded is a reader of a file that may claim anything: it fails when a number
// of bytes was asked for, whether they were there or not. It is for one goroutine.
type bounded struct {
	r    io.ReaderAt
	left int
}

var errTooMuch = fmt.Errorf("no build information in its first %s", host.Bytes(maxRead))

// ReadAt implements io.ReaderAt.
func (b *bounded) ReadAt(p []byte, offset int64) (int, error) {
	if max(len(p), least) > b.left {
		return 0, errTooMuch
	}
	b.left -= max(len(p), least)
	return b.r.ReadAt(p, offset)
}

// maxDifferences is how many modules of other versions are named.
const maxDifferences = 8

// differences are what keeps a plugin from fitting, in words.
func (b Build) differences(plugin Build) (list []string) {
	if plugin.Go != b.Go {
		list = append(list, differs("Go version", plugin.Go, b.Go))
	}
	for _, name := range matching() {
		if has, want := plugin.Settings[name], b.Settings[name]; has != want {
			list = append(list, differs(name, setting(has), setting(want)))
		}
	}
	modules := 0
	for _, m := range plugin.Modules {
		own, both := b.Module(m.Path)
		if !both || own.Version == m.Version && (own.Sum == m.Sum || own.Sum == "" || m.Sum == "") {
			continue
		}
		if modules++; modules > maxDifferences {
			continue
		}
		has, want := m.Version, own.Version
		if has == want {
			has, want = has+" with sum "+m.Sum, want+" with sum "+own.Sum
		}
		list = append(list, differs("module "+m.Path, has, want))
	}
	if modules > maxDifferences {
		list = append(list, fmt.Sprintf("%d more modules", modules-maxDifferences))
	}
	return list
}

func differs(what, plugin, own string) string {
	return fmt.Sprintf("%s: the plugin has %s, the host has %s", what, clip(plugin), own)
}

func setting(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

// clip shortens what a file claims, and makes it printable.
func clip(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.Trim(fmt.Sprintf("%q", text), `"`)
}

// hostLibc is the C library that the running program was linked with.
func hostLibc() (elfinfo.Libc, error) {
	const self = "/proc/self/exe" // also when the file was replaced
	f, err := os.Open(self)
	if errors.Is(err, fs.ErrNotExist) {
		return elfinfo.NoLibc, nil // no Linux, or no /proc
	}
	if err != nil {
		return elfinfo.NoLibc, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return elfinfo.NoLibc, err
	}
	libc, err := elfinfo.ReadLibc(f, info.Size())
	if errors.Is(err, elfinfo.ErrFormat) {
		return elfinfo.NoLibc, nil
	}
	return libc, err
}
