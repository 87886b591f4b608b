package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemTotal(t *testing.T) {
	require.Equal(t, int64(24683532)<<10, memTotal([]byte("Hugepagesize: 2048 kB\nMemTotal:       24683532 kB\nMemFree: 1 kB\n")))
	require.Zero(t, memTotal([]byte("nothing")))
	require.Zero(t, memTotal([]byte("MemTotal: many kB\n")))
	require.Positive(t, memoryBytes())
}

func TestPercentFor(t *testing.T) {
	const least = 144 << 20
	require.Equal(t, 1340, percentFor(10<<20, least), "few live objects: the least")
	require.Equal(t, collectAtPercent, percentFor(48<<20, least), "at a third of it both are the same")
	require.Equal(t, collectAtPercent, percentFor(1<<30, least))
	require.Positive(t, percentFor(0, least), "before the first collection")
}

// TestCollectorFollows: a collection lets the next one wait until the heap has its least size.
func TestCollectorFollows(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer func() { debug.SetGCPercent(before) }()
	runtime.GC() // it counts what is live
	c := &collector{least: 1 << 40}
	c.collected()
	runtime.SetFinalizer(c, nil)
	require.Greater(t, debug.SetGCPercent(100), 1000)
}
