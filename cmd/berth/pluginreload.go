package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) pluginReload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Take in what lies in the host's drop-in folder",
		Long: `Makes the plugins that came from the host's drop-in folder (its key plugins) those that lie in it now, and says which were
installed, updated and dropped. Those that could not be are reported one by one; the others are taken in all the same.`,
		Args: noArguments, ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client(installing)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		answer, err := c.do(ctx, http.MethodPost, "/plugins/reload", "", nil)
		if err != nil {
			return err
		}
		return a.sayChanges(answer, "installed", "updated", "dropped")
	}
	return cmd
}
