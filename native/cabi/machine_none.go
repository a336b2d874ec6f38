//go:build !cgo && !(linux && (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64))

package cabi

import (
	"fmt"
	"runtime"
)

// machine names the way to the library.
const machine = "nothing"

// openLibrary always fails, so that nothing else here is ever called.
func openLibrary(string) (uintptr, error) {
	return 0, fmt.Errorf("a host for %s/%s that was built without cgo cannot call C: build it with CGO_ENABLED=1", runtime.GOOS, runtime.GOARCH)
}

func isLoaded(string) bool           { return false }
func closeLibrary(uintptr) error     { return nil }
func symbol(uintptr, string) uintptr { return 0 }
func allocate(uintptr) uintptr       { return 0 }
func release(uintptr)                {}
func newHost(uintptr) uintptr        { return 0 }
func newStream(uintptr) uintptr      { return 0 }
func closeObject(_, _ uintptr)       {}

func (*frame) call(_, _ uintptr, _, _ []byte) int32  { return codeFailed }
func (*frame) openObject(uintptr, []byte) int32      { return codeFailed }
func (*frame) openPart(_, _ uintptr, _ []byte) int32 { return codeFailed }
func (*frame) start(_, _, _ uintptr) int32           { return codeFailed }
