package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/host"
)

const functionsPath = "/plugins/udfs"

// pluginsPath and pluginPath are where the host has the plugins of a kind, and one of them.
func pluginsPath(kind host.Kind) string             { return "/plugins/" + kind.String() }
func pluginPath(kind host.Kind, name string) string { return pluginsPath(kind) + "/" + name }

func (a *app) pluginCommand() *cobra.Command {
	cmd := a.groupCommand("plugin", "Install, list, describe, update and drop plugins of a running host")
	cmd.AddCommand(a.pluginCreate(), a.pluginList(), a.pluginDescribe(), a.pluginStatus(), a.pluginLogs(), a.pluginUpdate(),
		a.pluginRegister(), a.pluginDrop(), a.pluginReload(), a.pluginPrebuilt())
	return cmd
}

// groupCommand is a command that does nothing but hold others, which talk to a host.
func (a *app) groupCommand(use, short string) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	a.hostFlags(cmd)
	return cmd
}

// completePlugins completes names of plugins of the kind that --kind says.
func (a *app) completePlugins(kind *host.Kind, most int) cobra.CompletionFunc {
	return a.complete(most, func(ctx context.Context, c *client) (names []string, err error) {
		plugins, err := c.plugins(ctx, *kind)
		for _, p := range plugins {
			names = append(names, p.Name)
		}
		return names, err
	})
}

func (a *app) pluginDescribe() *cobra.Command {
	return a.showCommand("describe", "Describe an installed plugin", "")
}

func (a *app) pluginStatus() *cobra.Command {
	return a.showCommand("status", "Show the state of a plugin, its engine and its figures", "/status")
}

// showCommand shows what GET <plugin><suffix> answers.
func (a *app) showCommand(use, short, suffix string) *cobra.Command {
	var kind host.Kind
	cmd := &cobra.Command{Use: use + " <name>", Short: short, Args: takes(1, 1), ValidArgsFunction: a.completePlugins(&kind, 1)}
	kindFlag(cmd, &kind, elseFunctions)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		answer, err := a.ask(cmd, kind, args[0], suffix)
		if err != nil {
			return err
		}
		return a.show(answer.body)
	}
	return cmd
}

// pluginLogs shows what a plugin wrote. The host has made it printable.
func (a *app) pluginLogs() *cobra.Command {
	var kind host.Kind
	cmd := &cobra.Command{Use: "logs <name>", Short: "Show what a plugin logged last", Args: takes(1, 1), ValidArgsFunction: a.completePlugins(&kind, 1)}
	kindFlag(cmd, &kind, elseFunctions)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		answer, err := a.ask(cmd, kind, args[0], "/logs")
		switch {
		case err != nil:
			return err
		case a.json:
			lines := strings.Split(strings.TrimSuffix(string(answer.body), "\n"), "\n")
			return writeJSON(a.out, map[string]any{"name": args[0], "lines": slices.DeleteFunc(lines, func(line string) bool { return line == "" })})
		}
		for line := range strings.Lines(string(answer.body)) {
			fmt.Fprintln(a.out, printable(strings.TrimSuffix(line, "\n")))
		}
		return nil
	}
	return cmd
}

// ask is GET <plugin><suffix>.
func (a *app) ask(cmd *cobra.Command, kind host.Kind, name, suffix string) (answer, error) {
	if err := checkName(name); err != nil {
		return answer{}, err
	}
	c, err := a.client(quick)
	if err != nil {
		return answer{}, err
	}
	ctx, stop := a.interruptible(cmd)
	defer stop()
	got, err := c.do(ctx, http.MethodGet, pluginPath(kind, name)+suffix, "", nil)
	return got, c.elsewhere(ctx, kind, name, err)
}

// elsewhere adds to "not found" which other kinds have a plugin of the name.
func (c *client) elsewhere(ctx context.Context, kind host.Kind, name string, err error) error {
	if exitOf(err) != exitNotFound {
		return err
	}
	var others []string
	for _, other := range host.Kinds() {
		if other == kind {
			continue
		}
		if _, missing := c.do(ctx, http.MethodGet, pluginPath(other, name), "", nil); missing == nil {
			others = append(others, "--kind "+other.String())
		}
	}
	if len(others) == 0 {
		return err
	}
	return fmt.Errorf("%w; there is one of another kind: %s", err, strings.Join(others, ", "))
}

func (a *app) pluginRegister() *cobra.Command {
	var kind host.Kind
	cmd := &cobra.Command{
		Use:   "register <name> <function>...",
		Short: "Say which functions a plugin has",
		Long: `Says which functions a plugin has. The list replaces the one it had, and is kept. Plugins of other kinds than functions
say it themselves.`,
		Args: takes(2, -1), ValidArgsFunction: a.completePlugins(&kind, 1),
	}
	kindFlag(cmd, &kind, elseFunctions)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if kind != host.Functions {
			return fail(exitUsage, "--kind: functions can be registered for plugins of the kind functions only: what %s have, their packages say", kind)
		}
		if err := checkName(args[0]); err != nil {
			return err
		}
		c, err := a.client(quick)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		answer, err := c.send(ctx, http.MethodPost, pluginPath(kind, args[0])+"/register", map[string][]string{"functions": args[1:]})
		return a.say(answer, args[0], c.elsewhere(ctx, kind, args[0], err))
	}
	return cmd
}

func (a *app) pluginDrop() *cobra.Command {
	var kind host.Kind
	var stopHost bool
	cmd := &cobra.Command{
		Use:   "drop <name>...",
		Short: "Remove plugins",
		Long: `Removes plugins. All that are named are tried; the exit code is that of the first that could not be dropped.

With --stop the host ends after the last of them, if that could be dropped, with exit code 100, for its supervisor to
start it again: the code of a native plugin that was loaded stays in memory until then.`,
		Args: takes(1, -1), ValidArgsFunction: a.completePlugins(&kind, -1),
	}
	kindFlag(cmd, &kind, elseFunctions)
	cmd.Flags().BoolVar(&stopHost, "stop", false, "end the host afterwards, for its supervisor to start it again")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if stopHost && (kind == host.Portables || kind == host.Wasm) {
			return fail(exitUsage, "--stop: what is dropped of the kind %s is gone at once, so the host does not have to end; \"berth stop\" ends it", kind)
		}
		c, err := a.client(quick)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		var faults []error
		for i, name := range args {
			query := ""
			if stopHost && i == len(args)-1 {
				query = "?stop=1"
			}
			if err = checkName(name); err == nil {
				var answer answer
				answer, err = c.do(ctx, http.MethodDelete, pluginPath(kind, name)+query, "", nil)
				err = a.say(answer, name, c.elsewhere(ctx, kind, name, err))
			}
			if err != nil {
				faults = append(faults, err)
			}
		}
		return errors.Join(faults...)
	}
	return cmd
}

// say tells what an operation did, in the host's words.
func (a *app) say(answer answer, name string, err error) error {
	switch {
	case err != nil:
		return err
	case a.json:
		return writeJSON(a.out, map[string]string{"name": name, "message": string(answer.body)})
	}
	_, err = fmt.Fprintf(a.out, "%s\n", printable(string(answer.body)))
	return err
}

// checkName refuses what the host would refuse anyway, before it becomes part of a path.
func checkName(name string) error {
	if err := host.CheckName(name); err != nil {
		return &exitError{exitRefused, err}
	}
	return nil
}
