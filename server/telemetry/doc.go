// Package telemetry sets up what a process tells about itself: log lines with
// trace ids, and the metrics port.
package telemetry
