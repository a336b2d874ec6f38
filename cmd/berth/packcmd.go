package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"berth/host"
)

func (a *app) packCommand() *cobra.Command {
	var p packing
	var tree string
	cmd := &cobra.Command{
		Use:   "pack <folder>",
		Short: "Make a package of a folder, or a plugin host of many packages",
		Long: `Makes a package, a zip, of what lies in a folder, and checks it as a host would. The same files make the same zip, to the
byte.

Packed is what packages are known to hold: <name>.json (the manifest), <name>.wasm, <Name>[@<version>].so and those of
other targets in <os>-<arch>/, the executable that the manifest names, <name>.yaml, install.sh, and the folders sources,
sinks, functions and etc. What is left out is said; --all packs everything but hidden files.

The plugin's name is that of the .wasm, manifest or .so in the folder, else the folder's, unless --name gives one.

With --index, and with or without a folder to pack first, it makes a plugin host of a tree of packages, which any web
server can serve: it writes an index.json into each of its folders

  <tree>/kuiper-plugins/<version>/<system>/<kind>/

where <kind> is functions, sources or sinks; those of the three that are missing beside another it makes, with an empty
index. A package is called <name>_<arch>.zip (arm64, say, as Go names it), or <name>.zip if it runs everywhere, as
WebAssembly does. Every package is checked; if one is faulty no index is written. Hosts with this tree in their key
plugin-hosts list it: "berth plugin prebuilt <kind>".`,
		Example: `  berth pack toolbox -o toolbox.zip
  berth pack toolbox -o tree/kuiper-plugins/2.4.0/debian/functions/toolbox.zip --index tree
  berth pack --index tree`,
		Args: func(cmd *cobra.Command, args []string) error {
			if tree != "" && len(args) == 0 {
				return nil
			}
			return takes(1, 1)(cmd, args)
		},
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
	cmd.Flags().StringVar(&tree, "index", "", "`tree` of packages to write the indexes of")
	_ = cmd.MarkFlagFilename("output", "zip")
	_ = cmd.MarkFlagDirname("index")
	a.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := a.interruptible(cmd)
		defer stop()
		if len(args) == 0 {
			if p != (packing{}) {
				return fail(exitUsage, "--output, --name and --all are about a folder to pack, and none is given")
			}
			return a.index(ctx, tree)
		}
		p.dir = args[0]
		return a.pack(ctx, p, tree)
	}
	return cmd
}

// pack makes a package, and then the indexes of tree if that is not empty.
func (a *app) pack(ctx context.Context, p packing, tree string) error {
	made, err := p.run(ctx)
	if err != nil {
		return err
	}
	if !a.json {
		made.notes(a.errOut)
		for _, file := range made.Packed {
			fmt.Fprintf(a.out, "  %s\n", printable(file))
		}
		fmt.Fprintf(a.out, "packed %s (%v) of plugin %s, sha256 %s\n", made.File, host.Bytes(made.Size), made.Name, made.Digest)
	}
	if tree != "" {
		if made.Indexes, err = indexTree(ctx, tree); err != nil {
			return err
		}
	}
	if a.json {
		return writeJSON(a.out, made)
	}
	return a.sayIndexed(made.Indexes)
}

// index makes the indexes of a tree alone.
func (a *app) index(ctx context.Context, tree string) error {
	indexes, err := indexTree(ctx, tree)
	if err != nil {
		return err
	}
	if a.json {
		return writeJSON(a.out, map[string][]indexed{"indexes": indexes})
	}
	return a.sayIndexed(indexes)
}

func (a *app) sayIndexed(indexes []indexed) error {
	for _, index := range indexes {
		packages := "packages"
		if len(index.Plugins) == 1 {
			packages = "package"
		}
		if _, err := fmt.Fprintf(a.out, "wrote %s (%d %s)\n", index.File, len(index.Plugins), packages); err != nil {
			return err
		}
	}
	return nil
}
