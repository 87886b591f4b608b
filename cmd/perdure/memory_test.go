package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemTotal(t *testing.T) {
	require.Equal(t, int64(24683532)<<10, memTotal([]byte("Hugepagesize: 2048 kB\nMemTotal:       24683532 kB\nMemFree: 1 kB\n")))
	require.Zero(t, memTotal([]byte("nothing")))
	require.Zero(t, memTotal([]byte("MemTotal: many kB\n")))
	require.Positive(t, memoryBytes())
}
