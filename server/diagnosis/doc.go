// Package diagnosis says why a run does not come on. It is pure: Facts go in,
// a Report with ranked causes comes out, the same for the same facts.
//
// Read causes.go for what it can say, facts.go for what it must be told, and
// then the rules: run.go, task.go, activity.go, waiting.go, remote.go.
package diagnosis
