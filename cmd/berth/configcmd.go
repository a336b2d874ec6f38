package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// rawFlag keeps what a flag was given as text: it is judged with all other sources, so that all faults come together.
type rawFlag struct {
	shown string // the default, for the help
	kind  string
	text  string
	given bool
}

func (f *rawFlag) Set(text string) error {
	if f.given && f.kind == listType {
		text = f.text + listComma + text
	}
	f.text, f.given = text, true
	return nil
}
func (f *rawFlag) String() string { return f.shown }
func (f *rawFlag) Type() string   { return f.kind }

// configFlags are the flags of a command that takes the configuration.
type configFlags struct {
	app   *app
	file  string
	flags map[string]*rawFlag
}

// addConfigFlags gives cmd a flag for every key, and --config.
func (a *app) addConfigFlags(cmd *cobra.Command) *configFlags {
	f := &configFlags{app: a, flags: map[string]*rawFlag{}}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.file, "config", "", "`file` of the configuration (default ./"+defaultConfigFile+" if it is there)")
	c := defaultConfig()
	for _, o := range c.options() {
		raw := &rawFlag{shown: o.value.String(), kind: o.value.Type()}
		f.flags[o.name] = raw
		flag := cmd.Flags().VarPF(raw, o.name, "", o.help)
		if _, isBool := o.value.(*boolValue); isBool {
			flag.NoOptDefVal = "true"
			if flag.DefValue == "false" {
				flag.DefValue = ""
			}
		}
		if choice, ok := o.value.(*choiceValue); ok {
			_ = cmd.RegisterFlagCompletionFunc(o.name, cobra.FixedCompletions(choice.allowed, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	_ = cmd.MarkFlagFilename("unix")
	_ = cmd.MarkFlagDirname("data")
	cmd.SetFlagErrorFunc(f.parseFailed)
	return f
}

// load puts the configuration together.
func (f *configFlags) load(flagFaults ...string) (*loader, error) {
	var settings []setting
	c := defaultConfig()
	for _, o := range c.options() {
		if raw := f.flags[o.name]; raw.given {
			settings = append(settings, setting{"--" + o.name, o.name, raw.text})
		}
	}
	return loadConfig(f.file, settings, flagFaults, f.app.environ)
}

// parseFailed is called when the flags cannot be parsed, which ends at the first flag that is unknown. It notes it, takes
// it for known, and parses on, so that one answer names all faults.
func (f *configFlags) parseFailed(cmd *cobra.Command, err error) error {
	_, args, findErr := cmd.Root().Find(f.app.args)
	if findErr != nil || errors.Is(err, pflag.ErrHelp) {
		return err
	}
	var faults []string
	for err != nil {
		var unknown *pflag.NotExistError
		if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
			faults = append(faults, "command line: "+err.Error())
			break
		}
		name := unknown.GetSpecifiedName()
		faults = append(faults, fmt.Sprintf("--%s: unknown key %q%s", name, name, suggest(name)))
		cmd.Flags().VarPF(&rawFlag{}, name, "", "").NoOptDefVal = "true"
		err = cmd.Flags().Parse(args)
	}
	_, err = f.load(faults...)
	return err
}

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration as a " + defaultConfigFile,
		Long: `Prints what serve would run with, from the file, the environment and these flags, as a
` + defaultConfigFile + ` that has every key with what it does. Nothing is started.`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := a.addConfigFlags(cmd)
	a.jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		l, err := flags.load()
		if err != nil {
			return err
		}
		if a.json {
			return writeJSON(a.out, l.config.texts())
		}
		return l.print(a.out)
	}
	return cmd
}

// texts are the values by key.
func (c *config) texts() map[string]string {
	texts := map[string]string{}
	for _, o := range c.options() {
		texts[o.name] = o.value.String()
	}
	return texts
}

// print writes the configuration as yaml: every key, what it does, its default, and what set it if anything did.
func (l *loader) print(w io.Writer) error {
	defaults := defaultConfig()
	byDefault := defaults.texts()
	var b strings.Builder
	b.WriteString("# The configuration of a Berth host. A variable (BERTH_LOG_LEVEL for log-level) wins over its line here,\n" +
		"# a flag (--log-level) wins over both.\n")
	for _, o := range l.config.options() {
		text := o.value.String()
		if mayBeEmpty(o.value) {
			quoted, err := yaml.Marshal(text)
			if err != nil {
				return err
			}
			text = strings.TrimSuffix(string(quoted), "\n")
		}
		fmt.Fprintf(&b, "\n%s\n# Default: %s\n", comment(o.help), shown(byDefault[o.name]))
		if origin, ok := l.origin[o.name]; ok {
			fmt.Fprintf(&b, "# Set by %s.\n", origin)
		}
		fmt.Fprintf(&b, "%s: %s\n", o.name, text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// mayBeEmpty tells the values that yaml would not read back as they are: no text is no value, and a text may be anything.
func mayBeEmpty(v value) bool {
	switch v.(type) {
	case *textValue, *elementValue:
		return true
	}
	return isList(v)
}

func shown(text string) string {
	if text == "" {
		return "empty"
	}
	return text
}

// comment wraps a text into comment lines, a sentence of it.
func comment(text string) string {
	const width = 100
	text = strings.ToUpper(text[:1]) + text[1:] + "."
	var b strings.Builder
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	return b.String() + line
}
