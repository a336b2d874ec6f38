package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
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

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Say which version this is, and what it was built with",
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
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
	a.jsonFlag(cmd)
	return cmd
}
