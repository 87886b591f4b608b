package config

import (
	"errors"
	"fmt"
	"time"
)

// Traces says which traces are made, once a receiver is named.
type Traces struct {
	OTLP     string        `doc:"Receiver of OTLP over gRPC: host:port, or a URL with http or https. Empty: what OTEL_EXPORTER_OTLP_ENDPOINT names; without either nothing is traced."`
	Failures bool          `default:"true" doc:"Make the traces of all runs that failed, timed out or were terminated."`
	Slow     time.Duration `default:"10s" doc:"Make the traces of all runs that took as long; 0 for none."`
	Share    float64       `default:"0.01" doc:"Share of the other closed runs whose traces are made, 0 to 1. Runs whose callers keep a trace are part of it, whatever is set here."`
	Calls    float64       `default:"0.01" doc:"Share of calls that are traced whose callers keep no trace, 0 to 1. OTEL_TRACES_SAMPLER can set it as well."`
	Private  bool          `doc:"Leave the messages of failures out of traces."`
}

func (t *Traces) validate() error {
	var errs []error
	for _, ratio := range []struct {
		key   string
		value float64
	}{{"traces.share", t.Share}, {"traces.calls", t.Calls}} {
		if !(ratio.value >= 0 && ratio.value <= 1) {
			errs = append(errs, fmt.Errorf("%s: want 0 to 1, not %v", ratio.key, ratio.value))
		}
	}
	if t.Slow < 0 {
		errs = append(errs, fmt.Errorf("traces.slow: must not be negative, not %v", t.Slow))
	}
	return errors.Join(errs...)
}
