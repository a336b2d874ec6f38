package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"berth/native/goplugin"
)

// version is set by the linker (-X main.version=v1.2.3); else what the build itself knows holds.
var version = ""

// versionInfo is what the binary knows of itself.
type versionInfo struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`     // of the revision
	Modified bool   `json:"modified,omitempty"` // built from files that no revision has
}

func readVersion() versionInfo {
	v := versionInfo{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// pluginEnv is what a Go plugin has to be built with to fit this binary.
type pluginEnv struct {
	Go      string            `json:"go"`
	Environ []string          `json:"environ"`
	Flags   []string          `json:"flags"`
	Modules []goplugin.Module `json:"modules"`
}

func (a *app) sayPluginEnv() error {
	b, err := goplugin.HostBuild()
	if err != nil {
		return err
	}
	e := pluginEnv{b.Go, b.Environ(), b.Flags(), b.Modules}
	if a.json {
		return writeJSON(a.out, e)
	}
	fmt.Fprintf(a.out, "# Go plugins have to be built with %s and with these versions of modules that they use; berth build-plugin does so.\n%s go build %s\n",
		e.Go, strings.Join(e.Environ, " "), strings.Join(e.Flags, " "))
	for _, m := range e.Modules {
		fmt.Fprintf(a.out, "%s %s\n", m.Path, m.Version)
	}
	return nil
}

func (a *app) versionCommand() *cobra.Command {
	var env bool
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Say which version this is, and what it was built with",
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			if env {
				return a.sayPluginEnv()
			}
			v := readVersion()
			if a.json {
				return writeJSON(a.out, v)
			}
			fmt.Fprintf(a.out, "berth %s %s %s/%s\n", v.Version, v.Go, v.OS, v.Arch)
			if v.Revision != "" {
				modified := ""
				if v.Modified {
					modified = ", with changes"
				}
				fmt.Fprintf(a.out, "revision %s of %s%s\n", v.Revision, v.Time, modified)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&env, "plugin-env", false, "say what Go plugins have to be built with instead")
	a.jsonFlag(cmd)
	return cmd
}
