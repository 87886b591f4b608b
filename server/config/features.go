package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Features are switches for calls that the public server has too and leaves
// off, under the same dynamic-config keys. What is off answers UNIMPLEMENTED
// or PERMISSION_DENIED, and no namespace claims it.
type Features struct {
	WorkflowPause          bool `key:"frontend.WorkflowPauseEnabled" doc:"PauseWorkflowExecution and UnpauseWorkflowExecution."`
	PollCompleteOnShutdown bool `key:"frontend.enableCancelWorkerPollsOnShutdown" doc:"ShutdownWorker answers the polls of the worker empty, and namespaces claim it, so that workers wait for that."`
	UpdateCallbacks        bool `key:"history.enableUpdateCallbacks" doc:"Namespaces claim callbacks of updates. They are taken and called without it as well: clients ask for them only when they are claimed."`
	BuildIDSets            bool `key:"frontend.workerVersioningDataAPIs" doc:"The older worker versioning by sets of compatible build ids."`
	BuildIDRules           bool `key:"frontend.workerVersioningRuleAPIs" doc:"The older worker versioning by rules that assign and redirect build ids."`
}

// SetDynamic sets the limit or feature that the public server calls key. An
// unknown key or a value that does not fit is an error of one line.
func (c *Config) SetDynamic(key, value string) error {
	if slices.ContainsFunc(addressKeys, func(known string) bool { return strings.EqualFold(known, key) }) {
		return c.Callbacks.setDynamic(key, value)
	}
	for _, group := range []any{&c.Limits, &c.Features} {
		for _, f := range fields(group) {
			if name := f.tag.Get("key"); name == "" || !strings.EqualFold(name, key) {
				continue
			}
			if err := setText(f.value, dynamicText(f, value)); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%s: %w", key, ErrUnknownKey)
}

// dynamicText is a value as the public server reads it: a time without a unit is in seconds.
func dynamicText(f field, value string) string {
	if _, err := strconv.ParseFloat(value, 64); err == nil && f.value.Type() == durationType {
		return value + "s"
	}
	return value
}

// addressKeys are the names that the public server has for the rules of callbacks.
var addressKeys = []string{"callback.allowedAddresses", "component.callbacks.allowedAddresses"}

// setDynamic reads rules as scripts for the public server write them.
func (c *Callbacks) setDynamic(key, value string) error {
	var rules []struct {
		Pattern       string
		AllowInsecure bool
	}
	if err := json.Unmarshal([]byte(value), &rules); err != nil {
		return fmt.Errorf(`%s: %q is no list such as [{"Pattern":"*.example.com","AllowInsecure":false}]`, key, value)
	}
	c.AllowedAddresses = nil
	for _, rule := range rules {
		scheme := map[bool]string{true: "http://", false: "https://"}[rule.AllowInsecure]
		c.AllowedAddresses = append(c.AllowedAddresses, scheme+rule.Pattern)
	}
	return nil
}

// featuresMarkdown is the table of features for docs/limits.md.
func featuresMarkdown() string {
	var b strings.Builder
	b.WriteString("\n## Features\n\nKeys of `features:`, all off unless set.\n\n| Key | What | Dynamic-config key |\n|---|---|---|\n")
	for _, f := range fields(new(Features)) {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", f.path, f.tag.Get("doc"), f.tag.Get("key"))
	}
	return b.String()
}
