package main

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
)

const (
	// collectAtPercent is how much the heap may grow between collections. Most
	// of what a call allocates dies at once; collecting half as often as Go does
	// by default takes some 15 % off the processor time of a busy server.
	collectAtPercent = 200
	// heapLeast is what the heap may grow to in any case before it is collected,
	// bytes: with few live objects under load a percentage of them is soon
	// allocated, and each collection takes its time from calls.
	heapLeast = 144 << 20
	// heapLeastShare bounds that on small machines, as a share of their memory.
	heapLeastShare = 0.125
	// memoryShare of the machine is where collections become frequent again.
	memoryShare = 0.5
)

// tuneMemory sets Go's collector, unless GOGC or GOMEMLIMIT do.
func tuneMemory() {
	total := memoryBytes()
	if os.Getenv("GOGC") == "" {
		least := int64(heapLeast)
		if total > 0 {
			least = min(least, int64(float64(total)*heapLeastShare))
		}
		c := &collector{least: least}
		c.set(collectAtPercent)
		runtime.SetFinalizer(c, (*collector).collected)
	}
	if total > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(float64(total) * memoryShare))
	}
}

// collector keeps the percentage at which Go collects in line with the live
// heap. Its finalizer runs after each collection.
type collector struct {
	least   int64 // bytes
	percent int
}

func (c *collector) collected() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	c.set(percentFor(int64(live[0].Value.Uint64()), c.least))
	runtime.SetFinalizer(c, (*collector).collected)
}

// set changes the percentage if that is worth the pause.
func (c *collector) set(percent int) {
	if off := percent - c.percent; max(off, -off) > c.percent/10 {
		c.percent = percent
		debug.SetGCPercent(percent)
	}
}

// percentFor is how much a heap of live bytes may grow, so that it is not
// collected below least bytes.
func percentFor(live, least int64) int {
	return max(collectAtPercent, int((least-live)*100/max(live, 1)))
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
