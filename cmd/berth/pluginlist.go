package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"berth/host"
)

// listed is what the host's lists tell of a plugin, as far as a table shows it.
type listed struct {
	Kind      host.Kind `json:"-"` // the one that was asked for
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	Status    string    `json:"status"`
	Functions []string  `json:"functions"`
	Sources   []string  `json:"sources"`
	Sinks     []string  `json:"sinks"`

	whole json.RawMessage // all that the host said
}

// plugins lists the plugins of some kinds, in the order of these, and sorted by name.
func (c *client) plugins(ctx context.Context, kinds ...host.Kind) ([]listed, error) {
	var all []listed
	for _, kind := range kinds {
		var entries []json.RawMessage
		path := pluginsPath(kind) + "?detail=1"
		if _, err := c.get(ctx, path, &entries); err != nil {
			return nil, err
		}
		for _, entry := range entries {
			p := listed{Kind: kind, whole: entry}
			if err := json.Unmarshal(entry, &p); err != nil {
				return nil, fail(exitFailure, "%s answered something that is not Berth's: %w", c.shown+path, err)
			}
			all = append(all, p)
		}
	}
	return all, nil
}

func (a *app) pluginList() *cobra.Command {
	var kind host.Kind
	var long bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the installed plugins",
		Long: `Lists the installed plugins, each with its kind behind its name; with --kind those of one kind, one name a line. With --json
it is all that the host tells of each.`,
		Args: noArguments, ValidArgsFunction: cobra.NoFileCompletions,
	}
	kindFlag(cmd, &kind, " (default all)")
	cmd.Flags().BoolVarP(&long, "long", "l", false, "with version, state, functions, sources and sinks")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client(quick)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		kinds, one := host.Kinds(), cmd.Flags().Changed("kind")
		if one {
			kinds = []host.Kind{kind}
		}
		plugins, err := c.plugins(ctx, kinds...)
		switch {
		case err != nil:
			return err
		case a.json:
			all := make([]json.RawMessage, len(plugins))
			for i, p := range plugins {
				all[i] = p.whole
			}
			return writeJSON(a.out, all)
		case long:
			return a.listLong(plugins)
		case one:
			for _, p := range plugins {
				fmt.Fprintln(a.out, printable(p.Name))
			}
			return nil
		}
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		for _, p := range plugins {
			fmt.Fprintf(w, "%s\t%s\n", printable(p.Name), p.Kind)
		}
		return w.Flush()
	}
	return cmd
}

func (a *app) listLong(plugins []listed) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKIND\tVERSION\tSTATUS\tFUNCTIONS\tSOURCES\tSINKS")
	for _, p := range plugins {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(p.Name), p.Kind, orDash(p.Version), orDash(p.Status),
			orDash(strings.Join(p.Functions, " ")), orDash(strings.Join(p.Sources, " ")), orDash(strings.Join(p.Sinks, " ")))
	}
	return w.Flush()
}

// orDash makes text printable, and shows that there is none.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return printable(s)
}
