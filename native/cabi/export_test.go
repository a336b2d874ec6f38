package cabi

import "context"

// Bare calls a function of a library and nothing else: what a call of C costs in
// this build. done ends it.
func Bare(l *Library, name string) (call func(in, spare []byte) (length int), done func()) {
	e := l.about.functions[name]
	s, err := l.newSlot(context.Background())
	if err != nil {
		panic(err)
	}
	return func(in, spare []byte) int {
		s.frame.call(e.call, s.self, in, spare)
		return int(s.frame.outLength)
	}, s.free
}
