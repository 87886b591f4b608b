package main

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"perdure/server"
	"perdure/server/config"
)

type devCommand struct {
	IP          string `default:"127.0.0.1" help:"IP address to listen on; 0.0.0.0 for all."`
	Port        int    `short:"p" default:"7233" help:"Port of the gRPC API; 0 takes a free one. The same for all ports."`
	HTTPPort    int    `default:"7243" help:"Port of the HTTP/JSON API."`
	UIPort      int    `default:"8233" help:"Port of a page that tells where things are."`
	MetricsPort int    `default:"9233" help:"Port of /metrics, /healthz and /debug/pprof."`
	Headless    bool   `help:"Do not serve the page."`
	Metrics     bool   `default:"true" negatable:"" help:"Measure, and serve /metrics."`

	DBFilename string `short:"f" name:"db-filename" placeholder:"FILE" help:"SQLite file to keep everything in; without it, all is in memory and lost at exit."`
	Store      string `placeholder:"URL" help:"Store to use instead: sqlite:///file or postgres://user:password@host/database."`
	Visibility string `placeholder:"URL" help:"Store of search records; without it, the store; none: has none."`

	SearchStore  []string `sep:"none" placeholder:"NAME=URL" help:"Several stores of search records instead, such as sql=sqlite:///file or es=elasticsearch+http://host:9200. Repeatable."`
	SearchReads  string   `placeholder:"NAME" help:"The one that answers searches."`
	SearchShadow string   `placeholder:"NAME" help:"One to which searches are sent as well, to compare its answers."`

	Namespace       []string `short:"n" sep:"none" placeholder:"NAME" help:"Namespace to register beside \"default\". Repeatable."`
	SearchAttribute []string `sep:"none" placeholder:"NAME=TYPE" help:"Search attribute of these namespaces: Text, Keyword, Int, Double, Bool, Datetime or KeywordList. Repeatable."`
	DynamicConfig   []string `name:"dynamic-config-value" sep:"none" placeholder:"KEY=VALUE" help:"Limit or feature to change, by the key scripts know, such as limit.blobSize.error=1048576. Repeatable."`

	LogLevel  string `default:"warn" enum:"debug,info,warn,error,never" help:"Least level to log (${enum})."`
	LogFormat string `default:"text" enum:"text,json" help:"Format of log lines (${enum})."`
}

func (d *devCommand) Help() string {
	return `Examples:
  perdure dev
  perdure dev --db-filename perdure.db --namespace orders
  perdure dev --store postgres://perdure@127.0.0.1/perdure --log-level info
  perdure dev --ip 0.0.0.0 --port 7233 --headless

Stop it with Ctrl-C: workers' polls are answered, commits finished, and it exits with 0.`
}

func (d *devCommand) Run(c *console) error {
	settings, err := d.config(c)
	if err != nil {
		return usageError{err}
	}
	page := d.UIPort
	if d.Headless {
		page = -1
	}
	return d.hint(serve(c, settings, page))
}

// hint names the option that moves a port in use.
func (d *devCommand) hint(err error) error {
	var port *server.PortError
	if !errors.As(err, &port) {
		return err
	}
	option := map[string]string{"gRPC": "--port", "HTTP": "--http-port", "metrics": "--metrics-port", "page": "--ui-port"}[port.Purpose]
	return fmt.Errorf("%w; choose another with %s", err, option)
}

func (d *devCommand) config(c *console) (config.Config, error) {
	settings := config.Default()
	storeURL, err := d.storeURL()
	if err != nil {
		return settings, err
	}
	settings.Store, settings.Visibility = storeURL, d.Visibility
	if settings.Search, err = d.search(); err != nil {
		return settings, err
	}
	settings.Listen = config.Listen{IP: d.IP, GRPCPort: d.Port, HTTPPort: d.HTTPPort, MetricsPort: d.MetricsPort}
	settings.Metrics.Enabled = d.Metrics
	settings.Log = config.Log{Level: d.LogLevel, Format: d.LogFormat}
	settings.Namespaces = append([]string{"default"}, d.Namespace...)
	if settings.SearchAttributes, err = pairs("--search-attribute", "NAME=TYPE", d.SearchAttribute); err != nil {
		return settings, err
	}
	if err := d.setDynamic(c, &settings); err != nil {
		return settings, err
	}
	return settings, settings.Validate()
}

// storeURL is what --store or --db-filename names; in memory without both.
func (d *devCommand) storeURL() (string, error) {
	switch {
	case d.Store != "" && d.DBFilename != "":
		return "", errors.New("--store and --db-filename exclude one another")
	case d.Store != "":
		return d.Store, nil
	case d.DBFilename == "":
		return "memory:", nil
	}
	path, err := filepath.Abs(d.DBFilename)
	if err != nil {
		return "", fmt.Errorf("--db-filename: %w", err)
	}
	return (&url.URL{Scheme: "sqlite", Path: path}).String(), nil
}

func (d *devCommand) search() (config.Search, error) {
	found := config.Search{Reads: d.SearchReads, Shadow: d.SearchShadow}
	var err error
	if len(d.SearchStore) > 0 {
		found.Stores, err = pairs("--search-store", "NAME=URL", d.SearchStore)
	}
	return found, err
}

// setDynamic sets the limits and features this server has. A key it lacks is worth a line
// and no more: scripts written for other servers should run.
func (d *devCommand) setDynamic(c *console, settings *config.Config) error {
	values, err := pairs("--dynamic-config-value", "KEY=VALUE", d.DynamicConfig)
	if err != nil {
		return err
	}
	for key, value := range values {
		err := settings.SetDynamic(key, strings.Trim(value, `"`)) // texts may come as JSON
		if errors.Is(err, config.ErrUnknownKey) {
			fmt.Fprintf(c.err, "perdure: warning: --dynamic-config-value %v\n", err)
		} else if err != nil {
			return fmt.Errorf("--dynamic-config-value %w", err)
		}
	}
	return nil
}

// pairs splits NAME=VALUE arguments.
func pairs(option, form string, arguments []string) (map[string]string, error) {
	found := map[string]string{}
	for _, argument := range arguments {
		name, value, ok := strings.Cut(argument, "=")
		if !ok || name == "" || value == "" {
			return nil, fmt.Errorf("%s %q: want %s", option, argument, form)
		}
		found[name] = value
	}
	return found, nil
}
