package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth/server"
)

func (a *app) tokenCommand() *cobra.Command {
	var scopes []string
	cmd := &cobra.Command{
		Use:   "token <name>",
		Short: "Make a token that callers show",
		Long: `Makes a random token and prints it with its line for ` + defaultConfigFile + `. That line holds the token's digest, so this is the
only time that the token can be seen. Once the key tokens has a line, every request needs a token:

  Authorization: Bearer <token>        curl, and other clients
  BERTH_TOKEN=<token>                  berth plugin, berth invoke

The name is for logs. A token is for one or more scopes:

  read      to look: all GETs
  invoke    to call functions
  manage    to change plugins, and to look; not to call

No host is asked, and none knows the token before it is started with the new line.`,
		Example: `  berth token portal --scope read --scope invoke`,
		Args:    takes(1, 1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().StringSliceVar(&scopes, "scope", nil, "`scope` of the token: read, invoke or manage; may be given again")
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions([]string{"read", "invoke", "manage"}, cobra.ShellCompDirectiveNoFileComp))
	a.jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(scopes) == 0 {
			return fail(exitUsage, "--scope is needed: read, invoke or manage")
		}
		parsed, err := server.ParseScopes(strings.Join(scopes, "+"))
		if err != nil {
			return fail(exitUsage, "--scope: %w", err)
		}
		token, secret, err := server.NewToken(args[0], parsed)
		if err != nil {
			return fail(exitUsage, "%w", err)
		}
		if a.json {
			return writeJSON(a.out, map[string]string{"name": token.Name, "token": secret, "entry": token.String()})
		}
		_, err = fmt.Fprintf(a.out, "%s\n\nIn %s, beside the tokens that are there:\n\ntokens:\n  - %s\n", secret, defaultConfigFile, token)
		return err
	}
	return cmd
}
