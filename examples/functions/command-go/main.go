// Command tally reads lines from standard input and prints how often each one
// occurs, the most frequent first. It is an ordinary program: as a plugin, its
// standard input is the call's input and its standard output the answer.
//
//	tally -n 10    the ten most frequent; all of them without it
package main

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

func main() {
	most := flag.Int("n", 0, "how many lines to print; 0: all")
	flag.Parse()
	if err := tally(os.Stdout, os.Stdin, *most); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
}

// tally prints the most frequent lines of in, or all if most is 0.
func tally(out io.Writer, in io.Reader, most int) error {
	if most < 0 {
		return fmt.Errorf("-n must not be negative, got %d", most)
	}
	counts := map[string]int{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		counts[lines.Text()]++
	}
	if err := lines.Err(); err != nil {
		return err
	}
	ranked := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	if most > 0 {
		ranked = ranked[:min(most, len(ranked))]
	}
	w := bufio.NewWriter(out)
	for _, line := range ranked {
		fmt.Fprintf(w, "%d %s\n", counts[line], line)
	}
	return w.Flush()
}
