//go:build !linux || !cgo

package goplugin

import (
	"runtime"

	"berth/host"
)

var errUnsupported = host.Fail(host.CodeInvalid, "Go plugins need a host built with cgo (CGO_ENABLED=1) on Linux, and this one is a build for %s/%s without: "+
	"use such a host, or add a .wasm build to the package", runtime.GOOS, runtime.GOARCH)

// load says that there is no loading here.
func load(string) (symbols, error) { return nil, errUnsupported }
