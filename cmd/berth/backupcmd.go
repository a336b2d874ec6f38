package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup <file> | -",
		Short: "Save all that a running host keeps",
		Long: `Saves all that a host keeps in a zip: packages, what plugins keep themselves, their configuration, and uploads. It goes
on serving meanwhile. The file is written whole or not at all, and for its owner alone; "-" is standard output.

"berth export" writes down only which plugins there are, and where they came from.`,
		Example: `  berth backup monday.zip
  berth backup - | ssh depot 'cat >site7.zip'`,
		Args: takes(1, 1), ValidArgsFunction: completeFile("zip"),
	}
	a.hostFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client(copying)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		download := func(w io.Writer) error { return c.download(ctx, "/data/backup", w) }
		if args[0] == "-" {
			return download(a.out)
		}
		if err := replaceFile(args[0], 0o600, download); err != nil {
			return err
		}
		if a.json {
			return writeJSON(a.out, map[string]string{"file": args[0]})
		}
		_, err = fmt.Fprintf(a.out, "wrote %s\n", args[0])
		return err
	}
	return cmd
}

func (a *app) restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore <file> | -",
		Short: "Make a host what it was when a backup was made",
		Long: `Makes a host what it was when a backup was made; it goes on serving meanwhile. Each plugin of the backup is put in place
with its data, and plugins that are not in it are dropped. What fails is reported by plugin; it stays as it was, the others
are restored all the same, and nothing is dropped then. "-" is standard input.`,
		Args: takes(1, 1), ValidArgsFunction: completeFile("zip"),
	}
	a.hostFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client(copying)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		const path = "/data/restore"
		var answer answer
		if args[0] == "-" {
			answer, err = c.exchange(ctx, http.MethodPost, path, zipType, io.NopCloser(a.in), -1)
		} else {
			answer, err = c.upload(ctx, http.MethodPost, path, zipType, args[0])
		}
		if err != nil {
			return err
		}
		return a.sayChanges(answer, "restored", "dropped")
	}
	return cmd
}
