package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// run runs a tool of the packages that .ci/prepare installs.
func run(t *testing.T, folder string, command ...string) string {
	t.Helper()
	c := exec.Command(command[0], command[1:]...)
	c.Dir = folder
	output, err := c.CombinedOutput()
	require.NoError(t, err, "%s\n%s", strings.Join(command, " "), output)
	return string(output)
}

func TestPrometheusTakesTheRules(t *testing.T) {
	require.Contains(t, run(t, "../grafana/prometheus", "promtool", "check", "rules", "rules.yaml"), "rules found")
	run(t, "../grafana/prometheus", "promtool", "check", "config", "prometheus.yaml")
	run(t, "../grafana/prometheus", "amtool", "check-config", "alertmanager.yaml")
}

// TestAlertsFireAndDoNot lets promtool play the series of each alert: once it fires, once it does not.
func TestAlertsFireAndDoNot(t *testing.T) {
	for _, a := range alerts() {
		require.NotEmpty(t, a.fires, a.name)
		require.True(t, len(a.quiet) > 0 || a.name == "Watchdog", "%s: when does it not fire?", a.name)
	}
	folder := t.TempDir()
	command := []string{"promtool", "test", "rules"}
	for _, a := range alerts() {
		var needed []record // each test evaluates all rules each minute: only those it needs
		if strings.Contains(a.expr.expr, "slo:") {
			needed = records()
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder, a.name+".rules.yaml"), []byte(rulesText(needed, []alert{a}, defaultLinks)), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(folder, a.name+".yaml"), []byte(ruleTest(a)), 0o600))
		command = append(command, a.name+".yaml")
	}
	output := run(t, folder, command...)
	require.Equal(t, len(alerts()), strings.Count(output, "SUCCESS"), output)
}

// evaluateAt is when tests ask whether an alert fires: later than its waits.
const evaluateAt = "2h"

// ruleTest is promtool's file for one alert.
func ruleTest(a alert) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rule_files:\n  - %s.rules.yaml\nevaluation_interval: 1m\ntests:\n", a.name)
	writeRuleTest(&b, a, a.fires, 1)
	if len(a.quiet) > 0 {
		writeRuleTest(&b, a, a.quiet, 0)
	}
	return b.String()
}

func writeRuleTest(b *strings.Builder, a alert, inputs []input, firing int) {
	fmt.Fprintf(b, "  - interval: 1m\n    input_series:\n")
	for _, in := range inputs {
		fmt.Fprintf(b, "      - series: %s\n        values: %s\n", quoted(in.series), quoted(in.values))
	}
	question := fmt.Sprintf(`count(count by (alertname) (ALERTS{alertname="%s%s",alertstate="firing"})) or vector(0)`, prefix, a.name)
	fmt.Fprintf(b, "    promql_expr_test:\n      - expr: %s\n        eval_time: %s\n        exp_samples:\n          - labels: '{}'\n            value: %d\n", quoted(question), evaluateAt, firing)
}

func TestAlertsAreExplained(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range alerts() {
		require.False(t, seen[a.name], a.name)
		seen[a.name] = true
		require.True(t, strings.HasSuffix(a.summary, "."), a.name)
		require.Contains(t, []severity{critical, warning, info}, a.severity, a.name)
	}
}

var headings = []string{"## Meaning", "## Impact", "## Checks", "## Remedies"}

// TestEveryAlertHasARunbook, and every runbook of an alert an alert.
func TestEveryAlertHasARunbook(t *testing.T) {
	pages := map[string]bool{}
	found, err := filepath.Glob("../docs/runbooks/" + prefix + "*.md")
	require.NoError(t, err)
	for _, path := range found {
		pages[strings.TrimSuffix(filepath.Base(path), ".md")] = true
	}
	for _, a := range alerts() {
		name := prefix + a.name
		require.True(t, pages[name], "docs/runbooks/%s.md is missing", name)
		delete(pages, name)
		requireRunbook(t, name)
	}
	require.Empty(t, pages, "runbooks of alerts that are gone")
}

func requireRunbook(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile("../docs/runbooks/" + name + ".md")
	require.NoError(t, err)
	page := string(text)
	require.True(t, strings.HasPrefix(page, "# "+name+"\n"), name)
	at := 0
	for _, heading := range headings {
		i := strings.Index(page[at:], heading+"\n\n")
		require.GreaterOrEqual(t, i, 0, "%s: %s in its place", name, heading)
		body, _, _ := strings.Cut(page[at+i+len(heading)+2:], "\n## ")
		require.Greater(t, len(strings.TrimSpace(body)), 30, "%s: %s says something", name, heading)
		at += i
	}
	_, checks, _ := strings.Cut(page, "## Checks\n")
	require.Regexp(t, regexp.MustCompile("`[^`]+`"), checks, "%s: a query or a command to type", name)
}
