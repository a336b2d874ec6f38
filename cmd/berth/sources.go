package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// defaultConfigFile is read if it is there; a file named by --config or BERTH_CONFIG must be.
const defaultConfigFile = "berth.yaml"

// setting is one key as a source gives it.
type setting struct {
	source string // "berth.yaml:3", "BERTH_LISTEN", "--listen"
	key    string
	text   string
}

// loader puts a config together. Faults do not stop it: they are collected.
type loader struct {
	config config
	origin map[string]string // key -> the source that set it last
	faults []string
}

// loadConfig reads the configuration: file, environment, flags. file is "" if no flag names one. flagFaults are what is
// wrong with the flags themselves; they are reported with the rest. The error, exitUsage, lists every fault.
func loadConfig(file string, flags []setting, flagFaults []string, environ []string) (*loader, error) {
	l := &loader{config: defaultConfig(), origin: map[string]string{}}
	must := true
	if file == "" {
		file = lookupEnv(environ, "BERTH_CONFIG")
	}
	if file == "" {
		file, must = defaultConfigFile, false
	}
	l.file(file, must)
	l.environment(environ)
	for _, s := range flags {
		l.set(s)
	}
	l.faults = append(l.faults, flagFaults...)
	l.check()
	switch len(l.faults) {
	case 0:
		return l, nil
	case 1:
		return l, fail(exitUsage, "configuration: %s", l.faults[0])
	}
	return l, fail(exitUsage, "the configuration has %d faults:\n  %s", len(l.faults), strings.Join(l.faults, "\n  "))
}

func (l *loader) fault(source, format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
	l.faults = append(l.faults, source+": "+text)
}

func (l *loader) set(s setting) {
	for _, o := range l.config.options() {
		if o.name != s.key {
			continue
		}
		l.origin[s.key] = s.source
		if err := o.value.Set(s.text); err != nil {
			l.fault(s.source, "%s: %v", s.key, err)
		}
		return
	}
	l.fault(s.source, "unknown key %q%s", s.key, suggest(s.key))
}

// suggest names the key that was probably meant.
func suggest(key string) string {
	var c config
	spelt := strings.ReplaceAll(strings.ToLower(key), "_", "-")
	best, least := "", 3
	for _, o := range c.options() {
		if d := editDistance(spelt, o.name); d < least {
			best, least = o.name, d
		}
	}
	if best == "" {
		return "; `berth config` lists all"
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// editDistance counts the letters to change, add or leave out to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// file takes the settings of a yaml file: one flat mapping of keys to plain values.
func (l *loader) file(path string, must bool) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return
	}
	if err != nil {
		l.fault(path, "cannot be read: %v", err)
		return
	}
	var document, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&document); errors.Is(err, io.EOF) {
		return
	} else if err != nil {
		l.fault(path, "is not yaml: %v", err)
		return
	}
	if dec.Decode(&more) == nil {
		l.fault(path+":"+strconv.Itoa(more.Line), "a second yaml document begins here, one is expected")
	}
	l.mapping(path, document.Content[0])
}

func (l *loader) mapping(path string, root *yaml.Node) {
	at := func(n *yaml.Node) string { return path + ":" + strconv.Itoa(n.Line) }
	if root.Kind != yaml.MappingNode {
		if root.Tag != "!!null" {
			l.fault(at(root), "lines of the form \"key: value\" are expected")
		}
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case seen[key.Value] > 0:
			l.fault(at(key), "%s: is set in line %d already", key.Value, seen[key.Value])
		case value.Kind == yaml.SequenceNode && l.isList(key.Value):
			l.list(at(key), key.Value, value)
		case value.Kind != yaml.ScalarNode:
			l.fault(at(value), "%s: one plain value is expected, the keys are flat", key.Value)
		case value.Tag == "!!null":
			l.fault(at(key), "%s: has no value: give it one, or leave the line out", key.Value)
		default:
			l.set(setting{at(key), key.Value, value.Value})
		}
		seen[key.Value] = key.Line
	}
}

// isList tells whether the key's value is a list.
func (l *loader) isList(key string) bool {
	return slices.ContainsFunc(l.config.options(), func(o option) bool { return o.name == key && isList(o.value) })
}

// list takes the setting of a list of yaml.
func (l *loader) list(source, key string, sequence *yaml.Node) {
	var entries []string
	for _, entry := range sequence.Content {
		if entry.Kind != yaml.ScalarNode || entry.Tag == "!!null" || strings.Contains(entry.Value, listComma) {
			l.fault(source, "%s: each entry of the list has to be a plain value without a comma", key)
			return
		}
		entries = append(entries, entry.Value)
	}
	l.set(setting{source, key, strings.Join(entries, listComma)})
}

// environment takes the settings of the environment, in the order of the keys.
func (l *loader) environment(environ []string) {
	kubernetes := regexp.MustCompile(`^BERTH_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_.*)?)$`)
	given := map[string]string{}
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "BERTH_") && text != "" && !kubernetes.MatchString(name) {
			given[name] = text
		}
	}
	for _, name := range []string{"BERTH_CONFIG", "BERTH_HOST", "BERTH_TOKEN", "BERTH_CA", "BERTH_CERT", "BERTH_KEY"} {
		delete(given, name) // no keys of the host's
	}
	for _, o := range l.config.options() {
		name := variable(o.name)
		if text, ok := given[name]; ok {
			l.set(setting{name, o.name, text})
			delete(given, name)
		}
	}
	for _, name := range sortedKeys(given) {
		key := strings.TrimPrefix(name, "BERTH_")
		l.fault(name, "unknown key %q%s", key, suggest(key))
	}
}

// lookupEnv looks a variable up; the last setting of it holds, as in the shell.
func lookupEnv(environ []string, name string) (value string) {
	for _, entry := range environ {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

// variable is the name of a key in the environment.
func variable(key string) string {
	return "BERTH_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// check finds the faults that no value has by itself.
func (l *loader) check() {
	c := &l.config
	if c.Listen == "" && c.Unix == "" {
		l.fault(l.source("listen"), "there is nothing to listen on: set listen or unix")
	}
	if c.Listen != "" {
		l.checkListen()
	}
	if c.Unix != "" {
		if err := checkSocketPath(c.Unix); err != nil {
			l.fault(l.source("unix"), "unix: %v", err)
		}
	}
	if c.Data == "" {
		l.fault(l.source("data"), "data: a folder is needed")
	}
	if info, err := os.Stat(c.Data); err == nil && !info.IsDir() {
		l.fault(l.source("data"), "data: %s is not a folder", c.Data)
	}
	l.checkSignatures()
	l.checkAccess()
	l.checkTLS()
}

func (l *loader) checkListen() {
	c := &l.config
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		l.fault(l.source("listen"), "listen: %q is not an address: write it like 127.0.0.1:9081 or [::1]:9081", c.Listen)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		l.fault(l.source("listen"), "listen: %q is not a port: use 0 to 65535", port)
	}
	if !c.Insecure && !c.guarded() && !isLoopback(c.Listen) {
		l.fault(l.source("listen"), "listen: other machines can reach %s, and whoever reaches the host can install code on it: "+
			"listen on 127.0.0.1 or on a Unix socket (unix), ask who callers are (tokens, jwt-keys or tls-client-ca), "+
			"or set insecure if everybody on that network may", c.Listen)
	}
}

// source is where a key was set, in words that fit the front of a fault.
func (l *loader) source(key string) string {
	if origin, ok := l.origin[key]; ok {
		return origin
	}
	return "default"
}

// maxSocketPath is the longest path of a Unix socket in bytes, less the zero at its end.
const maxSocketPath = 107

// checkSocketPath refuses paths on which no socket can be made.
func checkSocketPath(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("the path has %d bytes, the system allows %d: use a shorter one, such as /run/berth.sock", len(path), maxSocketPath)
	}
	parent := filepath.Dir(path)
	info, err := os.Stat(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the folder %s is not there: make it, and let only those in who may call the host", parent)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", parent)
	}
	return nil
}
