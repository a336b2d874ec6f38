// Package peers measures Berth beside its peers: the same plugin, called the
// same way, in one run. It is a module of its own, so that what the peers need
// does not become something that Berth needs.
//
//	go test -run "^$" -bench . -count 6
//
// The peer is the Extism Go SDK, on the wazero that Berth uses. The plugins are
// examples/functions/extism-c, which is as little as an Extism plugin can be, so
// that the host's share of a call is what is seen, and extism-go, which is what
// plugin authors write.
package peers
