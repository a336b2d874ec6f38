// Package native is the engine "native": plugins that are shared objects for the
// host's own machine.
//
// # What is there
//
// Engine.Accept is complete: it chooses the build that is meant for this host,
// and refuses what cannot be loaded here (build.go). What it accepts can be
// installed, listed, described and dropped like any other plugin.
//
// # What is not
//
// Nothing of a build is loaded or run: the module that Engine.Load gives answers
// each call with host.CodeUnavailable (unrun.go). A package of functions that
// also has a build for the sandbox is left to it therefore, whatever engine its
// manifest prefers.
package native
