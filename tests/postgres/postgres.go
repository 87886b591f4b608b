// Package postgres runs a private PostgreSQL cluster on loopback for the tests and the bench.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"perdure/internal/serverprocess"
)

const (
	// startTimeout bounds initdb and the first connection.
	startTimeout = 60 * time.Second
	// stopTimeout bounds a fast shutdown.
	stopTimeout = 20 * time.Second
	// probeInterval is the pause between two attempts to connect to a cluster that starts.
	probeInterval = 20 * time.Millisecond
	// superuser owns the cluster.
	superuser = "perdure"
)

// Cluster is a running PostgreSQL with default durability.
type Cluster struct {
	folder  string
	port    int
	command *exec.Cmd
	exited  chan error
}

// Start makes a cluster in a temporary folder. Settings are "name=value" pairs for the server.
func Start(ctx context.Context, settings ...string) (*Cluster, error) {
	binaries, err := binariesFolder()
	if err != nil {
		return nil, err
	}
	ports, err := serverprocess.FreePorts(1)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "perdure-postgres-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{folder: folder, port: ports[0], exited: make(chan error, 1)}
	if err := c.run(ctx, binaries, settings); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) run(ctx context.Context, binaries string, settings []string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	credential, err := unprivileged(c.folder)
	if err != nil {
		return err
	}
	data := filepath.Join(c.folder, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(binaries, "initdb"), "-D", data, "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = c.folder, &syscall.SysProcAttr{Credential: credential}
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	settings = append([]string{
		"port=" + strconv.Itoa(c.port), "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200",
		"shared_buffers=512MB", "max_wal_size=4GB",
	}, settings...)
	arguments := []string{"-D", data}
	for _, setting := range settings {
		arguments = append(arguments, "-c", setting)
	}
	log, err := os.Create(filepath.Join(c.folder, "postgres.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c.command = exec.Command(filepath.Join(binaries, "postgres"), arguments...)
	c.command.Dir, c.command.Stdout, c.command.Stderr = c.folder, log, log
	c.command.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if err := c.command.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	go func() { c.exited <- c.command.Wait() }()
	return c.awaitServing(ctx)
}

func (c *Cluster) awaitServing(ctx context.Context) error {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		connection, err := pgx.Connect(ctx, c.URL("postgres"))
		if err == nil {
			return connection.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("postgres does not serve: %w", err)
		case ended := <-c.exited:
			c.command = nil
			return fmt.Errorf("postgres ended at its start: %w", ended)
		case <-ticker.C:
		}
	}
}

// URL addresses a database of the cluster.
func (c *Cluster) URL(database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", superuser, c.port, database)
}

// Create makes an empty database and returns its URL.
func (c *Cluster) Create(ctx context.Context, database string) (string, error) {
	connection, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return "", err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	if _, err := connection.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()); err != nil {
		return "", fmt.Errorf("create database %s: %w", database, err)
	}
	return c.URL(database), nil
}

// Stop ends the cluster and removes its folder.
func (c *Cluster) Stop() error {
	if c.command != nil {
		_ = c.command.Process.Signal(syscall.SIGINT) // fast shutdown
		select {
		case <-c.exited:
		case <-time.After(stopTimeout):
			_ = c.command.Process.Kill()
			<-c.exited
		}
	}
	return os.RemoveAll(c.folder)
}

// binariesFolder is the newest installed version's folder on Debian.
func binariesFolder() (string, error) {
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(folders) == 0 {
		return "", errors.New("PostgreSQL is not installed: no /usr/lib/postgresql/*/bin")
	}
	return slices.MaxFunc(folders, func(a, b string) int { return version(a) - version(b) }), nil
}

func version(folder string) int {
	number, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
	return number
}

// unprivileged is nil for an ordinary user. PostgreSQL refuses to run as root, so root hands the folder to Debian's user.
func unprivileged(folder string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(folder, uid, gid)
}
