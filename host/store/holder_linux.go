package store

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lockHolder names the process that has the file locked, as "process 42
// (berth)"; empty if the kernel does not say.
func lockHolder(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	device := uint64(stat.Dev)
	major := (device>>8)&0xfff | (device>>32)&^uint64(0xfff)
	minor := device&0xff | (device>>12)&^uint64(0xff)
	file := fmt.Sprintf("%02x:%02x:%d", major, minor, stat.Ino)
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 4242 08:01:131 0 EOF
		field := strings.Fields(line)
		if len(field) < 6 || field[1] != "FLOCK" || field[5] != file {
			continue
		}
		holder := "process " + field[4]
		if name, err := os.ReadFile("/proc/" + field[4] + "/comm"); err == nil {
			holder += " (" + strings.TrimSpace(string(name)) + ")"
		}
		return holder
	}
	return ""
}
