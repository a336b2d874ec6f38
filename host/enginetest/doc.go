// Package enginetest tests implementations of host.Engine, as testing/fstest
// does for file systems: each engine runs the same suite over the same plugin,
// built its way, so that a plugin behaves the same whatever runs it.
//
//	func TestEngine(t *testing.T) {
//		enginetest.Run(t, enginetest.Subject{Engine: ..., Package: ..., ...})
//	}
//
// The suite sleeps nowhere: it waits for conditions with WaitFor. Only what is
// a time by nature (a deadline, the wait for a free instance) takes time.
//
// WaitFor, TimeFrom, NoGoroutines and HeapInUse serve other tests as well, and
// so do OpenHost, Pack, Unpack and Installed, for tests of an engine in a host.
package enginetest
