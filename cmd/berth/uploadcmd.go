package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"berth/host"
)

const uploadsPath = "/config/uploads"

func (a *app) uploadCommand() *cobra.Command {
	cmd := a.groupCommand("upload", "Put files on a host, to install packages from there")
	cmd.AddCommand(a.uploadAdd(), a.uploadList(), a.uploadDrop())
	return cmd
}

func (a *app) uploadAdd() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "add <file>",
		Short: "Put a file on a host",
		Long: `Puts a file on a host, in the place of one of the same name, and writes the path that it has there. A URI of that path is
a package to the host:

  berth plugin create tiny file://$(berth upload add tiny.zip)

To install a package once, "berth plugin create --upload" is simpler.`,
		Args: takes(1, 1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "`name` that the file gets on the host (default its own)")
	_ = cmd.RegisterFlagCompletionFunc("name", cobra.NoFileCompletions)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if name == "" {
			name = filepath.Base(args[0])
		}
		if err := checkFileName(name); err != nil {
			return err
		}
		c, err := a.client(installing)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		answer, err := c.upload(ctx, http.MethodPost, uploadsPath+"?"+url.Values{"name": {name}}.Encode(), zipType, args[0])
		switch {
		case err != nil:
			return err
		case a.json:
			return writeJSON(a.out, map[string]string{"name": name, "path": string(answer.body)})
		}
		_, err = fmt.Fprintf(a.out, "%s\n", answer.body)
		return err
	}
	return cmd
}

func (a *app) uploadList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the files that were put on a host, by their paths there", Args: noArguments, ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client(quick)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		paths := []string{}
		if _, err := c.get(ctx, uploadsPath, &paths); err != nil {
			return err
		}
		if a.json {
			return writeJSON(a.out, paths)
		}
		for _, path := range paths {
			fmt.Fprintln(a.out, printable(path))
		}
		return nil
	}
	return cmd
}

func (a *app) uploadDrop() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drop <name>...",
		Short: "Remove files that were put on a host",
		Long: `Removes files that were put on a host. Plugins that were installed from them stay. All that are named are tried; the exit
code is that of the first that could not be removed.`,
		Args: takes(1, -1),
	}
	cmd.ValidArgsFunction = a.complete(-1, uploadNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client(quick)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		var faults []error
		for _, name := range args {
			if err = checkFileName(name); err == nil {
				var answer answer
				answer, err = c.do(ctx, http.MethodDelete, uploadsPath+"/"+url.PathEscape(name), "", nil)
				answer.body = []byte(fmt.Sprintf("file %s is removed", name)) // the host says "ok", as eKuiper does
				err = a.say(answer, name, err)
			}
			if err != nil {
				faults = append(faults, err)
			}
		}
		return errors.Join(faults...)
	}
	return cmd
}

func uploadNames(ctx context.Context, c *client) (names []string, err error) {
	_, err = c.get(ctx, uploadsPath, &names)
	for i := range names {
		names[i] = path.Base(names[i])
	}
	return names, err
}

// checkFileName refuses what the host would refuse anyway, before any of the file is sent.
func checkFileName(name string) error {
	if err := host.CheckFileName(name); err != nil {
		return &exitError{exitRefused, err}
	}
	return nil
}
