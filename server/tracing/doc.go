// Package tracing brings spans to a collector: those that server/spans makes of
// histories, and those of calls.
package tracing
