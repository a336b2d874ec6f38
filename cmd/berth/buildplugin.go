package main

import (
	"context"
	"errors"
	"fmt"
	gobuild "go/build"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"berth/host"
	"berth/native/goplugin"
)

func (a *app) buildPluginCommand() *cobra.Command {
	var b pluginBuild
	cmd := &cobra.Command{
		Use:   "build-plugin <folder>",
		Short: "Build a Go plugin that fits this host",
		Long: `Builds the main package in a folder, written against eKuiper's contract, as a plugin that this very berth can load: with the
Go version, the flags, the target and the versions of modules that it was built with itself. "berth version --plugin-env"
shows them. The go command of that version and a C compiler have to be there. The folder may have a go.mod, which is not
changed; without one, the plugin can use the standard library and the contract.

The plugin's path is made of its contents, so a changed build loads beside the old one. What lies in modules that the
host has too is compiled at the host's version of them. Where they are in the module cache no network is needed.

With --zip it packs the plugin, with the manifest and what else packages hold and lies in the folder.`,
		Example: `  berth build-plugin echo
  berth build-plugin echo --zip -o echo.zip && berth plugin create echo echo.zip`,
		Args: takes(1, 1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().StringVarP(&b.out, "output", "o", "", "the `file` to write (default <Name>.so, or <name>.zip, here)")
	cmd.Flags().StringVar(&b.name, "name", "", "`name` of the plugin (default: the folder's)")
	cmd.Flags().BoolVar(&b.zip, "zip", false, "make a package of it")
	a.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := a.interruptible(cmd)
		defer stop()
		b.dir = args[0]
		made, err := b.run(ctx)
		if err != nil {
			return err
		}
		if a.json {
			return writeJSON(a.out, made)
		}
		_, err = fmt.Fprintf(a.out, "built %s of plugin %s with %s\n", made.File, made.Name, made.Go)
		return err
	}
	return cmd
}

// pluginBuild builds a Go plugin.
type pluginBuild struct {
	dir  string
	name string // of the plugin; empty: the folder's
	out  string // empty: in the working directory, by the plugin's name
	zip  bool   // a package is made

	host goplugin.Build // what it has to fit
	temp string         // a folder for this build
}

// builtPlugin is what a pluginBuild made.
type builtPlugin struct {
	Name string `json:"name"`
	File string `json:"file"`
	Go   string `json:"go"`
}

func (b *pluginBuild) run(ctx context.Context) (made builtPlugin, err error) {
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return made, err
	}
	if b.name == "" {
		b.name = filepath.Base(b.dir)
	}
	if err := checkName(b.name); err != nil {
		return made, err
	}
	if b.host, err = goplugin.HostBuild(); err != nil {
		return made, err
	}
	if system := b.host.Settings["GOOS"]; system != "linux" || b.host.Settings["CGO_ENABLED"] != "1" {
		return made, fail(exitRefused, "this berth cannot load Go plugins, so none would fit it: that takes one built on Linux with CGO_ENABLED=1")
	}
	files, err := b.sources()
	if err != nil {
		return made, err
	}
	if b.temp, err = os.MkdirTemp("", "berth-build-plugin-"); err != nil {
		return made, err
	}
	defer os.RemoveAll(b.temp)
	shared := filepath.Join(b.temp, host.Exported(b.name)+".so")
	if err := b.compile(ctx, files, shared); err != nil {
		return made, err
	}
	if err := goplugin.Check(shared); err != nil {
		return made, fail(exitRefused, "%w", err)
	}
	made = builtPlugin{Name: b.name, File: b.out, Go: b.host.Go}
	if b.zip {
		made.File, err = b.pack(ctx, shared)
		return made, err
	}
	if made.File == "" {
		made.File = filepath.Base(shared)
	}
	return made, copyTo(made.File, shared)
}

// sources are the Go files of the folder that a build for the host takes.
func (b *pluginBuild) sources() ([]string, error) {
	target := gobuild.Default
	target.GOOS, target.GOARCH, target.CgoEnabled = b.host.Settings["GOOS"], b.host.Settings["GOARCH"], true
	if tags := b.host.Settings["-tags"]; tags != "" {
		target.BuildTags = strings.Split(tags, ",")
	}
	found, err := target.ImportDir(b.dir, 0)
	var none *gobuild.NoGoError
	switch {
	case errors.As(err, &none) || errors.Is(err, fs.ErrNotExist):
		return nil, fail(exitUsage, "%s holds no Go files for %s/%s", b.dir, target.GOOS, target.GOARCH)
	case err != nil:
		return nil, fail(exitRefused, "%w", err)
	case found.Name != "main":
		return nil, fail(exitRefused, "the package in %s is %s: a plugin is a package main", b.dir, found.Name)
	case len(found.CFiles)+len(found.CXXFiles)+len(found.SFiles) > 0:
		return nil, fail(exitRefused, "%s holds files of C or assembly, which a plugin built from its Go files does not get: move them into a package of their own", b.dir)
	}
	var files []string
	for _, file := range append(found.GoFiles, found.CgoFiles...) {
		files = append(files, filepath.Join(b.dir, file))
	}
	return files, nil
}

// pack makes a package of the build and of what packages hold in the folder.
func (b *pluginBuild) pack(ctx context.Context, shared string) (file string, err error) {
	stage := filepath.Join(b.temp, b.name)
	own := nativeOf(b.name)
	err = filepath.WalkDir(b.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(b.dir, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch {
		case name == ".":
			return os.Mkdir(stage, 0o700)
		case strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return os.Mkdir(filepath.Join(stage, name), 0o700)
		case !entry.Type().IsRegular(), !strings.Contains(name, "/") && own(name), strings.HasSuffix(name, ".go"), strings.HasSuffix(name, ".zip"), name == "go.mod", name == "go.sum":
			return nil
		}
		return copyTo(filepath.Join(stage, name), path)
	})
	if err != nil {
		return "", err
	}
	if err := copyTo(filepath.Join(stage, filepath.Base(shared)), shared); err != nil {
		return "", err
	}
	made, err := packing{dir: stage, name: b.name, out: b.out}.run(ctx)
	if err != nil {
		return "", err
	}
	return made.File, nil
}

// copyTo copies a file and its mode. What was there is replaced, not overwritten:
// a host may have it mapped.
func copyTo(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(to), ".berth-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Chmod(info.Mode().Perm()), out.Close()); err == nil {
		err = os.Rename(out.Name(), to)
	}
	if err != nil {
		_ = os.Remove(out.Name())
	}
	return err
}
