package compose_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"perdure/server/config"
)

// manifests are the objects of a file, decoded into the types of the API; a field that they lack is an error.
type manifests struct {
	configMap corev1.ConfigMap
	service   corev1.Service
	set       appsv1.StatefulSet
	budget    policyv1.PodDisruptionBudget
	secret    corev1.Secret
	policy    networkingv1.NetworkPolicy
}

func readManifests(t *testing.T) *manifests {
	t.Helper()
	m := &manifests{}
	targets := map[string]any{
		"Namespace": &corev1.Namespace{}, "ServiceAccount": &corev1.ServiceAccount{}, "ConfigMap": &m.configMap, "Service": &m.service,
		"StatefulSet": &m.set, "PodDisruptionBudget": &m.budget, "Secret": &m.secret, "NetworkPolicy": &m.policy,
	}
	files, err := filepath.Glob("kubernetes/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, document := range strings.Split(string(text), "\n---\n") {
			var kind struct{ Kind string }
			require.NoError(t, yaml.Unmarshal([]byte(document), &kind))
			require.NotNil(t, targets[kind.Kind], "%s: kind %q", file, kind.Kind)
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), targets[kind.Kind]), "%s: %s", file, kind.Kind)
			delete(targets, kind.Kind)
		}
	}
	require.Empty(t, targets, "all are there, once")
	return m
}

func (m *manifests) container() corev1.Container { return m.set.Spec.Template.Spec.Containers[0] }

// environ is the environment of the container with the example's secrets.
func (m *manifests) environ(t *testing.T) (list []string) {
	for _, variable := range m.container().Env {
		from := variable.ValueFrom.SecretKeyRef
		require.Equal(t, m.secret.Name, from.Name)
		require.Contains(t, m.secret.StringData, from.Key)
		list = append(list, variable.Name+"="+m.secret.StringData[from.Key])
	}
	return list
}

func TestKubernetesRunsThisServer(t *testing.T) {
	m := readManifests(t)
	file := filepath.Join(t.TempDir(), "perdure.yaml")
	require.NoError(t, os.WriteFile(file, []byte(m.configMap.Data["perdure.yaml"]), 0o600))
	c, err := config.Load(file, m.environ(t))
	require.NoError(t, err)
	require.Empty(t, config.UnknownVariables(m.environ(t)))
	require.Equal(t, m.set.Name+"-0."+m.set.Spec.ServiceName+":7233", c.Listen.Advertise, "the pod's stable name")
	ports := map[string]int{}
	for _, port := range m.container().Ports {
		ports[port.Name] = int(port.ContainerPort)
	}
	require.Equal(t, map[string]int{"grpc": c.Listen.GRPCPort, "http": c.Listen.HTTPPort, "metrics": c.Listen.MetricsPort}, ports)
	require.Equal(t, "9233", m.set.Spec.Template.Annotations["prometheus.io/port"])
	require.Equal(t, 9233, c.Listen.MetricsPort)
	require.Equal(t, m.set.Spec.ServiceName, m.service.Name)
	for _, port := range m.service.Spec.Ports {
		require.Equal(t, ports[port.TargetPort.String()], int(port.Port))
	}
	require.Equal(t, readProject(t).Services["perdure"].Image, m.container().Image)
	grace := *m.set.Spec.Template.Spec.TerminationGracePeriodSeconds
	require.Greater(t, float64(grace), c.DrainTimeout.Seconds()+1.5, "the server ends before it is killed")
}

func TestKubernetesPodIsConfined(t *testing.T) {
	m := readManifests(t)
	pod, container := m.set.Spec.Template.Spec, m.container()
	require.True(t, *pod.SecurityContext.RunAsNonRoot)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	require.False(t, *container.SecurityContext.AllowPrivilegeEscalation)
	require.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
	require.Equal(t, []corev1.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop)
	require.NotEmpty(t, container.Resources.Requests)
	require.NotEmpty(t, container.Resources.Limits)
	for _, probe := range []*corev1.Probe{container.StartupProbe, container.ReadinessProbe, container.LivenessProbe} {
		require.NotNil(t, probe)
	}
	require.Equal(t, "/healthz", container.ReadinessProbe.HTTPGet.Path)
	require.EqualValues(t, 1, *m.set.Spec.Replicas, "processes do not share a store's shards yet")
	labels := m.set.Spec.Template.Labels
	require.Equal(t, labels, m.budget.Spec.Selector.MatchLabels)
	require.Equal(t, labels, m.policy.Spec.PodSelector.MatchLabels)
	require.Equal(t, labels, m.service.Spec.Selector)
}
