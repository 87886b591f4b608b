package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"perdure/internal/childprocess"
)

const (
	// upTimeout bounds the build and the start of the stack on a machine that has more to do.
	upTimeout = 5 * time.Minute
	// showTimeout bounds each wait for something to show.
	showTimeout = 3 * time.Minute
	// downTimeout bounds the end of the stack.
	downTimeout = time.Minute
	// mark is in the environment of every process of the stack.
	mark = "PERDURE_STACK_TEST"
)

// harsh are settings that light panels of trouble: a small memory, a low rate of searches, a short retention.
var harsh = []string{
	"PERDURE_LIMITS_CACHE_RUNS_MAX=20", "PERDURE_LIMITS_VISIBILITY_PER_SEC=1", "PERDURE_LIMITS_RETENTION_MIN=1s", "PERDURE_LIMITS_RETENTION_SWEEP=1s",
}

// stackUnderTest is a running local.sh.
type stackUnderTest struct {
	addresses map[string]string
	process   *childprocess.Process
	client    client.Client
	mark      string // value of the variable
}

// TestStack runs compose/local.sh as people do: traffic flows, it is watched, found, traced, and all of it ends.
func TestStack(t *testing.T) {
	s := startStack(t)
	s.requireWatched(t)
	s.requireFound(t)
	s.requireTraced(t)
	boards := readBoards(t)
	requireElasticPanels(t, boards, s.addresses["elasticsearch"])
	requirePostgresPanels(t, boards, s.addresses["postgres"])
	s.requirePanels(t, boards, func(p panelFile) bool { return p.board == "perdure-sdk-workers" || lit[p.name()] })
	calm := s.trouble(t)
	s.requirePanels(t, boards, func(p panelFile) bool { return litByTrouble[p.name()] })
	calm()
	s.requireNoBrokenQuery(t, boards)
	s.requireFound(t)
	s.requireEnd(t)
}

func startStack(t *testing.T) *stackUnderTest {
	t.Helper()
	file := filepath.Join(t.TempDir(), "addresses.json")
	s := &stackUnderTest{mark: strconv.Itoa(os.Getpid())}
	command := exec.Command("../local.sh", "--free-ports", "--addresses", file, "--rate", "5", "--cached-runs", "5", "--faults", "--scrape-interval", "2s")
	command.Env = append(append(os.Environ(), harsh...), mark+"="+s.mark)
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	process, err := childprocess.Start(command, syscall.SIGTERM)
	require.NoError(t, err)
	s.process = process
	t.Cleanup(func() { _ = process.End(syscall.SIGTERM) })
	require.Eventually(t, func() bool {
		select {
		case <-process.Ended():
			require.Fail(t, "ended", "%v: %s", process.Err(), output.String())
		default:
		}
		text, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(text, &s.addresses) == nil
	}, upTimeout, 50*time.Millisecond)
	s.client, err = client.DialContext(t.Context(), client.Options{HostPort: s.addresses["perdure"]})
	require.NoError(t, err)
	t.Cleanup(s.client.Close)
	return s
}

// fetch decodes what an address answers.
func fetch(t *testing.T, address string, into any) {
	t.Helper()
	answer, err := http.Get(address)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into), "%s: %s", address, text)
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, showTimeout, 500*time.Millisecond, what)
}

// requireWatched: Prometheus reaches everybody, evaluates all rules, and its alerts reach the Alertmanager.
func (s *stackUnderTest) requireWatched(t *testing.T) {
	t.Helper()
	jobs := map[string]bool{}
	eventually(t, "all targets are up", func() bool {
		var answer struct {
			Data struct {
				ActiveTargets []struct {
					Labels map[string]string
					Health string
				}
			}
		}
		fetch(t, s.addresses["prometheus"]+"/api/v1/targets", &answer)
		for _, target := range answer.Data.ActiveTargets {
			jobs[target.Labels["job"]] = target.Health == "up"
		}
		return len(jobs) == 5 && jobs["perdure"] && jobs["shop"] && jobs["prometheus"] && jobs["alertmanager"] && jobs["jaeger"]
	})
	eventually(t, "all rules are evaluated", func() bool {
		var answer struct {
			Data struct {
				Groups []struct {
					Rules []struct{ Name, Health, LastError string }
				}
			}
		}
		fetch(t, s.addresses["prometheus"]+"/api/v1/rules", &answer)
		evaluated := 0
		for _, group := range answer.Data.Groups {
			for _, rule := range group.Rules {
				require.Empty(t, rule.LastError, rule.Name)
				if rule.Health != "ok" {
					return false
				}
				evaluated++
			}
		}
		return evaluated > 50
	})
	eventually(t, "alerts are delivered", func() bool {
		var alerts []struct{ Labels map[string]string }
		fetch(t, s.addresses["alertmanager"]+"/api/v2/alerts?filter=alertname%3DPerdureWatchdog", &alerts)
		return len(alerts) == 1
	})
}

// requireFound: search, which Elasticsearch answers, knows the demo's runs in each namespace.
func (s *stackUnderTest) requireFound(t *testing.T) {
	t.Helper()
	for _, namespace := range []string{"shop", "wholesale"} {
		eventually(t, "runs of "+namespace, func() bool {
			answer, err := s.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
				Namespace: namespace, Query: `WorkflowType = "Order" AND Customer STARTS_WITH "customer-" AND AmountCents >= 100 AND ExecutionStatus = "Completed"`,
			})
			return err == nil && len(answer.Executions) > 0 // the rate of searches is low here
		})
	}
	var count struct{ Count int }
	fetch(t, s.addresses["elasticsearch"]+"/"+indexPrefix+"-read/_count?q="+url.QueryEscape("workflow_type:Order"), &count)
	require.NotZero(t, count.Count, "they are in Elasticsearch")
}

// requireTraced: Jaeger has a trace with spans of a worker and of the server.
func (s *stackUnderTest) requireTraced(t *testing.T) {
	t.Helper()
	eventually(t, "a trace of both", func() bool {
		var answer struct {
			Data []struct {
				Processes map[string]struct{ ServiceName string }
			}
		}
		fetch(t, s.addresses["jaeger"]+"/api/traces?service=shop&limit=20", &answer)
		for _, trace := range answer.Data {
			services := map[string]bool{}
			for _, process := range trace.Processes {
				services[process.ServiceName] = true
			}
			if services["shop"] && services["perdure"] {
				return true
			}
		}
		return false
	})
}

// requireEnd interrupts the stack and looks for what is left.
func (s *stackUnderTest) requireEnd(t *testing.T) {
	t.Helper()
	running := s.marked(t)
	require.Greater(t, len(running), 5, "postgres, java, perdure, shop, prometheus, …")
	ctx, cancel := context.WithTimeout(context.Background(), downTimeout)
	defer cancel()
	require.NoError(t, s.process.Stop(ctx))
	require.Eventually(t, func() bool { return len(s.marked(t)) == 0 }, downTimeout, 50*time.Millisecond, "nothing is left")
	_, err := http.Get(s.addresses["elasticsearch"])
	require.Error(t, err)
}

// marked are the command lines of all processes with the test's mark.
func (s *stackUnderTest) marked(t *testing.T) (found []string) {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, folder := range folders {
		environment, err := os.ReadFile(filepath.Join(folder, "environ"))
		if err == nil && strings.Contains(string(environment), mark+"="+s.mark+"\x00") {
			line, _ := os.ReadFile(filepath.Join(folder, "cmdline")) // it may have gone meanwhile
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}
