package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"berth/host"
)

// installation is what create and update ask for, beside the package.
type installation struct {
	kind       host.Kind
	functions  []string
	shellParas []string
	upload     bool
	trust      trustFlags
}

func (a *app) pluginCreate() *cobra.Command {
	return a.installCommand("create", "Install a plugin", http.MethodPost)
}

func (a *app) pluginUpdate() *cobra.Command {
	return a.installCommand("update", "Put another version of a plugin in the place of an installed one", http.MethodPut)
}

// installCommand is create (POST) or update (PUT): both send the same to different routes.
func (a *app) installCommand(use, short, method string) *cobra.Command {
	var in installation
	cmd := &cobra.Command{
		Use:   use + " <name> <package>",
		Short: short,
		Long: short + `.

The package is a zip file, a folder or a URL (http, https, file). The host fetches what a URL names, and reads a zip file
itself when it runs on this machine. When it does not, and with --upload, the zip is sent to it. A folder is packed as
"berth pack" does it, and sent. A signature that lies beside a zip is sent with it.`,
		Example: `  berth plugin ` + use + ` toolbox toolbox.zip
  berth plugin ` + use + ` toolbox ./toolbox --host http://10.0.0.7:9081
  berth plugin ` + use + ` mirror https://plugins.example.com/mirror.zip --kind portables`,
		Args: takes(2, 2),
	}
	kindFlag(cmd, &in.kind, elseFunctions)
	cmd.Flags().StringSliceVar(&in.functions, "functions", nil, "`names` of its functions, with commas (default: what the package says)")
	cmd.Flags().StringArrayVar(&in.shellParas, "shell-para", nil, "`parameter` for the package's install.sh; once for each")
	cmd.Flags().BoolVar(&in.upload, "upload", false, "send the zip file, also to a host that could read it itself")
	for _, flag := range []string{"functions", "shell-para"} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions)
	}
	in.trust.add(cmd)
	names := a.completePlugins(&in.kind, 1)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch {
		case len(args) == 1:
			return nil, cobra.ShellCompDirectiveDefault
		case method == http.MethodPut:
			return names(cmd, args, prefix)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		if err := checkName(name); err != nil {
			return err
		}
		signature, err := in.trust.signature()
		if err != nil {
			return err
		}
		c, err := a.client(installing)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		p, err := a.parcel(ctx, c, name, args[1], in.upload)
		if err != nil {
			return err
		}
		defer p.remove()
		if signature != "" {
			p.signature = signature
		}
		answer, err := in.send(ctx, c, method, name, p)
		if err := a.say(answer, name, in.hint(ctx, c, method, name, p, err)); err != nil || a.json {
			return err
		}
		return a.sayInstalled(ctx, c, in.kind, name)
	}
	return cmd
}

// send asks for it: the package by its URI in JSON, or as the body with all else in the query.
func (in installation) send(ctx context.Context, c *client, method, name string, p parcel) (answer, error) {
	path := pluginsPath(in.kind)
	if method == http.MethodPut {
		path = pluginPath(in.kind, name)
	}
	if p.file == "" {
		return c.send(ctx, method, path, struct {
			Name       string   `json:"name"`
			File       string   `json:"file"`
			SHA256     string   `json:"sha256,omitempty"`
			Signature  string   `json:"signature,omitempty"`
			Functions  []string `json:"functions,omitempty"`
			ShellParas []string `json:"shellParas,omitempty"`
		}{name, p.uri, in.trust.sha256, p.signature, in.functions, in.shellParas})
	}
	query := url.Values{"name": {name}, "functions": in.functions, "shellParas": in.shellParas}
	if in.trust.sha256 != "" {
		query.Set("sha256", in.trust.sha256)
	}
	if p.signature != "" {
		query.Set("signature", p.signature)
	}
	return c.upload(ctx, method, path+"?"+query.Encode(), zipType, p.file)
}

// hint adds to an error what to do, where the host's words, which are eKuiper's, do not say.
func (in installation) hint(ctx context.Context, c *client, method, name string, p parcel, err error) error {
	switch {
	case err == nil:
		return nil
	case method == http.MethodPost && strings.HasSuffix(err.Error(), ": duplicate"):
		return fmt.Errorf("%w; \"berth plugin update\" replaces it", err)
	case method == http.MethodPut && exitOf(err) == exitNotFound:
		if elsewhere := c.elsewhere(ctx, in.kind, name, err); elsewhere.Error() != err.Error() {
			return elsewhere
		}
		return fmt.Errorf("%w; \"berth plugin create\" installs it", err)
	case p.ours && strings.Contains(err.Error(), "fail to download file"):
		return fmt.Errorf("%w; with --upload the file is sent instead", err)
	}
	return err
}

// sayInstalled shows what came of a package: what its author most often gets wrong can be seen there.
func (a *app) sayInstalled(ctx context.Context, c *client, kind host.Kind, name string) error {
	var has struct{ Functions, Sources, Sinks []string }
	if _, err := c.get(ctx, pluginPath(kind, name), &has); err != nil {
		return err
	}
	var status struct {
		ErrMsg   string
		Module   struct{ Form string }
		Warnings []string
	}
	if _, err := c.get(ctx, pluginPath(kind, name)+"/status", &status); err != nil {
		return err
	}
	form := ""
	if status.Module.Form != "" {
		form = " (" + printable(status.Module.Form) + ")"
	}
	for _, part := range []struct {
		what  string
		names []string
	}{{"functions", has.Functions}, {"sources", has.Sources}, {"sinks", has.Sinks}} {
		if len(part.names) > 0 {
			fmt.Fprintf(a.out, "%s: %s%s\n", part.what, printable(strings.Join(part.names, ", ")), form)
			form = ""
		}
	}
	if status.ErrMsg != "" {
		status.Warnings = append(status.Warnings, status.ErrMsg)
	}
	for _, warning := range status.Warnings {
		fmt.Fprintf(a.out, "warning: %s\n", printable(warning))
	}
	return nil
}

// zipType is the Content-Type of a body that is streamed to the host's disk.
const zipType = "application/zip"

// parcel is how a package comes to the host: by a URI from which it is fetched, or as a file of ours.
type parcel struct {
	uri       string
	file      string // to be sent; empty: uri
	ours      bool   // uri names a file that lies here
	signature string // that lies beside the file
	remove    func() // to be called when the host has it
}

// parcel finds the package that the user names.
func (a *app) parcel(ctx context.Context, c *client, name, given string, upload bool) (parcel, error) {
	p := parcel{remove: func() {}}
	if strings.Contains(given, "://") {
		if upload {
			return p, fail(exitUsage, "--upload: what %s names is fetched by the host: give a zip file or a folder", given)
		}
		p.uri = given
		return p, nil
	}
	info, err := os.Stat(given)
	switch {
	case err != nil:
		return p, fail(exitUsage, "%w: give a zip file, a folder or a URL", err)
	case info.IsDir():
		p.file, p.remove, err = a.packTemporary(ctx, name, given)
		return p, err
	case !strings.HasSuffix(given, ".zip"):
		return p, fail(exitUsage, "%s does not end in .zip: a package is a zip file; \"berth pack\" makes one of a folder", given)
	case upload || !c.local:
		p.file = given
		p.signature, err = signatureBeside(given)
		return p, err
	}
	path, err := filepath.Abs(given)
	p.uri, p.ours = (&url.URL{Scheme: "file", Path: path}).String(), true
	return p, err
}

// packTemporary packs a folder.
func (a *app) packTemporary(ctx context.Context, name, dir string) (path string, remove func(), err error) {
	temp, err := os.MkdirTemp("", "berth-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(temp) }
	made, err := packing{dir: dir, name: name, out: filepath.Join(temp, name+".zip")}.run(ctx)
	if err != nil {
		remove()
		return "", nil, err
	}
	made.notes(a.errOut)
	return made.File, remove, nil
}
