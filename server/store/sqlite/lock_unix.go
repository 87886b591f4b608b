//go:build unix

package sqlite

import (
	"os"
	"syscall"
)

// tryLock fails at once when another process holds the lock.
func tryLock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
