package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"berth/host"
)

const (
	pluginsPath   = "/plugins/functions"
	functionsPath = "/plugins/udfs"
)

func (a *app) pluginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Install, list, describe, update and drop plugins of a running host",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	a.hostFlags(cmd)
	cmd.AddCommand(a.pluginCreate(), a.pluginList(), a.pluginDescribe(), a.pluginStatus(), a.pluginLogs(), a.pluginUpdate(),
		a.pluginRegister(), a.pluginDrop(), a.pluginPrebuilt())
	return cmd
}

func (a *app) pluginCreate() *cobra.Command {
	return a.installCommand("create", "Install a plugin", http.MethodPost, func(string) string { return pluginsPath })
}

func (a *app) pluginUpdate() *cobra.Command {
	cmd := a.installCommand("update", "Put another version of a plugin in the place of an installed one", http.MethodPut, pluginPath)
	names := a.completeNames(pluginsPath, 1)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return names(cmd, args, prefix)
		}
		return completePackage(cmd, args, prefix)
	}
	return cmd
}

// installCommand is create or update: both send the same to different routes.
func (a *app) installCommand(use, short, method string, route func(name string) string) *cobra.Command {
	var functions []string
	var trust trustFlags
	cmd := &cobra.Command{
		Use:   use + " <name> <package>",
		Short: short,
		Long: short + `.

The package is a zip file, a folder or a URL (http, https, file). The host reads a file or folder itself, so it must run
on this machine; a folder is packed as "berth pack" does it, into a temporary zip.`,
		Args:              takes(2, 2),
		ValidArgsFunction: completePackage,
	}
	cmd.Flags().StringSliceVar(&functions, "functions", nil, "`names` of its functions, with commas (default: what the package says)")
	trust.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		if err := checkName(name); err != nil {
			return err
		}
		signature, err := trust.signature()
		if err != nil {
			return err
		}
		c, err := a.client(installing)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		file, remove, err := a.packageURI(ctx, c, name, args[1])
		if err != nil {
			return err
		}
		defer remove()
		request := struct {
			Name      string   `json:"name"`
			File      string   `json:"file"`
			SHA256    string   `json:"sha256,omitempty"`
			Signature string   `json:"signature,omitempty"`
			Functions []string `json:"functions,omitempty"`
		}{name, file, trust.sha256, signature, functions}
		answer, err := c.send(ctx, method, route(name), request)
		if err := a.say(answer, name, installHint(method, err)); err != nil || a.json {
			return err
		}
		return a.sayInstalled(ctx, c, name)
	}
	return cmd
}

// installHint adds to an error what to do, where the host's words, which are eKuiper's, do not say.
func installHint(method string, err error) error {
	switch {
	case err == nil:
		return nil
	case method == http.MethodPost && strings.HasSuffix(err.Error(), ": duplicate"):
		return fmt.Errorf("%w; \"berth plugin update\" replaces it", err)
	case method == http.MethodPut && exitOf(err) == exitNotFound:
		return fmt.Errorf("%w; \"berth plugin create\" installs it", err)
	}
	return err
}

// sayInstalled shows what came of a package: what its author most often gets wrong can be seen there.
func (a *app) sayInstalled(ctx context.Context, c *client, name string) error {
	var status struct {
		Functions []struct{ Name string }
		Module    struct{ Form string }
		Warnings  []string
	}
	if _, err := c.get(ctx, pluginPath(name)+"/status", &status); err != nil {
		return err
	}
	var functions []string
	for _, f := range status.Functions {
		functions = append(functions, printable(f.Name))
	}
	fmt.Fprintf(a.out, "functions: %s", strings.Join(functions, ", "))
	if status.Module.Form != "" {
		fmt.Fprintf(a.out, " (%s)", printable(status.Module.Form))
	}
	fmt.Fprintln(a.out)
	for _, warning := range status.Warnings {
		fmt.Fprintf(a.out, "warning: %s\n", printable(warning))
	}
	return nil
}

func completePackage(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// packageURI is the URI by which the host finds the package. The caller calls remove when the host has it.
func (a *app) packageURI(ctx context.Context, c *client, name, given string) (uri string, remove func(), err error) {
	remove = func() {}
	if strings.Contains(given, "://") {
		return given, remove, nil
	}
	info, err := os.Stat(given)
	if err != nil {
		return "", remove, fail(exitUsage, "%w: give a zip file, a folder or a URL", err)
	}
	if !c.local {
		return "", remove, fail(exitUsage, "the host at %s is another machine and cannot read %s: give it a URL", c.shown, given)
	}
	path := given
	if info.IsDir() {
		if path, remove, err = a.packTemporary(ctx, name, given); err != nil {
			return "", remove, err
		}
	} else if !strings.HasSuffix(given, ".zip") {
		return "", remove, fail(exitUsage, "%s does not end in .zip: a package is a zip file; \"berth pack\" makes one of a folder", given)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", remove, err
	}
	return (&url.URL{Scheme: "file", Path: path}).String(), remove, nil
}

// packTemporary packs a folder for the host to read. The host may run as another user: the zip lies under a name that
// nobody can guess, in a folder that nobody else can list.
func (a *app) packTemporary(ctx context.Context, name, dir string) (path string, remove func(), err error) {
	temp, err := os.MkdirTemp("", "berth-")
	if err != nil {
		return "", func() {}, err
	}
	remove = func() { _ = os.RemoveAll(temp) }
	if err = os.Chmod(temp, 0o711); err == nil {
		var f *os.File
		if f, err = os.CreateTemp(temp, "*.zip"); err == nil {
			path = f.Name()
			err = f.Close()
		}
	}
	if err == nil {
		var made packed
		if made, err = (packing{dir: dir, name: name, out: path}).run(ctx); err == nil {
			made.notes(a.errOut)
			err = os.Chmod(path, 0o644)
		}
	}
	if err != nil {
		remove()
		return "", func() {}, err
	}
	return path, remove, nil
}

func (a *app) pluginList() *cobra.Command {
	var long bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the installed plugins", Args: noArguments, ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVarP(&long, "long", "l", false, "with version and functions; asks the host for each plugin")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client(quick)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		names := []string{}
		if _, err := c.get(ctx, pluginsPath, &names); err != nil {
			return err
		}
		switch {
		case long:
			return a.listLong(ctx, c, names)
		case a.json:
			return writeJSON(a.out, names)
		}
		for _, name := range names {
			fmt.Fprintln(a.out, name)
		}
		return nil
	}
	return cmd
}

// described is what the host tells of a plugin that a table shows.
type described struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	Functions []string `json:"functions"`
}

func (a *app) listLong(ctx context.Context, c *client, names []string) error {
	plugins := make([]described, 0, len(names))
	for _, name := range names {
		var p described
		_, err := c.get(ctx, pluginPath(name), &p)
		if exitOf(err) == exitNotFound {
			continue // dropped since it was listed
		}
		if err != nil {
			return err
		}
		plugins = append(plugins, p)
	}
	if a.json {
		return writeJSON(a.out, plugins)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVERSION\tFUNCTIONS")
	for _, p := range plugins {
		fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, orDash(p.Version), orDash(strings.Join(p.Functions, " ")))
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (a *app) pluginDescribe() *cobra.Command {
	return a.showCommand("describe", "Describe an installed plugin", "")
}

func (a *app) pluginStatus() *cobra.Command {
	return a.showCommand("status", "Show the state of a plugin, its engine and its figures", "/status")
}

// showCommand shows what GET <plugin><suffix> answers.
func (a *app) showCommand(use, short, suffix string) *cobra.Command {
	return &cobra.Command{
		Use: use + " <name>", Short: short, Args: takes(1, 1), ValidArgsFunction: a.completeNames(pluginsPath, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkName(args[0]); err != nil {
				return err
			}
			c, err := a.client(quick)
			if err != nil {
				return err
			}
			ctx, stop := a.interruptible(cmd)
			defer stop()
			answer, err := c.do(ctx, http.MethodGet, pluginPath(args[0])+suffix, "", nil)
			if err != nil {
				return err
			}
			return a.show(answer.body)
		},
	}
}

// pluginLogs shows what a plugin wrote. The host has made it printable.
func (a *app) pluginLogs() *cobra.Command {
	return &cobra.Command{
		Use: "logs <name>", Short: "Show what a plugin logged last", Args: takes(1, 1), ValidArgsFunction: a.completeNames(pluginsPath, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkName(args[0]); err != nil {
				return err
			}
			c, err := a.client(quick)
			if err != nil {
				return err
			}
			ctx, stop := a.interruptible(cmd)
			defer stop()
			answer, err := c.do(ctx, http.MethodGet, pluginPath(args[0])+"/logs", "", nil)
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
		},
	}
}

func (a *app) pluginRegister() *cobra.Command {
	return &cobra.Command{
		Use:   "register <name> <function>...",
		Short: "Say which functions a plugin has",
		Long:  "Says which functions a plugin has. The list replaces the one it had, and is kept.",
		Args:  takes(2, -1), ValidArgsFunction: a.completeNames(pluginsPath, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkName(args[0]); err != nil {
				return err
			}
			c, err := a.client(quick)
			if err != nil {
				return err
			}
			ctx, stop := a.interruptible(cmd)
			defer stop()
			answer, err := c.send(ctx, http.MethodPost, pluginPath(args[0])+"/register", map[string][]string{"functions": args[1:]})
			return a.say(answer, args[0], err)
		},
	}
}

func (a *app) pluginDrop() *cobra.Command {
	return &cobra.Command{
		Use:   "drop <name>...",
		Short: "Remove plugins",
		Long:  "Removes plugins. All that are named are tried; the exit code is that of the first that could not be dropped.",
		Args:  takes(1, -1), ValidArgsFunction: a.completeNames(pluginsPath, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(quick)
			if err != nil {
				return err
			}
			ctx, stop := a.interruptible(cmd)
			defer stop()
			var faults []error
			for _, name := range args {
				if err = checkName(name); err == nil {
					var answer answer
					answer, err = c.do(ctx, http.MethodDelete, pluginPath(name), "", nil)
					err = a.say(answer, name, err)
				}
				if err != nil {
					faults = append(faults, err)
				}
			}
			return errors.Join(faults...)
		},
	}
}

// say tells what an operation did, in the host's words.
func (a *app) say(answer answer, name string, err error) error {
	switch {
	case err != nil:
		return err
	case a.json:
		return writeJSON(a.out, map[string]string{"name": name, "message": string(answer.body)})
	}
	_, err = fmt.Fprintf(a.out, "%s\n", answer.body)
	return err
}

// checkName refuses what the host would refuse anyway, before it becomes part of a path.
func checkName(name string) error {
	if err := host.CheckName(name); err != nil {
		return &exitError{exitRefused, err}
	}
	return nil
}

func pluginPath(name string) string { return pluginsPath + "/" + name }
