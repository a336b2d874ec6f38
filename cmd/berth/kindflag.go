package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth/host"
)

// kindValue is a kind of plugins as a flag: in the words of the host's paths (sources), or in the singular, as eKuiper's
// command line has them.
type kindValue struct{ to *host.Kind }

func (v *kindValue) Set(text string) error {
	for _, kind := range host.Kinds() {
		if text == kind.String() || text == strings.TrimSuffix(kind.String(), "s") {
			*v.to = kind
			return nil
		}
	}
	return fmt.Errorf("%q is not one of %s", text, strings.Join(kindWords(), ", "))
}
func (v *kindValue) String() string { return v.to.String() }
func (*kindValue) Type() string     { return "kind" }

// kindFlag gives a command --kind. more ends its description: what is meant without it.
func kindFlag(cmd *cobra.Command, kind *host.Kind, more string) {
	cmd.Flags().VarP(&kindValue{kind}, "kind", "k", "`kind` of the plugins: "+strings.Join(kindWords(), ", ")+more)
	cmd.Flags().Lookup("kind").DefValue = "" // more says it
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kindWords(), cobra.ShellCompDirectiveNoFileComp))
}

// elseFunctions ends the description for commands about one plugin.
const elseFunctions = " (default functions)"

func kindWords() (words []string) {
	for _, kind := range host.Kinds() {
		words = append(words, kind.String())
	}
	return words
}
