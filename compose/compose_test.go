// Package compose_test holds the files of this folder to the server, to one another and to the tools that read them.
package compose_test

import (
	"bytes"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"perdure/internal/pgtest"
	"perdure/server/config"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// dockerCompose is the real tool, installed by .ci/prepare; its command config needs no container engine.
const dockerCompose = "../.cache/venv/bin/docker-compose"

// project is what docker compose makes of compose.yaml.
type project struct {
	Name     string
	Services map[string]service
	Volumes  map[string]any
}

type service struct {
	Image       string
	Restart     string
	Command     []string
	Environment map[string]string
	Healthcheck *struct{ Test []string }
	Ports       []struct {
		HostIP    string `json:"host_ip"`
		Target    int
		Published string
	}
	Volumes []struct{ Type, Source, Target string }
	Deploy  struct {
		Resources struct {
			Limits struct {
				CPUs   float64 `json:"cpus"`
				Memory string
			}
		}
	}
	DependsOn map[string]any `json:"depends_on"`
}

func readProject(t *testing.T) project {
	t.Helper()
	command := exec.Command(dockerCompose, "--env-file", ".env.example", "--profile", "*", "config", "--format", "json")
	var complaints bytes.Buffer
	command.Stderr = &complaints
	text, err := command.Output()
	require.NoError(t, err, complaints.String())
	require.Empty(t, complaints.String(), "docker compose warns of nothing")
	var p project
	require.NoError(t, json.Unmarshal(text, &p))
	return p
}

func (p project) targets(name string) (ports []int) {
	for _, port := range p.Services[name].Ports {
		ports = append(ports, port.Target)
	}
	return ports
}

// unasked are services that cannot be asked how they are. Each says why.
var unasked = map[string]string{
	"collector": "its image has nothing to ask with",
	"grant":     "it ends",
}

var pinned = regexp.MustCompile(`^[a-z0-9./-]+:[a-z0-9.-]*[0-9][a-z0-9.-]*$`)

func TestServicesAreLookedAfter(t *testing.T) {
	p := readProject(t)
	require.Equal(t, "perdure", p.Name)
	for name, s := range p.Services {
		ours := strings.HasPrefix(s.Image, "perdure")
		require.True(t, ours || pinned.MatchString(s.Image) && !strings.Contains(s.Image, "latest"), "%s: image %s", name, s.Image)
		require.NotEmpty(t, s.Restart, name)
		require.NotZero(t, s.Deploy.Resources.Limits.CPUs, name)
		require.NotEmpty(t, s.Deploy.Resources.Limits.Memory, name)
		require.Equal(t, unasked[name] == "", s.Healthcheck != nil, "%s: a health check, or a reason", name)
		for _, port := range s.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s: reached from this machine only", name)
		}
		for _, v := range s.Volumes {
			if v.Type == "bind" {
				_, err := os.Stat(v.Source)
				require.NoError(t, err, name)
				continue
			}
			require.Contains(t, p.Volumes, v.Source, name)
		}
	}
	require.NotEmpty(t, p.Services["shop"].Image)
}

// TestSecretsHaveNoDefault: a stack does not come up with a password that everybody knows.
func TestSecretsHaveNoDefault(t *testing.T) {
	example, err := os.ReadFile(".env.example")
	require.NoError(t, err)
	secrets := regexp.MustCompile(`(?m)^(\w*PASSWORD)=`).FindAllStringSubmatch(string(example), -1)
	require.Len(t, secrets, 3)
	for _, secret := range secrets {
		env := filepath.Join(t.TempDir(), "env")
		without := regexp.MustCompile(`(?m)^`+secret[1]+`=.*$`).ReplaceAll(example, nil)
		require.NoError(t, os.WriteFile(env, without, 0o600))
		output, err := exec.Command(dockerCompose, "--env-file", env, "config", "--quiet").CombinedOutput()
		require.Error(t, err, secret[1])
		require.Contains(t, string(output), "copy .env.example to .env")
	}
}

func environ(s service) (list []string) {
	for name, value := range s.Environment {
		list = append(list, name+"="+value)
	}
	return list
}

func readConfig(t *testing.T, p project) config.Config {
	t.Helper()
	require.Empty(t, config.UnknownVariables(environ(p.Services["perdure"])))
	c, err := config.Load("perdure.yaml", environ(p.Services["perdure"]))
	require.NoError(t, err)
	return c
}

func TestServerIsReachedWhereItListens(t *testing.T) {
	p := readProject(t)
	c := readConfig(t, p)
	require.Equal(t, []int{c.Listen.GRPCPort, c.Listen.HTTPPort, c.Listen.MetricsPort}, p.targets("perdure"))
	defaults := config.Default().Listen
	require.Equal(t, []int{defaults.GRPCPort, defaults.HTTPPort, defaults.MetricsPort}, p.targets("perdure"), "as everywhere else")
	grpc := "perdure:" + strconv.Itoa(c.Listen.GRPCPort)
	require.Equal(t, grpc, c.Listen.Advertise)
	require.Equal(t, grpc, p.Services["ui"].Environment["TEMPORAL_ADDRESS"])
	require.Contains(t, p.Services["shop"].Command, "--address="+grpc)
	require.Contains(t, p.Services["shop"].Command, "--namespaces="+strings.Join(c.Namespaces[1:], ","))
	require.Equal(t, []string{"CMD", "perdure", "health"}, p.Services["perdure"].Healthcheck.Test, "its default is the port of metrics")
	for name, address := range map[string]string{"postgres": c.Store, "elasticsearch": c.Search.Stores["elastic"]} {
		parsed, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, name, parsed.Hostname())
		require.Contains(t, p.targets(name), number(t, parsed.Port()))
		require.Contains(t, p.Services["perdure"].DependsOn, name)
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// scrapes are the targets of prometheus.yaml by job.
func scrapes(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "prometheus.yaml", &file)
	jobs := map[string]string{}
	for _, job := range file.ScrapeConfigs {
		require.Len(t, job.StaticConfigs, 1)
		require.Len(t, job.StaticConfigs[0].Targets, 1)
		jobs[job.JobName] = job.StaticConfigs[0].Targets[0]
	}
	return jobs
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Load(text, into))
}

func TestPrometheusFindsEverybody(t *testing.T) {
	p := readProject(t)
	for job, target := range scrapes(t) {
		host, port, err := net.SplitHostPort(target)
		require.NoError(t, err)
		require.Contains(t, p.Services, host, job)
		if host == "perdure" || host == "shop" {
			require.Contains(t, p.targets(host), number(t, port), job)
		}
	}
	require.Contains(t, p.Services["shop"].Command, "--metrics-address=0.0.0.0:"+strings.TrimPrefix(scrapes(t)["shop"], "shop:"))
	folder := t.TempDir()
	for from, to := range map[string]string{"prometheus.yaml": "prometheus.yaml", "../grafana/prometheus/rules.yaml": "rules.yaml"} {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, to), text, 0o600))
	}
	output, err := exec.Command("promtool", "check", "config", filepath.Join(folder, "prometheus.yaml")).CombinedOutput()
	require.NoError(t, err, string(output))
	output, err = exec.Command("amtool", "check-config", "../grafana/prometheus/alertmanager.yaml").CombinedOutput()
	require.NoError(t, err, string(output))
}

func TestGrafanaIsToldEverything(t *testing.T) {
	p := readProject(t)
	sources, err := os.ReadFile("../grafana/provisioning/datasources/perdure.yaml")
	require.NoError(t, err)
	variables := regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(string(sources), -1)
	require.NotEmpty(t, variables)
	given := p.Services["grafana"].Environment
	for _, v := range variables {
		require.NotEmpty(t, given[v[1]], v[1])
	}
	elastic, err := url.Parse(readConfig(t, p).Search.Stores["elastic"])
	require.NoError(t, err)
	require.Equal(t, strings.TrimPrefix(elastic.Path, "/")+"-read", given["ELASTICSEARCH_INDEX"])
	boards, err := os.ReadFile("../grafana/provisioning/dashboards/perdure.yaml")
	require.NoError(t, err)
	path := regexp.MustCompile(`path: (\S+)`).FindStringSubmatch(string(boards))[1]
	require.True(t, slices.ContainsFunc(p.Services["grafana"].Volumes, func(v struct{ Type, Source, Target string }) bool {
		return v.Target == path && strings.HasSuffix(v.Source, "grafana/dashboards")
	}), path)
}

func TestTracesReachTheirStore(t *testing.T) {
	p := readProject(t)
	type endpoint struct{ Endpoint string }
	var file struct {
		Receivers map[string]struct{ Protocols map[string]endpoint }
		Exporters map[string]endpoint
		Service   struct {
			Pipelines map[string]struct{ Receivers, Processors, Exporters []string }
			Telemetry struct {
				Metrics struct {
					Readers []struct {
						Pull struct {
							Exporter map[string]struct{ Port int }
						}
					}
				}
			}
		}
		Processors map[string]any
	}
	readYAML(t, "collector.yaml", &file)
	for name, pipeline := range file.Service.Pipelines {
		require.Subset(t, keys(file.Receivers), pipeline.Receivers, name)
		require.Subset(t, keys(file.Processors), pipeline.Processors, name)
		require.Subset(t, keys(file.Exporters), pipeline.Exporters, name)
	}
	require.Equal(t, "jaeger:4317", file.Exporters["otlp/jaeger"].Endpoint)
	port := file.Service.Telemetry.Metrics.Readers[0].Pull.Exporter["prometheus"].Port
	require.Equal(t, scrapes(t)["collector"], "collector:"+strconv.Itoa(port))
	_, grpc, err := net.SplitHostPort(file.Receivers["otlp"].Protocols["grpc"].Endpoint)
	require.NoError(t, err)
	for _, sender := range []string{"perdure", "shop"} {
		require.Equal(t, "http://collector:"+grpc, p.Services[sender].Environment["OTEL_EXPORTER_OTLP_ENDPOINT"])
	}
	require.Contains(t, p.targets("collector"), number(t, grpc))
}

func keys[V any](m map[string]V) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}
