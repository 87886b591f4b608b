package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"perdure/internal/childprocess"
)

const (
	startSecondsMax = 60
	startAttempts   = 3 // the free port may be gone when the server binds it
	pollEvery       = 20 * time.Millisecond
)

// cluster is one running server.
type cluster struct {
	folder  string // the data and the log, removed at the end
	port    int
	process *childprocess.Process
}

func start() (*cluster, error) {
	binaries, err := binaryFolder()
	if err != nil {
		return nil, err
	}
	owner, err := serverUser()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "perdure-pgtest-")
	if err != nil {
		return nil, err
	}
	c := &cluster{folder: folder}
	if err := c.create(binaries, owner); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	for range startAttempts {
		if err = c.launch(binaries, owner); err == nil {
			return c, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(folder))
}

// binaryFolder is the newest installed version's.
func binaryFolder() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		path, err := exec.LookPath("initdb")
		if err != nil {
			return "", fmt.Errorf("no PostgreSQL server is installed (or set %s): %w", Variable, err)
		}
		found = append(found, path)
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

func version(path string) int {
	number, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0 for another layout
	return number
}

// serverUser is nil when this user may run PostgreSQL, which refuses to be root.
func serverUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
}

func (c *cluster) data() string { return filepath.Join(c.folder, "data") }

func (c *cluster) logFile() string { return filepath.Join(c.folder, "server.log") }

func (c *cluster) create(binaries string, owner *syscall.Credential) error {
	if owner != nil {
		if err := os.Chown(c.folder, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	command := exec.Command(filepath.Join(binaries, "initdb"), "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	command.Dir = c.folder
	command.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, output)
	}
	return nil
}

func (c *cluster) launch(binaries string, owner *syscall.Credential) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	return c.launchOn(port, binaries, owner)
}

func (c *cluster) launchOn(port int, binaries string, owner *syscall.Credential) error {
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the server has its own copy
	c.port = port
	command := exec.Command(filepath.Join(binaries, "postgres"), "-D", c.data(), "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200",
		"-c", "shared_preload_libraries=pg_stat_statements") // tests count what a server sends
	command.Dir, command.Stdout, command.Stderr = c.folder, log, log
	command.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if c.process, err = childprocess.Start(command, syscall.SIGQUIT); err != nil {
		return err
	}
	if err := c.awaitReady(); err != nil {
		text, _ := os.ReadFile(c.logFile()) // only to explain
		return errors.Join(fmt.Errorf("%w: %s", err, text), c.process.End(syscall.SIGQUIT))
	}
	return nil
}

func (c *cluster) awaitReady() error {
	deadline := time.Now().Add(startSecondsMax * time.Second)
	for {
		err := c.try()
		if err == nil {
			return nil
		}
		select {
		case <-c.process.Ended():
			return fmt.Errorf("the server ended: %w", err)
		case <-time.After(pollEvery):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server is not ready after %d s: %w", startSecondsMax, err)
		}
	}
}

func (c *cluster) try() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (c *cluster) url() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.port)
}

// stop ends the server without a checkpoint: the data goes anyway.
func (c *cluster) stop() error {
	return errors.Join(c.process.End(syscall.SIGQUIT), os.RemoveAll(c.folder))
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}
