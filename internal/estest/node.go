package estest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"perdure/internal/childprocess"
)

const (
	startSecondsMax = 120
	startAttempts   = 3 // a free port may be gone when the server binds it
	pollEvery       = 50 * time.Millisecond
	heap            = "512m"
	unprivileged    = 65534 // the user and group "nobody" of every Linux
)

// node is one running server.
type node struct {
	folder  string // software for its user, data and log; removed at the end
	home    string // the software
	long    bool   // it lives long enough for the better compiler to pay
	port    int
	process *childprocess.Process
}

func start(long bool) (*node, error) {
	installed, err := installedHome()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "perdure-estest-")
	if err != nil {
		return nil, err
	}
	n := &node{folder: folder, home: installed, long: long}
	if err := n.prepare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	for range startAttempts {
		if err = n.launch(); err == nil {
			return n, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(folder))
}

// installedHome is where .ci/prepare puts the software.
func installedHome() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	home := filepath.Join(filepath.Dir(file), "..", "..", ".cache", "elasticsearch")
	if _, err := os.Stat(filepath.Join(home, "stamp")); err != nil {
		return "", fmt.Errorf("no Elasticsearch is installed: run .ci/prepare (or set %s): %w", Variable, err)
	}
	return filepath.Abs(home)
}

// prepare gives the server's user what it needs. Elasticsearch is not to run as
// root, and the user it then runs as may not reach the project's folder.
func (n *node) prepare() error {
	if os.Getuid() != 0 {
		return nil
	}
	home := filepath.Join(n.folder, "home")
	if err := os.CopyFS(home, os.DirFS(n.home)); err != nil {
		return err
	}
	n.home = home
	return filepath.Walk(n.folder, func(path string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Chown(path, unprivileged, unprivileged))
	})
}

// credential is nil when this user may run the server.
func credential() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
}

func (n *node) launch() error {
	port, err := freePort()
	if err != nil {
		return err
	}
	return n.launchOn(port)
}

func (n *node) launchOn(port int) error {
	transport, err := freePort()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the server has its own copy
	n.port = port
	command := exec.Command("java", n.arguments(transport)...)
	command.Dir, command.Stdout, command.Stderr = n.folder, log, log
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "JAVA_HOME=" + os.Getenv("JAVA_HOME")}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: credential()}
	if n.process, err = childprocess.Start(command, syscall.SIGKILL); err != nil {
		return err
	}
	if err := n.awaitReady(); err != nil {
		text, _ := os.ReadFile(n.logFile()) // only to explain
		return errors.Join(fmt.Errorf("%w: %s", err, tail(string(text))), n.process.End(syscall.SIGKILL))
	}
	return nil
}

// arguments keep the server small and, for tests, its start short: they end before the better compiler pays.
func (n *node) arguments(transport int) []string {
	compilers := "1"
	if n.long {
		compilers = "4"
	}
	return []string{
		"-Xms" + heap, "-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=" + compilers,
		"-Djava.io.tmpdir=" + n.folder,
		"-cp", filepath.Join(n.home, "launcher") + ":" + filepath.Join(n.home, "lib", "*"),
		"Launcher", n.home, n.folder, strconv.Itoa(n.port), strconv.Itoa(transport),
	}
}

func (n *node) logFile() string { return filepath.Join(n.folder, "server.log") }

func (n *node) awaitReady() error {
	deadline := time.Now().Add(startSecondsMax * time.Second)
	for {
		err := n.try()
		if err == nil {
			return nil
		}
		select {
		case <-n.process.Ended():
			return fmt.Errorf("the server ended: %w", err)
		case <-time.After(pollEvery):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server is not ready after %d s: %w", startSecondsMax, err)
		}
	}
}

// try asks whether every index is served.
func (n *node) try() error {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(n.url() + "/_cluster/health?wait_for_status=yellow&timeout=2s")
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(answer.Status))
	}
	return errors.Join(err, answer.Body.Close())
}

func (n *node) url() string { return fmt.Sprintf("http://127.0.0.1:%d", n.port) }

// stop ends the server at once: the data goes anyway.
func (n *node) stop() error {
	return errors.Join(n.process.End(syscall.SIGKILL), os.RemoveAll(n.folder))
}

// tail keeps the end of a log.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}
