// Package config is the whole configuration of a server in one struct.
//
// A value comes from its default, then the YAML file, then the environment:
// key listen.grpc_port is PERDURE_LISTEN_GRPC_PORT. Unknown keys are errors
// with their line. schema.json is made from the struct by a test.
package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"perdure/server/nexus"
)

// shardsMax is the number of slots that shards divide.
const shardsMax = 4096

// Config is everything an operator can set. Keys are the fields' names in snake case.
type Config struct {
	Store            string            `doc:"Where executions live: sqlite:///path/to/file, postgres://user:password@host/database, or memory: for trials."`
	Visibility       string            `doc:"Where search records live; empty: in the store. Same forms as store; none: keeps none, and no list or count is answered."`
	Shards           int               `default:"4" doc:"Number of shards of a store that is created now; an existing store keeps its own."`
	Listen           Listen            `doc:"Addresses to serve on."`
	Log              Log               `doc:"Log lines on standard error."`
	Metrics          Metrics           `doc:"What /metrics shows."`
	Traces           Traces            `doc:"Which traces are made and where they go, see docs/traces.md."`
	Namespaces       []string          `doc:"Namespaces to register at start when they do not exist."`
	SearchAttributes map[string]string `doc:"Custom search attributes (name: type) of the namespaces above; types are Text, Keyword, Int, Double, Bool, Datetime, KeywordList."`
	Search           Search            `doc:"Several stores of search records at once, instead of visibility, and what search looks at inside runs."`
	DrainTimeout     time.Duration     `default:"8s" doc:"Time to finish after SIGTERM: polls are answered empty, commits finished, leases released."`
	Limits           Limits            `doc:"Limits, see docs/limits.md."`
	Features         Features          `doc:"Switches, see docs/limits.md."`
	Doctor           Doctor            `doc:"Looks for workflows that do not come on."`
	Callbacks        Callbacks         `doc:"Calls that tell others how a workflow has ended."`
}

// Listen says where to serve. Port 0 takes any free port.
type Listen struct {
	IP          string `default:"127.0.0.1" doc:"IP address to listen on; 0.0.0.0 or :: for all."`
	GRPCPort    int    `default:"7233" doc:"gRPC API, for SDKs, the CLI and the Web UI."`
	HTTPPort    int    `default:"7243" doc:"HTTP/JSON API."`
	MetricsPort int    `default:"9233" doc:"/metrics, /healthz and /debug/pprof."`
	Advertise   string `doc:"host:port under which other nodes reach this one's gRPC API; also names the owner of leases. Empty: ip and grpc_port."`
}

// Doctor says how the server looks for workflows that do not come on.
type Doctor struct {
	Fleet bool `default:"true" doc:"Look through all open runs that have waited for a while, again and again, and count those in trouble by cause on /metrics. perdure doctor works without it."`
}

// Callbacks says whom completion callbacks may call.
type Callbacks struct {
	AllowedAddresses []string `doc:"Rules for addresses, such as https://*.example.com or http://10.0.0.7:8080: * stands for anything, http:// allows https as well, a port must be named. Without a rule no address outside is called."`
}

// Log says what to log and how.
type Log struct {
	Level  string `default:"info" enum:"debug,info,warn,error,never" doc:"Least level to log."`
	Format string `default:"text" enum:"text,json" doc:"Format of log lines."`
}

// Metrics says what /metrics shows.
type Metrics struct {
	Enabled           bool `default:"true" doc:"Measure. Without it /metrics is not served, and what measuring costs is saved: see the bench's suite tax."`
	Compat            bool `doc:"Also show metrics by the names that community dashboards use; docs/metrics.md lists them."`
	ClassicHistograms bool `default:"true" doc:"Show the buckets of histograms beside their native form, for a Prometheus without native histograms."`
}

// Default returns the configuration with every default. It lacks a store.
func Default() Config {
	var c Config
	for _, f := range fields(&c) {
		if f.defaultText != "" {
			if err := setText(f.value, f.defaultText); err != nil {
				panic(fmt.Sprintf("default of %s: %v", f.path, err))
			}
		}
	}
	return c
}

// OwnerAddress is the host:port of this node's gRPC API as others know it.
func (c *Config) OwnerAddress() string {
	if c.Listen.Advertise != "" {
		return c.Listen.Advertise
	}
	return net.JoinHostPort(c.Listen.IP, fmt.Sprint(c.Listen.GRPCPort))
}

// Validate reports everything that cannot work, one line each.
func (c *Config) Validate() error {
	return errors.Join(
		checkStoreURL("store", c.Store, true),
		checkSearchURL("visibility", c.Visibility),
		c.validateSearch(),
		c.Listen.validate(),
		oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error", "never"),
		oneOf("log.format", c.Log.Format, "text", "json"),
		c.validateNumbers(),
		c.validateSearchAttributes(),
		c.validateCallbacks(),
		c.Search.validate(),
		c.Traces.validate(),
		c.Limits.validate(),
	)
}

func (c *Config) validateNumbers() error {
	if c.Shards < 1 || c.Shards > shardsMax {
		return fmt.Errorf("shards: want 1 to %d, not %d", shardsMax, c.Shards)
	}
	if c.DrainTimeout <= 0 {
		return fmt.Errorf("drain_timeout: must be positive, not %v", c.DrainTimeout)
	}
	return nil
}

// attributeTypes are the types a search attribute can have.
var attributeTypes = []string{"Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList"}

func (c *Config) validateSearchAttributes() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.SearchAttributes)) {
		errs = append(errs, oneOf("search attribute "+name, c.SearchAttributes[name], attributeTypes...))
	}
	return errors.Join(errs...)
}

// CallbackAddresses are the rules of a validated configuration.
func (c *Config) CallbackAddresses() nexus.AddressRules {
	rules, _ := nexus.ParseAddressRules(c.Callbacks.AllowedAddresses) // Validate has seen the error
	return rules
}

func (c *Config) validateCallbacks() error {
	if _, err := nexus.ParseAddressRules(c.Callbacks.AllowedAddresses); err != nil {
		return fmt.Errorf("callbacks.allowed_addresses: %w", err)
	}
	return nil
}

func (l *Listen) validate() error {
	var errs []error
	if net.ParseIP(l.IP) == nil {
		errs = append(errs, fmt.Errorf("listen.ip: %q is no IP address", l.IP))
	}
	ports := map[int]string{}
	for _, p := range []struct {
		key  string
		port int
	}{{"listen.grpc_port", l.GRPCPort}, {"listen.http_port", l.HTTPPort}, {"listen.metrics_port", l.MetricsPort}} {
		if p.port < 0 || p.port > 65535 {
			errs = append(errs, fmt.Errorf("%s: %d is no port (0 to 65535)", p.key, p.port))
		}
		if former, taken := ports[p.port]; taken && p.port != 0 {
			errs = append(errs, fmt.Errorf("%s: port %d is %s already", p.key, p.port, former))
		}
		ports[p.port] = p.key
	}
	return errors.Join(errs...)
}

// NoneScheme is that of the visibility URL of a server which keeps no search records.
const NoneScheme = "none"

// Schemes are the forms of a store URL.
var Schemes = []string{"memory", "sqlite", "postgres", "postgresql"}

func checkStoreURL(key, text string, required bool) error {
	if text == "" {
		if required {
			return fmt.Errorf("%s: is required, for example sqlite:///var/lib/perdure/perdure.db or postgres://user@host/database", key)
		}
		return nil
	}
	scheme, _, found := strings.Cut(text, ":")
	if !found || !slices.Contains(Schemes, scheme) {
		return fmt.Errorf("%s: %q is no store URL; want sqlite:///file, postgres://user@host/database or memory:", key, redact(text))
	}
	if _, err := url.Parse(text); err != nil {
		return fmt.Errorf("%s: %q cannot be read as a URL", key, redact(text))
	}
	return nil
}

// redact hides the password of a URL, also of one that does not parse.
func redact(text string) string {
	head, tail, found := strings.Cut(text, "@")
	if !found {
		return text
	}
	scheme, _, _ := strings.Cut(head, "://")
	return scheme + "://...@" + tail
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is none of %s", key, value, strings.Join(allowed, ", "))
}
