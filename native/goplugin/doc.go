// Package goplugin runs plugins written in Go against eKuiper's contract
// (github.com/lf-edge/ekuiper/contract/v2/api) and built with
// -buildmode=plugin, in the host's own process.
//
//	Check      is the file a Go plugin that fits this host? Nothing is run
//	Open       loads it, and finds its functions
//	Library    is a host.Module: functions take a JSON array of arguments
//	Opened     remembers what this process loaded; the caller owns it
//
// # What the code of a plugin can do
//
// It runs as a part of the host. A panic in a call, a constructor or an init
// function is recovered and answered. A panic in a goroutine that the plugin
// started, os.Exit, a fatal error of the runtime and a fault of C code end the
// host. A call cannot be interrupted: one that passes its deadline is answered
// when it returns. Go cannot unload code: it stays mapped until the process ends.
package goplugin
