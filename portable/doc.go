// Package portable is the engine "portable": plugins that are programs of their
// own, in processes beside the host.
//
// # What is there
//
// Engine.Accept is complete: it refuses an executable that could not be started
// here (executable.go). What it accepts can be installed, listed, described and
// dropped like any other plugin.
//
// # What is not
//
// No program is started: the module that Engine.Load gives answers each call
// with host.CodeUnavailable (unrun.go).
package portable
