// Package bench measures dispatch: the same call through each layer, beside
// what the layer is compared with, in one run. docs/performance.md has the
// figures and the command for each.
//
//	make bench        the benchmarks of this package
//	make bench-http   HTTP against a bare fasthttp server, driven by wrk
package bench
