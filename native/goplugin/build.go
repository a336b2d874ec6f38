package goplugin

import (
	"cmp"
	"errors"
	"runtime/debug"
	"slices"
	"strings"
)

// Build is how a Go program or plugin was built. What of it differs between a
// plugin and its host keeps the plugin from being loaded, or lets it be loaded and
// fail later.
type Build struct {
	Go       string            // the version, "go1.26.0"
	Mode     string            // "exe", "pie", "plugin", ...
	Settings map[string]string // by the names in matching; without those that are empty
	Modules  []Module          // sorted by path
}

// Module is a module whose code is in a build.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum,omitempty"` // as in go.sum; empty if it is replaced by a folder
}

// matching are the settings in which a plugin and its host have to be alike:
// those of the compiler that change what it makes of a package, by their names in
// build information.
func matching() []string {
	return []string{
		"-compiler", "-trimpath", "-tags", "-race", "-msan", "-asan", "CGO_ENABLED", "GOOS", "GOARCH", "GOEXPERIMENT", "GOFIPS140",
		"GO386", "GOAMD64", "GOARM", "GOARM64", "GOMIPS", "GOMIPS64", "GOPPC64", "GORISCV64",
	}
}

// HostBuild is how the running program was built. It fails if the program does
// not know, as when it was not built by the go command.
func HostBuild() (Build, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{}, errors.New("this host does not know how it was built: build it with the go command")
	}
	return buildOf(info), nil
}

func buildOf(info *debug.BuildInfo) Build {
	b := Build{Go: info.GoVersion, Settings: map[string]string{}}
	relevant := matching()
	for _, s := range info.Settings {
		switch {
		case s.Key == "-buildmode":
			b.Mode = s.Value
		case s.Key == "-tags":
			b.Settings[s.Key] = sortedTags(s.Value)
		case s.Value != "" && slices.Contains(relevant, s.Key):
			b.Settings[s.Key] = s.Value
		}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			b.Modules = append(b.Modules, Module{m.Path, strings.TrimSpace(m.Replace.Path + " " + m.Replace.Version), m.Replace.Sum})
			continue
		}
		b.Modules = append(b.Modules, Module{m.Path, m.Version, m.Sum})
	}
	slices.SortFunc(b.Modules, func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	return b
}

func sortedTags(list string) string {
	tags := strings.Split(list, ",")
	slices.Sort(tags)
	return strings.Join(slices.Compact(tags), ",")
}

// Module returns the module of a path.
func (b Build) Module(path string) (Module, bool) {
	i, ok := slices.BinarySearchFunc(b.Modules, path, func(m Module, path string) int { return cmp.Compare(m.Path, path) })
	if !ok {
		return Module{}, false
	}
	return b.Modules[i], true
}

// Flags are the flags of go build that make a plugin that fits.
func (b Build) Flags() []string {
	flags := []string{"-buildmode=plugin", "-buildvcs=false"}
	for _, name := range []string{"-trimpath", "-race", "-msan", "-asan"} {
		if b.Settings[name] == "true" {
			flags = append(flags, name)
		}
	}
	if tags := b.Settings["-tags"]; tags != "" {
		flags = append(flags, "-tags="+tags)
	}
	return flags
}

// Environ are the environment variables of go build that make a plugin that fits.
func (b Build) Environ() []string {
	var environ []string
	for _, name := range matching() {
		if value := b.Settings[name]; value != "" && !strings.HasPrefix(name, "-") {
			environ = append(environ, name+"="+value)
		}
	}
	return environ
}
