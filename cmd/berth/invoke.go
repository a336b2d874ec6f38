package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/host"
)

func (a *app) invokeCommand() *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Use:   "invoke <function> [argument... | -]",
		Short: "Call a function",
		Long: `Calls a function and writes its answer.

Functions take either a JSON array of arguments or bytes as they are. The host is asked which; if it does not tell, a
JSON array is meant. The arguments become that array: what is JSON is taken as it is, anything else becomes a string, so
1 is a number, '"1"' and one are strings. For functions that take bytes, and for any with --raw, the one argument is sent
as it is.

With "-", what comes on standard input is sent as it is, and the host is not asked: for a function that takes JSON it
must be the whole array.

JSON answers are ended with a line feed, others are written as they are. With --json the answer is written as
{"result": ...}, or {"bytes": "<base64>"} if it is not JSON.`,
		Example: `  berth invoke geohash 48.2 16.37 5
  berth invoke resize - < in.png > out.png
  berth invoke --raw echo 'as it is'`,
		Args:              takes(1, -1),
		ValidArgsFunction: a.completeNames(functionsPath, 1),
	}
	a.hostFlags(cmd)
	cmd.Flags().BoolVar(&raw, "raw", false, "send the one argument as it is")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args = unshield(args)
		function, args := args[0], args[1:]
		if err := checkName(function); err != nil {
			return err
		}
		c, err := a.client(quick)
		if err != nil {
			return err
		}
		ctx, stop := a.interruptible(cmd)
		defer stop()
		kind, input, err := a.input(ctx, c, function, args, raw)
		var answer answer
		if err == nil {
			answer, err = c.do(ctx, http.MethodPost, "/invoke/"+function, kind, input)
		}
		switch {
		case err == nil:
		case exitOf(err) == exitNotFound:
			return fmt.Errorf("%w; \"berth plugin list -l\" shows what there is", err)
		default:
			return err
		}
		return a.writeResult(answer)
	}
	return cmd
}

// input makes the body of the call, and says what it is.
func (a *app) input(ctx context.Context, c *client, function string, args []string, raw bool) (kind string, body []byte, err error) {
	const bytesKind, jsonKind = "application/octet-stream", "application/json"
	if len(args) == 1 && args[0] == "-" {
		body, err = io.ReadAll(a.in)
		if err != nil {
			return "", nil, fmt.Errorf("standard input: %w", err)
		}
		kind = bytesKind
		if !raw && json.Valid(body) {
			kind = jsonKind
		}
		return kind, body, nil
	}
	if !raw {
		encoding, err := askEncoding(ctx, c, function)
		if err != nil {
			return "", nil, err
		}
		raw = encoding == host.EncodingRaw
	}
	switch {
	case !raw:
		return jsonKind, jsonArguments(args), nil
	case len(args) > 1:
		return "", nil, fail(exitUsage, "%d arguments: the function takes bytes as they are, so give it one, or - for standard input", len(args))
	case len(args) == 1:
		body = []byte(args[0])
	}
	return bytesKind, body, nil
}

// askEncoding asks the host what a function takes. A host that does not tell is taken to mean JSON, as eKuiper's
// functions do.
func askEncoding(ctx context.Context, c *client, function string) (host.Encoding, error) {
	var described struct {
		Encoding host.Encoding `json:"encoding"`
	}
	described.Encoding = host.EncodingJSON
	_, err := c.get(ctx, functionsPath+"/"+function, &described)
	if exitOf(err) == exitNotFound {
		err = nil // the call says that better
	}
	return described.Encoding, err
}

// jsonArguments makes a JSON array of arguments: JSON is taken as it is, anything else becomes a string.
func jsonArguments(args []string) []byte {
	b := []byte{'['}
	for i, arg := range args {
		if i > 0 {
			b = append(b, ',')
		}
		if value := bytes.TrimSpace([]byte(arg)); json.Valid(value) {
			b = append(b, value...)
			continue
		}
		quoted, _ := json.Marshal(arg) // a string always can be
		b = append(b, quoted...)
	}
	return append(b, ']')
}

func (a *app) writeResult(answer answer) error {
	isJSON := answer.kind == "application/json"
	switch {
	case a.json && isJSON:
		return writeJSON(a.out, map[string]json.RawMessage{"result": answer.body})
	case a.json:
		return writeJSON(a.out, map[string][]byte{"bytes": answer.body})
	}
	out := answer.body
	if isJSON && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	_, err := a.out.Write(out)
	return err
}

// shield marks an argument that is none of the flag parser's business.
const shield = "\x00"

// shieldNumbers keeps negative numbers among the arguments of invoke from being taken for flags: `berth invoke add -1 2`
// means what it says. unshield takes the marks off. No real argument holds a zero byte.
func shieldNumbers(args []string) []string {
	begin := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })
	if begin < 0 || args[begin] != "invoke" {
		return args
	}
	args = slices.Clone(args)
	for i := begin + 1; i < len(args); i++ {
		arg, before := args[i], args[i-1]
		if len(arg) > 1 && arg[0] == '-' && json.Valid([]byte(arg)) && before != "--host" && before != "--timeout" {
			args[i] = shield + arg
		}
	}
	return args
}

func unshield(args []string) []string {
	plain := make([]string, len(args))
	for i, arg := range args {
		plain[i] = strings.TrimPrefix(arg, shield)
	}
	return plain
}
