// Command toolbox is a Berth plugin of three functions: geohash, pick and
// convert. abi.go is the glue to the host, call.go reads arguments; the
// functions know of neither wasm nor the host, and are tested natively.
package main

// main must be there and is never called: built with -buildmode=c-shared the
// program is a library.
func main() {}
