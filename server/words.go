package server

import (
	"fmt"

	"berth/host"
)

// What eKuiper says of plugins, in its words, which clients know: one way for
// sources, sinks and functions, another for portables and wasm.

// label is how eKuiper calls a plugin of the kind.
func label(kind host.Kind) string {
	if kind == host.Portables {
		return "portable"
	}
	return kind.String()
}

// isNative tells eKuiper's native kinds.
func isNative(kind host.Kind) bool {
	return kind == host.Functions || kind == host.Sources || kind == host.Sinks
}

func undecoded(kind host.Kind, err error) string {
	return fmt.Sprintf("Invalid body: Error decoding the %s plugin json: %v", label(kind), err)
}

func created(kind host.Kind, name string) string {
	return fmt.Sprintf("%s plugin %s is created", label(kind), name)
}

func createFailed(kind host.Kind, err error) string {
	if isNative(kind) {
		return fmt.Sprintf("%s plugins create command error: %s", kind, host.Cause(err))
	}
	return fmt.Sprintf("%s plugin create command error: %s", label(kind), host.Cause(err))
}

func updated(kind host.Kind, name string) string {
	if isNative(kind) {
		return fmt.Sprintf("plugin %s is updated and serves now.", name)
	}
	return fmt.Sprintf("%s plugin %s is updated", label(kind), name)
}

func updateFailed(kind host.Kind, err error) string {
	if isNative(kind) {
		return createFailed(kind, err)
	}
	return fmt.Sprintf("%s plugin update command error: %s", label(kind), host.Cause(err))
}

func updateAbsent(kind host.Kind, name string) string {
	return fmt.Sprintf("update %s plugin %s error, cannot delete old version: invalid name %s: not exist", label(kind), name, name)
}

func deleted(kind host.Kind, name string, stopping bool) string {
	switch {
	case stopping:
		return fmt.Sprintf("%s plugin %s is deleted and Berth will be stopped", label(kind), name)
	case isNative(kind):
		return fmt.Sprintf("%s plugin %s is deleted.", kind, name)
	}
	return fmt.Sprintf("%s plugin %s is deleted", label(kind), name)
}

func deleteFailed(kind host.Kind, name string, err error) string {
	cause := host.Cause(err)
	if kind == host.Portables && host.CodeOf(err) == host.CodeNotFound {
		cause = fmt.Sprintf("portable plugin %s is not found", name)
	}
	return fmt.Sprintf("delete %s plugin %s error: %s", label(kind), name, cause)
}

func describeFailed(kind host.Kind, name string, err error) string {
	return fmt.Sprintf("describe %s plugin %s error: %s", label(kind), name, host.Cause(err))
}

func statusFailed(kind host.Kind, name string, err error) string {
	if kind == host.Portables {
		return fmt.Sprintf("portable plugin %s not found: %s", name, host.Cause(err))
	}
	return fmt.Sprintf("status of %s plugin %s error: %s", label(kind), name, host.Cause(err))
}
