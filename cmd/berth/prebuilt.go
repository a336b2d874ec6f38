package main

import (
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/host/catalog"
)

// pluginPrebuilt shows what the plugin hosts of a host have.
func (a *app) pluginPrebuilt() *cobra.Command {
	var kinds []string
	for _, kind := range catalog.Kinds() {
		kinds = append(kinds, kind.String())
	}
	return &cobra.Command{
		Use:   "prebuilt <kind>",
		Short: "List the plugins that can be had ready-made",
		Long: `Lists the plugins of a kind (` + strings.Join(kinds, ", ") + `) that the host's plugin hosts have, each with the URL that
"berth plugin create" takes. The host's key plugin-hosts says which these are. One that cannot be reached is left out, and
the host's log says why.`,
		Args:              takes(1, 1),
		ValidArgsFunction: cobra.FixedCompletions(kinds, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(kinds, args[0]) {
				return fail(exitUsage, "%q is not one of %s", args[0], strings.Join(kinds, ", "))
			}
			c, err := a.client(quick)
			if err != nil {
				return err
			}
			ctx, stop := a.interruptible(cmd)
			defer stop()
			answer, err := c.do(ctx, http.MethodGet, "/plugins/"+args[0]+"/prebuild", "", nil)
			if err != nil {
				return err
			}
			return a.show(answer.body)
		},
	}
}
