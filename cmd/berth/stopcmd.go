package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) stopCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "End a running host",
		Long:  "Ends a running host as a signal would: requests under way are finished, then it ends with exit code 0.",
		Args:  noArguments, ValidArgsFunction: cobra.NoFileCompletions,
	}
	a.hostFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client(quick)
		if err != nil {
			return err
		}
		ctx, end := a.interruptible(cmd)
		defer end()
		answer, err := c.do(ctx, http.MethodPost, "/stop", "", nil)
		return a.say(answer, c.shown, err)
	}
	return cmd
}
