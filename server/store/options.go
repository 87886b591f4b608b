package store

import "log/slog"

// Options are what every backend's Open takes. The zero value is useful.
type Options struct {
	Shards int          // of a new store; an existing one keeps its own. 0: ShardsDefault
	Logger *slog.Logger // nil: slog.Default()
}

// WithDefaults fills what was left out.
func (o Options) WithDefaults() Options {
	if o.Shards == 0 {
		o.Shards = ShardsDefault
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}
