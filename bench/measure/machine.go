package measure

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what a measurement ran on.
type Machine struct {
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes"`
	Processor   string `json:"processor"`
	Kernel      string `json:"kernel"`
	Go          string `json:"go"`
}

// ThisMachine reads what /proc tells; what it does not is empty.
func ThisMachine() Machine {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	kilobytes, _, _ := strings.Cut(lineOf("/proc/meminfo", "MemTotal:"), " ")
	memory, _ := strconv.ParseInt(kilobytes, 10, 64)
	return Machine{
		Cores: runtime.NumCPU(), MemoryBytes: memory << 10, Processor: strings.TrimPrefix(lineOf("/proc/cpuinfo", "model name"), ": "),
		Kernel: strings.TrimSpace(string(kernel)), Go: runtime.Version(),
	}
}

// lineOf is the rest of the first line that begins so.
func lineOf(file, beginning string) string {
	content, _ := os.ReadFile(file)
	for line := range strings.Lines(string(content)) {
		if rest, found := strings.CutPrefix(line, beginning); found {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}
