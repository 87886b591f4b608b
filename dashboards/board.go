package main

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"perdure/server/metrics"
)

// board is one page of panels.
type board struct {
	uid, title string
	about      string // the question it answers, and whose
	rows       []row
}

// row is a part of a board under a heading.
type row struct {
	title  string
	panels []panel
}

const (
	gridWidth   = 24
	panelWidth  = 8
	panelHeight = 8
	numberWidth = 4
)

func (b board) panels() []panel {
	var all []panel
	for _, r := range b.rows {
		all = append(all, r.panels...)
	}
	return all
}

// json is the board as Grafana reads it.
func (b board) json(l links) (string, error) {
	text, err := json.MarshalIndent(b.build(l), "", "  ")
	if err != nil {
		return "", err
	}
	return string(text) + "\n", nil
}

func (b board) build(l links) dashboard.Dashboard {
	zone, refresh, tooltip, editable := "browser", "30s", dashboard.DashboardCursorSyncCrosshair, false
	title := "Perdure / " + b.title
	return dashboard.Dashboard{
		Uid: &b.uid, Title: &title, Description: &b.about, Tags: []string{"perdure"}, Timezone: &zone, Refresh: &refresh,
		Editable: &editable, GraphTooltip: &tooltip, SchemaVersion: 41,
		Time:        &dashboard.DashboardDashboardTime{From: "now-1h", To: "now"},
		Panels:      b.layOut(),
		Templating:  dashboard.DashboardDashboardTemplating{List: b.variables(l)},
		Annotations: dashboard.AnnotationContainer{List: annotations()},
		Links: []dashboard.DashboardLink{{
			Title: "Perdure", Type: dashboard.DashboardLinkTypeDashboards, Icon: "external link", Tags: []string{"perdure"},
			AsDropdown: true, IncludeVars: true, KeepTime: true,
		}},
	}
}

// layOut puts panels side by side, row after row.
func (b board) layOut() []dashboard.PanelOrRowPanel {
	var placed []dashboard.PanelOrRowPanel
	var y, id uint32
	for _, r := range b.rows {
		id++
		at := dashboard.GridPos{H: 1, W: gridWidth, Y: y}
		placed = append(placed, dashboard.PanelOrRowPanel{RowPanel: &dashboard.RowPanel{
			Type: "row", Title: &r.title, Id: id, GridPos: &at, Panels: []dashboard.Panel{},
		}})
		y++
		var x uint32
		for _, p := range r.panels {
			width := uint32(panelWidth)
			if p.kind() == number {
				width = numberWidth
			}
			if x+width > gridWidth {
				x, y = 0, y+panelHeight
			}
			id++
			built := p.build(id, dashboard.GridPos{H: panelHeight, W: width, X: x, Y: y})
			placed = append(placed, dashboard.PanelOrRowPanel{Panel: &built})
			x += width
		}
		y += panelHeight
	}
	return placed
}

// annotations mark when another version started.
func annotations() []dashboard.AnnotationQuery {
	expr := promql("", `changes(sum by (version) (@)[2m:30s]) > 0`, metrics.BuildInfo).expr
	step, format := "30s", "{{version}}"
	return []dashboard.AnnotationQuery{{
		Name: "Versions", Enable: true, IconColor: "blue", Datasource: sourceRef("prometheus", "$datasource"), Expr: &expr,
		Target: prometheus.Dataquery{Expr: expr, Interval: &step, LegendFormat: &format},
	}}
}

// searchPath is the Web UI's page of a search, without the host.
func searchPath(namespace, search string) string {
	return "/namespaces/" + namespace + "/workflows?query=" + url.QueryEscape(search)
}

// variables are those that the board's queries and links name.
func (b board) variables(l links) []dashboard.VariableModel {
	var text strings.Builder
	for _, p := range b.panels() {
		for _, q := range p.queries {
			text.WriteString(q.expr)
		}
		for _, s := range p.statements {
			text.WriteString(s.sql)
		}
		for _, k := range p.lookups {
			text.WriteString(k.lucene)
		}
		text.WriteString(*p.source().Uid)
		for _, link := range p.links() {
			text.WriteString(*link.Url)
		}
	}
	text.WriteString("$datasource $job") // of the annotations
	var found []dashboard.VariableModel
	for _, v := range variables(l) {
		if name := v.Name; strings.Contains(text.String(), "$"+name) || strings.Contains(text.String(), "${"+name) {
			found = append(found, v)
		}
	}
	return found
}

// variables are all there are, in the order of the line above the panels.
func variables(l links) []dashboard.VariableModel {
	return []dashboard.VariableModel{
		sourceVariable("datasource", "Prometheus", "prometheus"),
		sourceVariable("postgres", "PostgreSQL", "grafana-postgresql-datasource"),
		sourceVariable("elasticsearch", "Elasticsearch", "elasticsearch"),
		labelVariable("job", "Job", metrics.BuildInfo, "job"),
		variableOf("sdk_job", "Job of workers", "temporal_worker_start_total", "job"),
		labelVariable("namespace", "Namespace", metrics.GRPCRequests, "namespace"),
		labelVariable("task_queue", "Task queue", metrics.BacklogTasks, "task_queue"),
		labelVariable("store", "Store", metrics.StoreRequests, "store"),
		labelVariable("method", "Method", metrics.GRPCDuration, "method"),
		textVariable("namespace_id", "Namespace id", "%"),
		textVariable("ui", "Web UI", l.ui),
	}
}

func sourceVariable(name, label, plugin string) dashboard.VariableModel {
	return dashboard.VariableModel{
		Type: dashboard.VariableTypeDatasource, Name: name, Label: &label, Query: &dashboard.StringOrMap{String: &plugin},
		Refresh: pointer(dashboard.VariableRefreshOnDashboardLoad),
	}
}

func labelVariable(name, label string, m metric, of string) dashboard.VariableModel {
	return variableOf(name, label, m.Definition().Name, of)
}

func variableOf(name, label, metric, of string) dashboard.VariableModel {
	definition := "label_values(" + metric + ", " + of + ")"
	all := slices.Contains([]string{"job", "sdk_job", "namespace", "task_queue", "store"}, name)
	v := dashboard.VariableModel{
		Type: dashboard.VariableTypeQuery, Name: name, Label: &label, Datasource: sourceRef("prometheus", "$datasource"),
		Query: &dashboard.StringOrMap{String: &definition}, Definition: &definition,
		Refresh: pointer(dashboard.VariableRefreshOnTimeRangeChanged), Sort: pointer(dashboard.VariableSortAlphabeticalAsc),
	}
	if all {
		v.Multi, v.IncludeAll, v.AllValue = pointer(true), pointer(true), pointer(".*")
	}
	return v
}

func textVariable(name, label, value string) dashboard.VariableModel {
	option := dashboard.VariableOption{
		Text:  dashboard.StringOrArrayOfString{String: &value},
		Value: dashboard.StringOrArrayOfString{String: &value},
	}
	return dashboard.VariableModel{
		Type: dashboard.VariableTypeTextbox, Name: name, Label: &label, Query: &dashboard.StringOrMap{String: &value}, Current: &option,
		Options: []dashboard.VariableOption{option},
	}
}

func pointer[T any](value T) *T { return &value }
