package main

import (
	"fmt"

	"perdure/server/config"
)

type configCommand struct {
	Schema schemaCommand `cmd:"" help:"Print the JSON schema of the configuration file."`
	Limits limitsCommand `cmd:"" help:"Print all limits with unit, reason and dynamic-config key."`
}

type schemaCommand struct{}

func (schemaCommand) Run(c *console) error {
	_, err := fmt.Fprint(c.out, config.Schema())
	return err
}

type limitsCommand struct{}

func (limitsCommand) Run(c *console) error {
	_, err := fmt.Fprint(c.out, config.LimitsMarkdown())
	return err
}
