package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"berth/native/goplugin"
)

// goEnv is what the go command says of itself.
type goEnv struct{ GOVERSION, GOMOD, CC, GONOSUMDB string }

// compile builds the files as the plugin out.
func (b *pluginBuild) compile(ctx context.Context, files []string, out string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return fail(exitFailure, "there is no go command: install %s, from https://go.dev/dl, and put it on the PATH", b.host.Go)
	}
	var env goEnv
	text, err := b.goCommand(ctx, b.dir, nil, "env", "-json", "GOVERSION", "GOMOD", "CC", "GONOSUMDB")
	if err == nil {
		err = json.Unmarshal(text, &env)
	}
	if err != nil {
		return err
	}
	if env.GOVERSION != b.host.Go {
		return fail(exitRefused, "the go command is of %s, and this berth was built with %s, which plugins have to be built with: install it, or set GOTOOLCHAIN=%[2]s", env.GOVERSION, b.host.Go)
	}
	if compiler, _, _ := strings.Cut(env.CC, " "); compiler != "" {
		if _, err := exec.LookPath(compiler); err != nil {
			return fail(exitFailure, "there is no C compiler %s, which Go plugins are linked with: install the package gcc", compiler)
		}
	}
	m := pluginModule{pluginBuild: b, dir: b.temp, environ: b.environ(env)}
	if env.GOMOD != "" && env.GOMOD != os.DevNull {
		m.dir = b.dir
	}
	if err := m.write(env.GOMOD); err != nil {
		return err
	}
	if err := m.pin(ctx, files); err != nil {
		return err
	}
	args := append(append([]string{"build"}, b.host.Flags()...), "-modfile="+m.file(), "-o", out)
	_, err = b.goCommand(ctx, m.dir, m.environ, append(args, files...)...)
	return err
}

// environ is what the go command gets beside our own environment. The sums of the
// host's modules are known, so nobody is asked for them.
func (b *pluginBuild) environ(env goEnv) []string {
	known := strings.Split(env.GONOSUMDB, ",")
	for _, m := range b.host.Modules {
		known = append(known, m.Path)
	}
	return append(b.host.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GONOSUMDB="+strings.Trim(strings.Join(known, ","), ","))
}

// goCommand runs the go command, and returns what it wrote on its standard output.
func (b *pluginBuild) goCommand(ctx context.Context, dir string, environ []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environ...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fail(exitFailure, "interrupted")
	case errors.As(err, &ended):
		return nil, fail(exitRefused, "go %s: %s", args[0], strings.TrimSpace(said.String()))
	}
	return out, err
}

// pluginModule is the module that a plugin is built in: its own, or a new one, with
// the host's versions of what the host has. Its go.mod is a copy.
type pluginModule struct {
	*pluginBuild
	dir     string // where the go command runs
	environ []string
}

func (m *pluginModule) file() string { return filepath.Join(m.temp, "go.mod") }

// write writes the go.mod and its go.sum, from the plugin's own if it has one.
func (m *pluginModule) write(own string) error {
	language, _, _ := strings.Cut(strings.TrimPrefix(m.host.Go, "go"), " ")
	mod, sums := fmt.Appendf(nil, "module plugin\n\ngo %s\n", language), []byte(nil)
	if m.dir == m.pluginBuild.dir {
		var err error
		if mod, err = os.ReadFile(own); err != nil {
			return err
		}
		sums, err = os.ReadFile(strings.TrimSuffix(own, ".mod") + ".sum")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	var b strings.Builder
	b.Write(sums)
	if len(sums) > 0 && sums[len(sums)-1] != '\n' {
		b.WriteByte('\n')
	}
	for _, module := range m.host.Modules {
		if module.Sum != "" {
			fmt.Fprintf(&b, "%s %s %s\n", module.Path, module.Version, module.Sum)
		}
	}
	if err := os.WriteFile(m.file(), mod, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.temp, "go.sum"), []byte(b.String()), 0o600)
}

// pin requires the host's versions: of the contract and of what the plugin's
// go.mod requires first, and then of what the plugin turns out to use.
func (m *pluginModule) pin(ctx context.Context, files []string) error {
	text, err := m.goCommand(ctx, m.dir, m.environ, "mod", "edit", "-json", m.file())
	var mod struct{ Require []goplugin.Module }
	if err == nil {
		err = json.Unmarshal(text, &mod)
	}
	if err != nil {
		return err
	}
	wanted := []string{"github.com/lf-edge/ekuiper/contract/v2"}
	for _, r := range mod.Require {
		wanted = append(wanted, r.Path)
	}
	for pinned := map[string]bool{}; ; {
		edit := []string{"mod", "edit"}
		for _, path := range wanted {
			if own, ok := m.host.Module(path); ok {
				edit, pinned[path] = append(edit, "-require="+path+"@"+own.Version), true
			}
		}
		if _, err := m.goCommand(ctx, m.dir, m.environ, append(edit, m.file())...); err != nil {
			return err
		}
		if wanted, err = m.unpinned(ctx, files, pinned); err != nil || len(wanted) == 0 {
			return err
		}
	}
}

// unpinned are the modules that the plugin uses at another version than the host,
// and that are not required yet at the host's: one that is was raised by others.
func (m *pluginModule) unpinned(ctx context.Context, files []string, pinned map[string]bool) (paths []string, err error) {
	list := []string{"list", "-deps", "-modfile=" + m.file(), "-f", "{{with .Module}}{{if .Version}}{{.Path}} {{.Version}}{{end}}{{end}}"}
	text, err := m.goCommand(ctx, m.dir, m.environ, append(list, files...)...)
	if err != nil {
		return nil, err
	}
	for _, line := range slices.Compact(slices.Sorted(strings.Lines(string(text)))) {
		path, has, _ := strings.Cut(strings.TrimSpace(line), " ")
		own, ok := m.host.Module(path)
		switch {
		case !ok || own.Version == has:
		case pinned[path]:
			return nil, fail(exitRefused, "the plugin uses, or something that it uses needs, %s %s, and this berth has %s: use versions that do with that", path, has, own.Version)
		default:
			paths = append(paths, path)
		}
	}
	return paths, nil
}
