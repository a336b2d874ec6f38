// Plugin initpanic panics when it is loaded.
package main

import "os"

func init() {
	if len(os.Args) > 0 {
		panic("not on this host")
	}
}

func main() {}
