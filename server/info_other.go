//go:build !linux

package server

import "time"

// These are only known on Linux; / leaves out what is not known.

func residentMemory() (int64, bool)        { return 0, false }
func totalMemory() (int64, bool)           { return 0, false }
func processorTime() (time.Duration, bool) { return 0, false }
