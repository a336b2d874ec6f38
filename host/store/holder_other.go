//go:build !linux

package store

import "os"

// lockHolder is known on Linux only.
func lockHolder(*os.File) string { return "" }
