package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/bench/load"
	"perdure/bench/measure"
)

func result(target, scenario string, inflight int, perSecond float64) Result {
	return Result{
		Target: target, Server: "1.0", Scenario: scenario, Unit: "workflow", Inflight: inflight,
		Rate: Rate{Seconds: 1, Completed: int64(perSecond), PerSecond: perSecond}, Latency: Latency{P50: 2.345, P95: 5, P99: 9, Max: 12},
	}
}

func TestTableLeavesOutWhatNobodyMeasured(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Print(&out, []Result{result("postgres", "noop", 64, 1234.5)}))
	require.Contains(t, out.String(), "noop")
	require.Contains(t, out.String(), "1234")
	require.Contains(t, out.String(), "2.35")
	require.NotContains(t, out.String(), "WAL")
	require.NotContains(t, out.String(), "flat")
}

func TestRunThatIsNotFlatIsTold(t *testing.T) {
	flat, lagging := result("postgres", "noop", 1, 10), result("postgres", "noop", 16, 100)
	yes, no := true, false
	flat.Flat, lagging.Flat = &yes, &no
	var out bytes.Buffer
	require.NoError(t, Print(&out, []Result{flat, lagging}))
	require.Contains(t, out.String(), "NO")
}

func TestRatiosAreOfTheSameRuns(t *testing.T) {
	results := []Result{
		result("other", "noop", 1, 100), result("ours", "noop", 1, 400), result("other", "noop", 16, 50), result("ours", "noop", 64, 999),
	}
	results[1].P99 = 3
	found := pairs(results)
	require.Len(t, found, 1)
	table := cells(ratioColumns("other", "ours"), found)
	require.Equal(t, []string{"noop", "1", "100", "400", "4"}, table[1][:5])
	require.Equal(t, "0.333", table[1][10])
	var out bytes.Buffer
	require.NoError(t, PrintRatios(&out, results))
	require.Contains(t, out.String(), "ours divided by other")
	require.NoError(t, PrintRatios(&out, results[:1]), "one target has no ratio")
}

func TestCostsArePerUnit(t *testing.T) {
	begin := measure.Sample{At: time.Unix(0, 0), ServerCPU: time.Second, WALBytes: 100}
	end := measure.Sample{At: time.Unix(2, 0), ServerCPU: 3 * time.Second, WALBytes: 1100, GeneratorCPU: time.Second, ResidentBytes: 7}
	o := load.Outcome{Main: load.Series{Seconds: 2, Done: 100}, Failed: 1, FirstErr: errors.New("late")}
	o.Parts = []load.Series{{Name: "beside", Seconds: 4, Done: 8}}
	r := New("ours", "noop", "workflow", o, &measure.Window{Begin: begin, End: end, PeakBytes: 9})
	require.EqualValues(t, 50, r.PerSecond)
	require.EqualValues(t, 20, r.ServerCPU)
	require.EqualValues(t, 10, r.WALBytes)
	require.EqualValues(t, 50, r.GeneratorPercent)
	require.EqualValues(t, 9, r.ResidentPeakBytes)
	require.Equal(t, "late", r.FirstError)
	require.EqualValues(t, 2, r.Parts[0].PerSecond)
}

// samples are files of every suite, with something for each kind of picture.
func samples() []*File {
	machine := measure.Machine{Cores: 2, MemoryBytes: 24 << 30, Processor: "Some CPU", Kernel: "6.1", Go: "go1.26"}
	matrix := &File{Suite: "matrix", Machine: machine, Stores: map[string]map[string]string{"postgres": {"server_version": "15.9", "fsync": "on"}}}
	rates := &File{Suite: "rates", Machine: machine}
	for i, level := range []int{1, 16, 256} {
		matrix.Results = append(matrix.Results, result("postgres", "noop", level, 100*float64(i+1)), result("postgres", "one-activity", level, 50*float64(i+1)))
		offered := result("sqlite", "noop", 1024, 90*float64(i+1))
		offered.OfferedPerSecond = 100 * float64(i+1)
		rates.Results = append(rates.Results, offered)
	}
	fairness := result("postgres", "fairness", 16, 1500)
	fairness.Parts = []Part{
		{Name: "idle queue", Latency: Latency{P50: 1, P95: 2, P99: 3}}, {Name: "large backlog", Latency: Latency{P50: 1000, P95: 2000, P99: 30000}},
	}
	closed, open := &File{Suite: "growth-closed", Machine: machine}, &File{Suite: "growth-open", Machine: machine}
	for _, count := range []int{0, 1000, 100_000} {
		r := result("postgres", "noop", 64, 3000-float64(count)/100)
		r.ResidentBeginBytes, r.ResidentPeakBytes, r.ClosedBefore = 50<<20, 80<<20, count
		closed.Results = append(closed.Results, r)
		r.ClosedBefore, r.OpenBefore = 0, count
		open.Results = append(open.Results, r)
	}
	soak := result("postgres", "noop", 1024, 900)
	soak.OfferedPerSecond = 900
	for i := range 20 {
		soak.Points = append(soak.Points, Point{
			Seconds: float64(i), PerSecond: 900, Latency: Latency{P50: 1, P95: 2, P99: float64(3 + i%5)}, ResidentBytes: 80 << 20, HeapBytes: 40 << 20,
			DatabaseBytes: float64(i << 20), TableBytes: map[string]float64{"history": float64(i << 19), "execution": float64(i << 18)},
		})
	}
	return []*File{
		matrix, rates, {Suite: "fairness", Machine: machine, Results: []Result{fairness}}, closed, open,
		{Suite: "soak", Machine: machine, Results: []Result{soak}},
		{Suite: SuiteVersus, Machine: machine, Results: []Result{
			result("127.0.0.1:7233", "noop", 16, 50), result("perdure-postgres", "noop", 16, 2000), result("127.0.0.1:7233", "children", 16, 20), result("perdure-postgres", "children", 16, 400),
		}},
	}
}

// pictureTexts are what the pictures of the samples must show in words.
var pictureTexts = map[string][]string{
	"matrix-throughput-postgres.svg": {"one-activity", "in flight", "256"},
	"matrix-latency-postgres.svg":    {"p99", "one-activity: latency"},
	"rates-noop-sqlite.svg":          {"units/s offered", "p50"},
	"fairness-postgres.svg":          {"idle queue", "large backlog", "p99"},
	"growth-closed-postgres.svg":     {"closed workflows in the store", "MB resident"},
	"growth-open-postgres.svg":       {"open workflows in the store"},
	"soak-noop-postgres.svg":         {"history", "heap in use", "latency"},
	"versus.svg":                     {"perdure-postgres", "children"},
}

func TestPageShowsEverySuite(t *testing.T) {
	folder := t.TempDir()
	var suites []string
	for _, f := range samples() {
		suites = append(suites, f.Suite)
		require.NoError(t, f.Save(folder))
	}
	old := filepath.Join(folder, "matrix-throughput-papyrus.svg")
	require.NoError(t, os.WriteFile(old, nil, 0o644))
	require.NoError(t, WritePage(folder, append(suites, "never measured")))
	require.NoFileExists(t, old, "a picture of results that were replaced")
	page, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "2 cores of Some CPU shared by server, store and generator; 24 GiB")
	require.Contains(t, string(page), "PostgreSQL 15.9 with fsync on")
	require.Contains(t, string(page), "| ratio |")
	for name, texts := range pictureTexts {
		require.Contains(t, string(page), "("+name+")")
		shown := textsOf(t, filepath.Join(folder, name))
		for _, text := range texts {
			require.Contains(t, shown, text, name)
		}
	}
	found, err := filepath.Glob(filepath.Join(folder, "*.svg"))
	require.NoError(t, err)
	require.Len(t, found, len(pictureTexts), "%v", found)
}

// textsOf are the words of a picture, which must be well-formed.
func textsOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var words strings.Builder
	for decoder := xml.NewDecoder(bytes.NewReader(content)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return words.String()
		}
		require.NoError(t, err, path)
		if text, ok := token.(xml.CharData); ok {
			fmt.Fprintln(&words, string(text))
		}
	}
}

func TestFilesAreKeptWhole(t *testing.T) {
	folder := t.TempDir()
	want := samples()[0]
	require.NoError(t, want.Save(folder))
	got, err := Load(folder, []string{"matrix"})
	require.NoError(t, err)
	require.Equal(t, []*File{want}, got)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "matrix.json"), []byte("{"), 0o644))
	_, err = Load(folder, []string{"matrix"})
	require.ErrorContains(t, err, "matrix.json")
}
