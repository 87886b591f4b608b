package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"perdure/server/frontend"
	"perdure/server/metrics"
)

// release is set by the linker for a released binary.
var release = "0.1.0-dev"

type versionInfo struct{ Version, Revision, Go string }

func readVersion() versionInfo {
	v := versionInfo{Version: release, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = s.Value
			}
		}
	}
	return v
}

// count shows on the metrics port what is running.
func (v versionInfo) count(reg *metrics.Registry) {
	metrics.BuildInfo.In(reg, metrics.Build{Version: v.Version, Revision: v.Revision, GoVersion: v.Go}).Set(1)
}

type versionCommand struct{}

func (versionCommand) Run(c *console) error {
	v := readVersion()
	_, err := fmt.Fprintf(c.out, "perdure %s %s %s/%s %s\nprotocol version %s\n",
		v.Version, v.Go, runtime.GOOS, runtime.GOARCH, v.Revision, frontend.ServerVersion)
	return err
}
