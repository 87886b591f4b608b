package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the kernel's unit of CPU time in /proc, the same on every Linux.
const ticksPerSecond = 100

// familyCPU is the CPU time of a process, of its children that live and of those that ended.
func familyCPU(parent int) (time.Duration, error) {
	total, err := processCPU(parent, true)
	if err != nil {
		return 0, err
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, stat := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if of, err := statField(pid, 3); err != nil || int(of) != parent {
			continue
		}
		if own, err := processCPU(pid, false); err == nil {
			total += own
		}
	}
	return total, nil
}

// processCPU is user and system time, with that of ended children when asked.
func processCPU(pid int, withChildren bool) (time.Duration, error) {
	last := 14
	if withChildren {
		last = 16
	}
	var ticks int64
	for field := 13; field <= last; field++ {
		value, err := statField(pid, field)
		if err != nil {
			return 0, err
		}
		ticks += value
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// statField is a number of /proc/PID/stat, counted from 0 as proc(5) does less one; the name in field 1 may hold blanks.
func statField(pid, field int) (int64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(content[strings.LastIndexByte(string(content), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if field-2 >= len(fields) {
		return 0, fmt.Errorf("/proc/%d/stat has no field %d", pid, field)
	}
	return strconv.ParseInt(fields[field-2], 10, 64)
}

func residentBytes(pid int) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, resident float64
	if _, err := fmt.Sscan(string(content), &size, &resident); err != nil {
		return 0, err
	}
	return resident * float64(os.Getpagesize()), nil
}

// writtenBytes is what the process has handed to the disk.
func writtenBytes(pid int) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if text, found := strings.CutPrefix(line, "write_bytes: "); found {
			return strconv.ParseFloat(strings.TrimSpace(text), 64)
		}
	}
	return 0, fmt.Errorf("/proc/%d/io tells no write_bytes", pid)
}
