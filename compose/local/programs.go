package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
)

// indexPrefix begins the names of Elasticsearch's indexes, as in compose/perdure.yaml.
const indexPrefix = "perdure"

func (k *stack) startPerdure(ctx context.Context) error {
	binary := os.Getenv("PERDURE_BINARY")
	if binary == "" {
		binary = filepath.Join(k.root, "bin", "perdure")
	}
	return k.launch(ctx, program{
		name:    "perdure",
		command: []string{binary, "server", "--config", filepath.Join(k.root, "compose", "perdure.yaml")},
		environment: append(k.tracing("perdure"),
			"PERDURE_STORE="+k.addresses["postgres"],
			"PERDURE_LISTEN_IP=127.0.0.1",
			"PERDURE_LISTEN_GRPC_PORT="+k.port("perdure"),
			"PERDURE_LISTEN_HTTP_PORT="+k.port("perdure-http"),
			"PERDURE_LISTEN_METRICS_PORT="+k.port("perdure-metrics"),
			"PERDURE_LISTEN_ADVERTISE="+k.host("perdure"),
			"PERDURE_SEARCH_STORES=sql=,elastic="+strings.Replace(k.addresses["elasticsearch"], "http://", "elasticsearch+http://", 1)+"/"+indexPrefix+"?refresh=1s",
		),
		healthy: k.addresses["perdure-metrics"] + "/healthz",
	})
}

// tracing is the environment of a program that sends spans.
func (k *stack) tracing(service string) []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + k.host("otlp"), "OTEL_EXPORTER_OTLP_INSECURE=true", "OTEL_SERVICE_NAME=" + service}
}

func (k *stack) startShop(ctx context.Context) error {
	s := k.settings
	return k.launch(ctx, program{
		name: "shop",
		command: []string{
			filepath.Join(k.root, "bin", "shop"), "--address", k.host("perdure"), "--namespaces", "shop,wholesale", "--metrics-address", k.host("shop"),
			"--rate", fmt.Sprint(s.rate), "--open", fmt.Sprint(s.open), "--cached-runs", fmt.Sprint(s.cachedRuns), fmt.Sprintf("--faults=%t", s.faults),
		},
		environment: k.tracing("shop"),
		healthy:     k.addresses["shop"] + "/healthz",
	})
}

func (k *stack) startJaeger(ctx context.Context) error {
	flags := map[string]string{
		"query.http-server": "jaeger", "query.grpc-server": "jaeger-query", "admin.http": "jaeger-admin",
		"collector.otlp.grpc": "otlp", "collector.otlp.http": "otlp-http",
		"collector.grpc-server": "jaeger-collector", "collector.http-server": "jaeger-collector-http", "http-server": "jaeger-sampling",
		"processor.jaeger-compact.server": "jaeger-compact", "processor.jaeger-binary.server": "jaeger-binary", "processor.zipkin-compact.server": "zipkin-compact",
	}
	command := []string{filepath.Join(k.root, ".cache", "bin", "jaeger"), "--collector.otlp.enabled", "--memory.max-traces=20000"}
	for flag, name := range flags {
		option := "." + "host-port"
		if strings.HasPrefix(flag, "processor.") {
			option = "-host-port"
		}
		command = append(command, "--"+flag+option+"="+k.host(name))
	}
	return k.launch(ctx, program{name: "jaeger", command: command, healthy: k.addresses["jaeger-admin"] + "/"})
}

func (k *stack) startAlertmanager(ctx context.Context) error {
	binary, err := exec.LookPath("prometheus-alertmanager") // as Debian calls it
	if err != nil {
		binary = "alertmanager"
	}
	return k.launch(ctx, program{
		name: "alertmanager",
		command: []string{
			binary, "--config.file=" + filepath.Join(k.root, "grafana", "prometheus", "alertmanager.yaml"),
			"--storage.path=" + filepath.Join(k.folder, "alertmanager"), "--web.listen-address=" + k.host("alertmanager"), "--cluster.listen-address=",
		},
		healthy: k.addresses["alertmanager"] + "/-/ready",
	})
}

func (k *stack) startPrometheus(ctx context.Context) error {
	config, err := k.prometheusConfig()
	if err != nil {
		return err
	}
	return k.launch(ctx, program{
		name: "prometheus",
		command: []string{
			"prometheus", "--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(k.folder, "prometheus"),
			"--web.listen-address=" + k.host("prometheus"), "--enable-feature=native-histograms,exemplar-storage",
		},
		healthy: k.addresses["prometheus"] + "/-/ready",
	})
}

// prometheusConfig is compose/prometheus.yaml with the addresses of this machine, without the jobs of what does not run here.
func (k *stack) prometheusConfig() (path string, err error) {
	text, err := os.ReadFile(filepath.Join(k.root, "compose", "prometheus.yaml"))
	if err != nil {
		return "", err
	}
	local := strings.NewReplacer(
		"perdure:9233", k.host("perdure-metrics"), "shop:9464", k.host("shop"), "prometheus:9090", k.host("prometheus"),
		"alertmanager:9093", k.host("alertmanager"), "jaeger:14269", k.host("jaeger-admin"),
		"- rules.yaml", "- "+filepath.Join(k.root, "grafana", "prometheus", "rules.yaml"),
		"_interval: 15s", "_interval: "+k.settings.scrapeInterval.String(),
	).Replace(string(text))
	var config map[string]any
	if err := yaml.Load([]byte(local), &config); err != nil {
		return "", fmt.Errorf("compose/prometheus.yaml: %w", err)
	}
	var jobs []any
	for _, job := range config["scrape_configs"].([]any) {
		if job.(map[string]any)["job_name"] != "collector" { // spans go straight to Jaeger
			jobs = append(jobs, job)
		}
	}
	config["scrape_configs"] = jobs
	made, err := yaml.Dump(config)
	if err != nil {
		return "", err
	}
	path = filepath.Join(k.folder, "prometheus.yaml")
	return path, os.WriteFile(path, made, 0o600)
}
