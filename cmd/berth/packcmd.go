package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"berth/host"
)

func (a *app) packCommand() *cobra.Command {
	var p packing
	cmd := &cobra.Command{
		Use:   "pack <folder>",
		Short: "Make a package of a folder",
		Long: `Makes a package, a zip, of what lies in a folder, and checks it as a host would. The same files make the same zip, to the
byte.

Packed is what packages are known to hold: <name>.json (the manifest), <name>.wasm, <Name>[@<version>].so and those of
other targets in <os>-<arch>/, the executable that the manifest names, <name>.yaml, install.sh, and the folders sources,
sinks, functions and etc. What is left out is said; --all packs everything but hidden files.

The plugin's name is that of the .wasm, manifest or .so in the folder, else the folder's, unless --name gives one.`,
		Args: takes(1, 1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().StringVarP(&p.out, "output", "o", "", "the `file` to write (default <name>.zip here)")
	cmd.Flags().StringVar(&p.name, "name", "", "`name` of the plugin")
	cmd.Flags().BoolVar(&p.all, "all", false, "pack everything but hidden files")
	_ = cmd.MarkFlagFilename("output", "zip")
	a.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.dir = args[0]
		ctx, stop := a.interruptible(cmd)
		defer stop()
		made, err := p.run(ctx)
		if err != nil {
			return err
		}
		if a.json {
			return writeJSON(a.out, made)
		}
		made.notes(a.errOut)
		for _, file := range made.Packed {
			fmt.Fprintf(a.out, "  %s\n", printable(file))
		}
		_, err = fmt.Fprintf(a.out, "packed %s (%v) of plugin %s, sha256 %s\n", made.File, host.Bytes(made.Size), made.Name, made.Digest)
		return err
	}
	return cmd
}
