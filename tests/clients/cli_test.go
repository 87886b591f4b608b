package clients

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
)

// environmentCLI names the official command line tool; without it .cache/bin/temporal is taken.
const environmentCLI = "PERDURE_CLI"

// cliSuite runs the official command line tool against one server; a Go worker does the work.
type cliSuite struct {
	goSuite
	address string
}

// TestCommandLine drives a server with the official command line tool, for what the tool can do.
func TestCommandLine(t *testing.T) {
	cases := map[string]func(cliSuite){
		"start": cliStart, "execute": cliExecute, "signal": cliSignal, "signal-with-start": cliSignalWithStart,
		"query": cliQuery, "update": cliUpdate, "update-with-start": cliUpdateWithStart, "cancel": cliCancel,
		"terminate": cliTerminate, "cron": cliCron, "async-completion": cliAsyncCompletion, "list": cliList, "count": cliCount,
		"describe": cliDescribe, "show": cliShow, "namespace": cliNamespace,
	}
	eachTarget(t, func(t *testing.T, server target) {
		suite := newGoSuite(t, server)
		for name, run := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				suite := suite
				suite.T = t
				run(cliSuite{goSuite: suite, address: server.address})
			})
		}
	})
}

// command prepares one call of the tool, away from the user's own settings.
func (s cliSuite) command(ctx context.Context, arguments ...string) *exec.Cmd {
	s.Helper()
	tool := os.Getenv(environmentCLI)
	if tool == "" {
		tool = projectPath(s.T, ".cache", "bin", "temporal")
		require.FileExists(s, tool, "make test prepares it; or set %s", environmentCLI)
	}
	command := exec.CommandContext(ctx, tool, append(arguments, "--address", s.address)...)
	command.Env = append(os.Environ(), "HOME="+s.TempDir())
	return command
}

// run calls the tool, which must succeed, and returns what it printed.
func (s cliSuite) run(arguments ...string) string {
	s.Helper()
	output, err := s.command(s.context(), arguments...).CombinedOutput()
	require.NoError(s, err, "temporal %s\n%s", strings.Join(arguments, " "), output)
	return string(output)
}

// runJSON calls the tool for JSON and decodes what it printed.
func runJSON[Answer any](s cliSuite, arguments ...string) Answer {
	s.Helper()
	command := s.command(s.context(), append(arguments, "--output", "json")...)
	output, err := command.Output()
	require.NoError(s, err, "temporal %s\n%s", strings.Join(arguments, " "), output)
	var answer Answer
	require.NoError(s, json.Unmarshal(output, &answer), "%s", output)
	return answer
}

func (s cliSuite) id() string { return "cli-" + uuid.NewString() }

// started starts a workflow with the tool and returns its id.
func (s cliSuite) started(kind, input string) string {
	s.Helper()
	id := s.id()
	s.run("workflow", "start", "--type", kind, "--task-queue", s.taskQueue, "--workflow-id", id, "--input", input)
	return id
}

// result waits with the tool for a workflow's result.
func (s cliSuite) result(id string) string {
	s.Helper()
	return s.run("workflow", "result", "--workflow-id", id)
}

func cliStart(s cliSuite) {
	id := s.started("echoWorkflow", `"hello"`)
	require.Contains(s, s.result(id), "echo hello")
}

func cliExecute(s cliSuite) {
	output := s.run("workflow", "execute", "--type", "activityWorkflow", "--task-queue", s.taskQueue, "--workflow-id", s.id(), "--input", "2")
	require.Contains(s, output, "succeeded at attempt 2")
}

func cliSignal(s cliSuite) {
	id := s.started("signalWorkflow", "1")
	s.run("workflow", "signal", "--workflow-id", id, "--name", "text", "--input", `"by hand"`)
	require.Contains(s, s.result(id), "by hand")
}

func cliSignalWithStart(s cliSuite) {
	id := s.id()
	for _, text := range []string{`"first"`, `"second"`} {
		s.run("workflow", "signal-with-start", "--type", "signalWorkflow", "--task-queue", s.taskQueue, "--workflow-id", id,
			"--input", "2", "--signal-name", "text", "--signal-input", text)
	}
	output := s.result(id)
	require.Contains(s, output, "first")
	require.Contains(s, output, "second")
}

func cliQuery(s cliSuite) {
	id := s.started("counterWorkflow", "5")
	require.Contains(s, s.run("workflow", "query", "--workflow-id", id, "--name", "value"), "5")
	s.run("workflow", "terminate", "--workflow-id", id)
}

func cliUpdate(s cliSuite) {
	id := s.started("counterWorkflow", "5")
	require.Contains(s, s.run("workflow", "update", "execute", "--workflow-id", id, "--name", "add", "--input", "37"), "42")
	rejected, err := s.command(s.context(), "workflow", "update", "execute", "--workflow-id", id, "--name", "add", "--input", "0").CombinedOutput()
	require.Error(s, err)
	require.Contains(s, string(rejected), "delta must be positive")
	s.run("workflow", "terminate", "--workflow-id", id)
}

func cliUpdateWithStart(s cliSuite) {
	id := s.id()
	for _, want := range []string{"12", "14"} {
		output := s.run("workflow", "execute-update-with-start", "--type", "counterWorkflow", "--task-queue", s.taskQueue,
			"--workflow-id", id, "--input", "10", "--id-conflict-policy", "UseExisting", "--update-name", "add", "--update-input", "2")
		require.Contains(s, output, want)
	}
	s.run("workflow", "terminate", "--workflow-id", id)
}

func cliCancel(s cliSuite) {
	id := s.started("cleanupWorkflow", "null")
	run := s.client.GetWorkflow(s.context(), id, "")
	eventually(s.T, "the timer starts", func() bool { return countEvents(s.history(run), enumspb.EVENT_TYPE_TIMER_STARTED) == 1 })
	s.run("workflow", "cancel", "--workflow-id", id)
	eventually(s.T, "the run is cancelled", func() bool { return s.status(id) == enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED })
}

func cliTerminate(s cliSuite) {
	id := s.started("blockedWorkflow", "null")
	s.run("workflow", "terminate", "--workflow-id", id, "--reason", "enough")
	require.Equal(s, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, s.status(id))
}

func cliCron(s cliSuite) {
	id := s.id()
	s.run("workflow", "start", "--type", "cronWorkflow", "--task-queue", s.taskQueue, "--workflow-id", id, "--cron", "@every 1s")
	first := s.client.GetWorkflow(s.context(), id, "").GetRunID()
	eventually(s.T, "the second run begins", func() bool {
		description, err := s.client.DescribeWorkflowExecution(s.context(), id, "")
		require.NoError(s, err)
		return description.WorkflowExecutionInfo.Execution.RunId != first && description.WorkflowExecutionInfo.FirstRunId != description.WorkflowExecutionInfo.Execution.RunId
	})
	s.run("workflow", "terminate", "--workflow-id", id)
}

func cliAsyncCompletion(s cliSuite) {
	id := s.started("asyncWorkflow", "null")
	require.Equal(s, id, (<-s.async).WorkflowExecution.ID)
	s.run("activity", "complete", "--workflow-id", id, "--activity-id", "outside", "--result", `"by hand"`)
	require.Contains(s, s.result(id), "by hand")
}

// listedQuery runs two workflows and returns a query for them.
func (s cliSuite) listedQuery() string {
	s.Helper()
	prefix := s.id()
	for _, suffix := range []string{"-a", "-b"} {
		s.run("workflow", "execute", "--type", "echoWorkflow", "--task-queue", s.taskQueue, "--workflow-id", prefix+suffix, "--input", `"listed"`)
	}
	return "WorkflowId STARTS_WITH '" + prefix + "'"
}

func cliList(s cliSuite) {
	query := s.listedQuery()
	eventually(s.T, "both runs are listed as completed", func() bool {
		listed := runJSON[[]struct {
			Status string
			Type   struct{ Name string }
		}](s, "workflow", "list", "--query", query)
		return len(listed) == 2 && listed[0].Status == "WORKFLOW_EXECUTION_STATUS_COMPLETED" && listed[0].Type.Name == "echoWorkflow"
	})
}

func cliCount(s cliSuite) {
	query := s.listedQuery()
	eventually(s.T, "both runs are counted", func() bool { return strings.Contains(s.run("workflow", "count", "--query", query), "2") })
}

func cliDescribe(s cliSuite) {
	id := s.started("counterWorkflow", "5")
	described := runJSON[struct {
		WorkflowExecutionInfo struct {
			Status    string
			TaskQueue string
		}
	}](s, "workflow", "describe", "--workflow-id", id)
	require.Equal(s, "WORKFLOW_EXECUTION_STATUS_RUNNING", described.WorkflowExecutionInfo.Status)
	require.Equal(s, s.taskQueue, described.WorkflowExecutionInfo.TaskQueue)
	s.run("workflow", "terminate", "--workflow-id", id)
}

func cliShow(s cliSuite) {
	id := s.started("timerWorkflow", "null")
	s.result(id)
	shown := runJSON[struct {
		Events []struct{ EventType string }
	}](s, "workflow", "show", "--workflow-id", id)
	require.NotEmpty(s, shown.Events)
	require.Equal(s, "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED", shown.Events[len(shown.Events)-1].EventType)
	require.Contains(s, s.run("workflow", "show", "--workflow-id", id), "TimerFired")
}

func cliNamespace(s cliSuite) {
	name := "cli-" + uuid.NewString()
	s.run("operator", "namespace", "create", "--namespace", name, "--retention", "48h", "--description", "made by hand")
	require.Contains(s, s.run("operator", "namespace", "describe", "--namespace", name), "made by hand")
	require.Contains(s, s.run("operator", "namespace", "list"), name)
}
