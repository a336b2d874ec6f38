package main

import (
	"context"
	"io"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run runs one command and returns its exit code. Ending ctx ends it as the first signal would. environ is the whole
// environment, not a lookup: a misspelt BERTH_ variable must be found, not overlooked.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{args: args, environ: environ, in: stdin, out: stdout, errOut: stderr}
	return int(a.execute(ctx))
}
