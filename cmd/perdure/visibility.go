package main

type visibilityCommand struct {
	Index visibilityIndexCommand `cmd:"" help:"Indexes of single search attributes."`
}
