package clients

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPythonSDK runs python/suite.py: the same features through the Python SDK.
func TestPythonSDK(t *testing.T) {
	eachTarget(t, func(t *testing.T, server target) {
		runSuite(t, exec.CommandContext(t.Context(), python(t), "suite.py", "--address", server.address), "python")
	})
}

// TestTypeScriptSDK runs typescript/suite.js: the same features through the TypeScript SDK.
func TestTypeScriptSDK(t *testing.T) {
	require.DirExists(t, filepath.Join("typescript", "node_modules"), "make test prepares it with npm ci")
	eachTarget(t, func(t *testing.T, server target) {
		runSuite(t, exec.CommandContext(t.Context(), "node", "suite.js", "--address", server.address), "typescript")
	})
}

// exampleSteps are what each order example prints when all went well, in this order.
var exampleSteps = []string{"start", "query", "update   empty address refused", "update   address is now", "signal", "result   paid payment-", "list"}

// TestExamples runs the order example in each language.
func TestExamples(t *testing.T) {
	folder := projectPath(t, "examples", "typescript")
	build := exec.CommandContext(t.Context(), "npm", "run", "build")
	build.Dir = folder
	output, err := build.CombinedOutput()
	require.NoError(t, err, "make test prepares it with npm ci\n%s", output)
	examples := map[string][]string{
		"go":         {"go", "run", "perdure/examples/go"},
		"python":     {python(t), projectPath(t, "examples", "python", "main.py")},
		"typescript": {"node", filepath.Join(folder, "lib", "main.js")},
	}
	eachTarget(t, func(t *testing.T, server target) {
		for language, words := range examples {
			t.Run(language, func(t *testing.T) {
				t.Parallel()
				command := exec.CommandContext(t.Context(), words[0], append(words[1:], "--address", server.address)...)
				output, err := command.CombinedOutput()
				require.NoError(t, err, "%s", output)
				rest := string(output)
				for _, step := range exampleSteps {
					_, after, found := strings.Cut(rest, step)
					require.True(t, found, "no %q in\n%s", step, output)
					rest = after
				}
			})
		}
	})
}

// suiteCase is one line of a suite's output.
type suiteCase struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
}

// runSuite runs a suite in folder and turns each of its cases into a subtest.
func runSuite(t *testing.T, command *exec.Cmd, folder string) {
	t.Helper()
	var output, problems bytes.Buffer
	command.Dir, command.Stdout, command.Stderr = folder, &output, &problems
	require.NoError(t, command.Run(), "%s\n%s", output.String(), problems.String())
	cases := map[string]bool{}
	for line := range bytes.Lines(output.Bytes()) {
		if line[0] != '{' {
			continue // the SDKs' shared core logs to standard output as well
		}
		var result suiteCase
		require.NoError(t, json.Unmarshal(line, &result), "%s", line)
		cases[result.Name] = true
		t.Run(result.Name, func(t *testing.T) { require.True(t, result.OK, "after %.1f s: %s", result.Seconds, result.Error) })
	}
	requireFeatures(t, cases)
}
