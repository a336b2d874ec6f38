package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"berth/host"
)

func (a *app) exportCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write down what is installed, for \"berth import\"",
		Long: `Writes what would install every plugin again, as JSON in eKuiper's shape: names, the URIs that packages came from, lists of
functions, parameters of install.sh. The packages themselves are not in it: of those that did not come from a URI a
warning tells.`,
		Example: `  berth export -o plugins.json
  berth export --host http://10.0.0.7:9081 | berth import --host http://10.0.0.8:9081 --partial -`,
		Args: noArguments, ValidArgsFunction: cobra.NoFileCompletions,
	}
	a.hostFlags(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "", "the `file` to write (default standard output)")
	_ = cmd.MarkFlagFilename("output", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client(quick)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		var whole map[string]map[string]string
		answer, err := c.get(ctx, "/data/export", &whole)
		if err != nil {
			return err
		}
		for _, name := range withoutURI(whole) {
			fmt.Fprintf(a.errOut, "warning: %s came from no URI: another host cannot fetch it, so bring it there yourself\n", printable(name))
		}
		write := func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s\n", answer.body)
			return err
		}
		if out == "" {
			return write(a.out)
		}
		return replaceFile(out, 0o600, write) // URIs may have passwords in them
	}
	return cmd
}

// withoutURI tells which plugins of an export cannot be fetched from where they came from, sorted.
func withoutURI(whole map[string]map[string]string) (names []string) {
	for _, part := range sortedKeys(whole) {
		for _, key := range sortedKeys(whole[part]) {
			var request struct{ File *string }
			if json.Unmarshal([]byte(whole[part][key]), &request) == nil && request.File != nil && !strings.Contains(*request.File, "://") {
				names = append(names, exported(part, key))
			}
		}
	}
	return names
}

// exported is what an entry of an export is called elsewhere: "functions/echo" for functions_echo of nativePlugins.
func exported(part, key string) string {
	kind, name, native := strings.Cut(key, "_")
	switch {
	case part == "nativePlugins" && native:
		return kind + "/" + name
	case part == "portablePlugins":
		return host.Portables.String() + "/" + key
	case part == "wasmPlugins":
		return host.Wasm.String() + "/" + key
	}
	return part + "/" + key
}

func (a *app) importCommand() *cobra.Command {
	var partial, stopHost bool
	cmd := &cobra.Command{
		Use:   "import <file> | -",
		Short: "Install what \"berth export\" wrote down",
		Long: `Makes the plugins of a host those of an export, which is read from a file or, with "-", from standard input: they are
installed, or updated if they are there, and plugins that are not in the export are dropped. With --partial, plugins are
installed that are not there yet, and all others are left alone.

What fails is reported by plugin; the others are imported all the same, and nothing is dropped then.`,
		Args: takes(1, 1), ValidArgsFunction: completeFile("json"),
	}
	a.hostFlags(cmd)
	cmd.Flags().BoolVar(&partial, "partial", false, "install what is not there yet, and leave the others alone")
	cmd.Flags().BoolVar(&stopHost, "stop", false, "end the host afterwards with exit code 100, for its supervisor to start it again")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		content, err := a.readInput(args[0])
		if err != nil {
			return err
		}
		c, err := a.client(installing)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		failed, err := c.imports(ctx, content, partial, stopHost)
		switch {
		case err != nil:
			return err
		case a.json:
			err = writeJSON(a.out, map[string]any{"failed": failed})
		case len(failed) == 0:
			_, err = fmt.Fprintln(a.out, "everything is imported")
		}
		return errors.Join(err, failures(failed))
	}
	return cmd
}

// imports sends an export to the host. What could not be imported is returned by plugin, with the reason.
func (c *client) imports(ctx context.Context, content []byte, partial, stop bool) (failed map[string]string, err error) {
	query := url.Values{}
	if partial {
		query.Set("partial", "1")
	}
	if stop {
		query.Set("stop", "1")
	}
	failed = map[string]string{}
	_, err = c.send(ctx, http.MethodPost, "/data/import?"+query.Encode(), map[string]string{"content": string(content)})
	var refused *answerError
	if !errors.As(err, &refused) {
		return failed, err
	}
	var faults map[string]map[string]string // in the shape of the export
	if json.Unmarshal([]byte(refused.message), &faults) != nil {
		return failed, err
	}
	for part, entries := range faults {
		for key, fault := range entries {
			failed[exported(part, key)] = fault
		}
	}
	if len(failed) == 0 {
		return failed, err
	}
	return failed, nil
}

// readInput reads a file, or standard input if it is called "-".
func (a *app) readInput(file string) (data []byte, err error) {
	if file == "-" {
		if data, err = io.ReadAll(a.in); err != nil {
			err = fmt.Errorf("standard input: %w", err)
		}
		return data, err
	}
	if data, err = os.ReadFile(file); err != nil {
		err = fail(exitUsage, "%w", err)
	}
	return data, err
}
