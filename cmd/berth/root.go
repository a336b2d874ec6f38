package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// app is one run of the command: what it was given, and what its flags say.
type app struct {
	args    []string
	environ []string
	in      io.Reader
	out     io.Writer
	errOut  io.Writer

	json    bool   // --json
	host    string // --host
	timeout string // --timeout of the commands that talk to a host; empty: the command's own
	id      identity

	// ran tells that a command began: errors before that are the command line's.
	ran bool
}

func (a *app) execute(ctx context.Context) exitCode {
	root := a.rootCommand()
	root.SetArgs(shieldNumbers(a.args))
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	code := exitOf(err)
	if !a.ran && code == exitFailure {
		code = exitUsage
	}
	a.report(cmd, code, err)
	return code
}

// report writes what went wrong on stderr, as JSON if that was asked for.
func (a *app) report(cmd *cobra.Command, code exitCode, err error) {
	if a.json {
		failure := struct {
			Exit    exitCode `json:"exit"`
			Status  int      `json:"status,omitempty"`
			Error   int      `json:"error,omitempty"`
			Message string   `json:"message"`
		}{Exit: code, Message: err.Error()}
		var answer *answerError
		if errors.As(err, &answer) {
			failure.Status, failure.Error = answer.status, answer.number
		}
		_ = writeJSON(a.errOut, failure)
		return
	}
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	fmt.Fprintf(a.errOut, "berth: %s\n", strings.Join(lines, "\n"))
	if code == exitUsage {
		fmt.Fprintf(a.errOut, "See %s --help.\n", cmd.CommandPath())
	}
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "berth",
		Short: "Host plugins, and talk to a host",
		Long: `Berth is a plugin host for the edge: it installs plugins and calls what is in them.

  berth serve                                run the host on 127.0.0.1:9081, its data in ./data
  berth plugin create toolbox toolbox.zip    install a plugin
  berth invoke geohash 48.2 16.37 5          call one of its functions`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun:           func(*cobra.Command, []string) { a.ran = true },
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 100"))
	root.AddCommand(a.serveCommand(), a.configCommand(), a.pluginCommand(), a.invokeCommand(), a.exportCommand(), a.importCommand(),
		a.backupCommand(), a.restoreCommand(), a.uploadCommand(), a.stopCommand(), a.packCommand(), a.buildPluginCommand(),
		a.keygenCommand(), a.signCommand(), a.verifyCommand(), a.tokenCommand(), a.versionCommand(), exitCodesTopic())
	return root
}

// exitCodesTopic is the page that `berth help exit-codes` shows.
func exitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long:  "Every command ends with one of these codes:\n\n" + exitTable(),
	}
}

// noArguments refuses arguments, in words that do not take them for commands.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, but there is %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// jsonFlag gives a command, and those below it, --json.
func (a *app) jsonFlag(cmd *cobra.Command) {
	cmd.PersistentFlags().BoolVar(&a.json, "json", false, "write JSON, for scripts; failures too, on stderr")
}

// interruptible is the context of a command that a signal ends.
func (a *app) interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
}

// writeJSON writes v indented, with a newline, and < > & as they are.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
