// Command mirror is the program of the portable plugin "mirror" in the
// conformance test. Berth checks it at install and does not start it yet; by
// hand, it copies its input to its output.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "mirror:", err)
		os.Exit(1)
	}
}
