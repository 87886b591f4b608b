package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// fileLock is this process's hold on a database file. All handles of one
// process share it, since the lock is there to keep other processes out.
type fileLock struct {
	path    string
	file    *os.File
	handles int
}

var (
	locksMu sync.Mutex
	locks   = map[string]*fileLock{} // by path of the lock file
)

// lockFile takes the lock beside a database file. The lock goes when the
// process ends, however it ends; the lock file stays and holds the process id.
func lockFile(database string) (*fileLock, error) {
	folder, err := filepath.EvalSymlinks(filepath.Dir(database))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, filepath.Base(database)+".lock")
	locksMu.Lock()
	defer locksMu.Unlock()
	if held := locks[path]; held != nil {
		held.handles++
		return held, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(file); err != nil {
		holder, _ := os.ReadFile(path) // only to name the holder
		return nil, errors.Join(fmt.Errorf("in use by another process (%s)", strings.TrimSpace(string(holder))), file.Close())
	}
	if err := errors.Join(file.Truncate(0), writePID(file)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	locks[path] = &fileLock{path: path, file: file, handles: 1}
	return locks[path], nil
}

func writePID(file *os.File) error {
	_, err := fmt.Fprintf(file, "pid %d\n", os.Getpid())
	return err
}

func (l *fileLock) unlock() error {
	locksMu.Lock()
	defer locksMu.Unlock()
	l.handles--
	if l.handles > 0 {
		return nil
	}
	delete(locks, l.path)
	return l.file.Close()
}
