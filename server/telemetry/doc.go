// Package telemetry sets up what a process tells about itself: log lines with
// trace ids, traces by OTLP, and the metrics port.
package telemetry
