package childprocess_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/internal/childprocess"
)

// parentVariable makes the test binary a parent that starts a child, tells its id and waits to be killed.
const parentVariable = "PERDURE_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parentVariable) == "" {
		os.Exit(m.Run())
	}
	child, err := childprocess.Start(exec.Command("sleep", "600"), syscall.SIGKILL)
	if err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString(strconv.Itoa(child.PID()) + "\n")
	select {}
}

// TestEndsWithItsParent kills a parent, which has no chance to tidy up.
func TestEndsWithItsParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentVariable+"=1")
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0), "the child runs")
	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	require.Eventually(t, func() bool { return gone(pid) }, 10*time.Second, 10*time.Millisecond)
}

// gone: the process has ended; whether somebody has asked for its exit status is not our business.
func gone(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(text), ") Z ")
}

func TestStop(t *testing.T) {
	polite, err := childprocess.Start(exec.Command("sh", "-c", `trap 'exit 0' TERM; echo; while :; do sleep 0.02; done`), syscall.SIGKILL)
	require.NoError(t, err)
	deaf := exec.Command("sh", "-c", `trap '' TERM; echo ready; while :; do sleep 0.02; done`)
	out, err := deaf.StdoutPipe()
	require.NoError(t, err)
	stubborn, err := childprocess.Start(deaf, syscall.SIGKILL)
	require.NoError(t, err)
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "its trap is set")

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, stubborn.Stop(short), context.DeadlineExceeded)
	<-stubborn.Ended()
	require.NoError(t, polite.End(syscall.SIGKILL))
	require.Error(t, polite.Err())
	require.NoError(t, polite.Send(syscall.SIGTERM), "to nobody")
}

func TestNoSuchProgram(t *testing.T) {
	_, err := childprocess.Start(exec.Command("/no/such/program"), syscall.SIGKILL)
	require.ErrorIs(t, err, os.ErrNotExist)
}
