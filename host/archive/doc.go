// Package archive fetches the zip of a plugin package and unpacks it without trusting a byte of it.
//
// The way of a package through it:
//
//	uri ── CheckURI ── Fetch ──> zip file, size, digest ── Unpack ──> a folder of regular files
//
// What is refused is refused whole: an archive with one bad entry is a bad archive, and the error names the entry.
// The work is done in an order that costs little when the archive is hostile:
//
//  1. the central directory is walked in constant memory and counted (directory.go), before archive/zip reads it whole;
//  2. every header is judged: name, type, method, sizes, places in the file (names.go, plan.go); nothing is written yet;
//  3. folders, then files are written through an [os.Root], held to what their headers said, and synced (unpack.go).
//
// Where files may come from is the operator's choice (sources.go): schemes and hosts are checked for the URI and each redirect,
// addresses when a connection is made.
//
// The package knows nothing of plugins, but for the names of folders that belong to packages and must not be taken for
// an enclosing one. It starts no goroutine that outlives a call, and all of its functions are safe for concurrent use.
package archive
