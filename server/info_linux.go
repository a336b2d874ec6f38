package server

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// residentMemory is the physical memory that this process uses, in bytes.
func residentMemory() (int64, bool) {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}

// totalMemory is the machine's, in bytes.
func totalMemory() (int64, bool) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte("MemTotal:")); ok {
			number, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte{' '})
			kib, err := strconv.ParseInt(string(number), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// processorTime is what this process used of processors so far.
func processorTime() (time.Duration, bool) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, false
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), true
}
