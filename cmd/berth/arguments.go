package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// takes checks the number of arguments, and says on a fault how the command is
// used; most < 0: any number from least on.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		return fmt.Errorf("%d arguments given; usage: %s", len(args), cmd.UseLine())
	}
}

// completeFile completes one argument, a file whose name ends in extension.
func completeFile(extension string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []cobra.Completion{extension}, cobra.ShellCompDirectiveFilterFileExt
	}
}
