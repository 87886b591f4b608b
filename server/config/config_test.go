package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/internal/generated"
)

func TestDefaults(t *testing.T) {
	c := Default()
	require.Equal(t, 7233, c.Listen.GRPCPort)
	require.Equal(t, 2<<20, c.Limits.BlobBytesMax)
	require.Equal(t, 10*time.Second, c.Limits.TaskTimeoutDefault)
	require.ErrorContains(t, c.Validate(), "store: is required")
	c.Store = "memory:"
	require.NoError(t, c.Validate())
	require.Equal(t, "127.0.0.1:7233", c.OwnerAddress())
}

func TestGeneratedFilesAreFresh(t *testing.T) {
	generated.RequireFresh(t, "schema.json", Schema())
	generated.RequireFresh(t, "../../docs/limits.md", LimitsMarkdown())
}

func TestEverySettingIsDocumented(t *testing.T) {
	seen := map[string]string{}
	for _, f := range fields(new(Config)) {
		require.NotEmpty(t, f.tag.Get("doc"), f.path)
		require.Empty(t, seen[f.environmentName()], "%s has the variable of another", f.path)
		seen[f.environmentName()] = f.path
		require.Contains(t, Schema(), `"`+f.path[strings.LastIndex(f.path, ".")+1:]+`"`)
	}
}

func TestEveryLimitHasUnitAndKeysAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range fields(new(Limits)) {
		require.NotEmpty(t, f.tag.Get("unit"), f.path)
		require.NotEmpty(t, f.defaultText, f.path)
		if key := f.tag.Get("key"); key != "" {
			require.False(t, seen[key], key)
			seen[key] = true
		}
	}
}

func load(t *testing.T, text string, environ ...string) (Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("p.yaml", []byte(text), 0o600))
	return Load("p.yaml", environ)
}

func TestFileThenEnvironment(t *testing.T) {
	c, err := load(t, `
store: sqlite:///var/lib/perdure.db
listen: {ip: 0.0.0.0, grpc_port: 1}
namespaces: [a, b]
search_attributes:
  Customer: Keyword
drain_timeout: 3s
limits:
  blob_bytes_max: 1MiB
`, "PERDURE_LISTEN_GRPC_PORT=2", "PERDURE_LIMITS_TASK_POLL_MAX=5s", "PERDURE_NAMESPACES=c, d", "PERDURE_SEARCH_ATTRIBUTES=X=Int", "OTHER=1")
	require.NoError(t, err)
	require.Equal(t, 2, c.Listen.GRPCPort)
	require.Equal(t, "0.0.0.0", c.Listen.IP)
	require.Equal(t, []string{"c", "d"}, c.Namespaces)
	require.Equal(t, map[string]string{"X": "Int"}, c.SearchAttributes)
	require.Equal(t, 3*time.Second, c.DrainTimeout)
	require.Equal(t, 1<<20, c.Limits.BlobBytesMax)
	require.Equal(t, 5*time.Second, c.Limits.TaskPollMax)
}

func TestMistakesAreNamed(t *testing.T) {
	for _, test := range []struct{ name, text, environ, want string }{
		{"unknown", "store: 'memory:'\nstroe: x\n", "", `p.yaml:2: unknown key "stroe"; did you mean "store"?`},
		{"unknown below", "listen:\n  prot: 1\n", "", `p.yaml:2: unknown key "listen.prot"`},
		{"twice", "store: a\nstore: b\n", "", `p.yaml:2: key "store" is there twice`},
		{"type", "listen:\n  grpc_port: many\n", "", `p.yaml:2: listen.grpc_port: "many" is no whole number`},
		{"duration", "drain_timeout: 5\n", "", `p.yaml:1: drain_timeout: "5" is no duration; want for example 10s or 2m`},
		{"no map", "listen: 5\n", "", `p.yaml:1: listen: want keys and values`},
		{"list", "namespaces: a\n", "", `p.yaml:1: namespaces: want a list`},
		{"null", "store:\n", "", `p.yaml:1: store: has no value`},
		{"variable", "store: 'memory:'\n", "PERDURE_SHARDS=x", `PERDURE_SHARDS: "x" is no whole number`},
		{"scheme", "store: mongo://u:secret@h/d\n", "", `p.yaml: store: "mongo://...@h/d" is no store URL; want sqlite:///file, postgres://user@host/database or memory:`},
		{"port", "store: 'memory:'\nlisten: {grpc_port: 70000}\n", "", `p.yaml: listen.grpc_port: 70000 is no port (0 to 65535)`},
		{"same port", "store: 'memory:'\nlisten: {grpc_port: 7, http_port: 7}\n", "", `p.yaml: listen.http_port: port 7 is listen.grpc_port already`},
		{"ip", "store: 'memory:'\nlisten: {ip: here}\n", "", `p.yaml: listen.ip: "here" is no IP address`},
		{"level", "store: 'memory:'\nlog: {level: loud}\n", "", `p.yaml: log.level: "loud" is none of debug, info, warn, error, never`},
		{"limit", "store: 'memory:'\nlimits: {signals_max: 0}\n", "", `p.yaml: limits.signals_max: must be positive`},
		{"syntax", "store: [\n", "", ``},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.text, test.environ)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "secret")
			if test.want != "" {
				require.EqualError(t, err, test.want)
			}
		})
	}
}

func TestUnknownVariables(t *testing.T) {
	require.Equal(t, []string{"PERDURE_STOER"}, UnknownVariables([]string{
		"PERDURE_STORE=memory:", "PERDURE_STOER=x", "PERDURE_CONFIG=f", "HOME=h", "PERDURE_LIMITS_SIGNALS_MAX=1",
		"PERDURE_PORT=tcp://10.0.0.1:7233", "PERDURE_SERVICE_HOST=10.0.0.1", "PERDURE_PORT_7233_TCP=tcp://10.0.0.1:7233",
	}))
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := load(t, "one: 1\ntwo: 2\n")
	require.EqualError(t, err, "p.yaml:1: unknown key \"one\"\np.yaml:2: unknown key \"two\"")
	_, err = Load(filepath.Join(t.TempDir(), "none.yaml"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSetDynamic(t *testing.T) {
	c := Default()
	require.NoError(t, c.SetDynamic("limit.blobSize.error", "1000"))
	require.Equal(t, 1000, c.Limits.BlobBytesMax)
	require.NoError(t, c.SetDynamic("HISTORY.longPollExpirationInterval", "3s"))
	require.Equal(t, 3*time.Second, c.Limits.LongPollMax)
	require.NoError(t, c.SetDynamic("history.longPollExpirationInterval", "6.5"), "seconds")
	require.Equal(t, 6500*time.Millisecond, c.Limits.LongPollMax)
	require.NoError(t, c.SetDynamic("limit.maxIDLength", "10"), "no time")
	require.False(t, c.Features.WorkflowPause)
	require.NoError(t, c.SetDynamic("frontend.WorkflowPauseEnabled", "true"))
	require.True(t, c.Features.WorkflowPause)
	require.ErrorIs(t, c.SetDynamic("no.such.key", "1"), ErrUnknownKey)
	require.EqualError(t, c.SetDynamic("limit.maxIDLength", "x"), `limit.maxIDLength: "x" is no whole number`)
}

func TestCallbackAddresses(t *testing.T) {
	c, err := load(t, "store: 'memory:'\ncallbacks: {allowed_addresses: ['https://*.example.com', 'http://127.0.0.1:*']}")
	require.NoError(t, err)
	require.Empty(t, c.CallbackAddresses().Check("http://127.0.0.1:80/x"))
	require.NotEmpty(t, c.CallbackAddresses().Check("http://a.example.com/x"))
	_, err = load(t, "store: 'memory:'\ncallbacks: {allowed_addresses: [example.com]}")
	require.ErrorContains(t, err, `callbacks.allowed_addresses: "example.com" is no rule`)

	for _, key := range []string{"callback.allowedAddresses", "component.callbacks.allowedAddresses"} {
		c := Default()
		require.NoError(t, c.SetDynamic(key, `[{"Pattern":"*","AllowInsecure":true},{"Pattern":"b:1"}]`))
		require.Equal(t, []string{"http://*", "https://b:1"}, c.Callbacks.AllowedAddresses)
		require.ErrorContains(t, c.SetDynamic(key, "*"), "is no list such as")
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	for _, text := range []string{"", "store: x", "listen: {ip: [1]}", "a: &a [*a]", "limits: null", "- 1", "? {a: b}\n: c", "<<: 1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		_ = parse(&c, "p.yaml", []byte(text))
	})
}

func TestSearchStores(t *testing.T) {
	c, err := load(t, "store: postgres://db/perdure\nsearch:\n  stores: {sql: \"\", es: \"elasticsearch+https://u:secret@a:9200,b:9200/runs?refresh=500ms\"}\n  reads: sql\n  namespace_reads: {orders: es}\n  shadow: es\n")
	require.NoError(t, err)
	require.Equal(t, []SearchStore{
		{"es", "elasticsearch+https://u:secret@a:9200,b:9200/runs?refresh=500ms", true}, {"sql", "postgres://db/perdure", true},
	}, c.SearchStores())
	require.Equal(t, "sql", c.SearchReads())

	c, err = load(t, "store: postgres://db/perdure\nvisibility: elasticsearch+http://a:9200\n")
	require.NoError(t, err)
	require.Equal(t, []SearchStore{{MainStore, "elasticsearch+http://a:9200", true}}, c.SearchStores())

	for text, want := range map[string]string{
		"search: {stores: {a: \"\", b: \"\"}}":                      "which of the stores",
		"search: {stores: {a: \"\"}, reads: c}":                     `no search store "c"`,
		"search: {stores: {a: \"\"}, shadow: c}":                    `no search store "c"`,
		"search: {stores: {a: \"\"}, namespace_reads: {orders: c}}": `no search store "c"`,
		"search: {stores: {A: \"\"}}":                               "is no name",
		"search: {stores: {a: \"elasticsearch+http:\"}}":            "cannot be read",
		"search: {stores: {a: \"mysql://secret@b\"}}":               "no store URL",
		"search: {stores: {a: \"\"}}\nvisibility: sqlite:///file":   "excludes",
	} {
		_, err := load(t, "store: postgres://db/perdure\n"+text+"\n")
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "secret")
	}
}
