package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// shape is how a panel shows its data.
type shape string

const (
	lines  shape = "timeseries"
	number shape = "stat"
	rows   shape = "table"
	heated shape = "heatmap"
)

// limits are where a value begins to worry, and where somebody has to act.
type limits struct {
	warn, act float64
	below     bool // low values are the bad ones
	none      bool
}

func above(warn, act float64) limits { return limits{warn: warn, act: act} }
func below(warn, act float64) limits { return limits{warn: warn, act: act, below: true} }

// free is for values that are neither good nor bad.
var free = limits{none: true}

// panel is one picture.
type panel struct {
	title string
	unit  string // by Grafana's names
	about string // what it means, when to worry, where to look next
	limits
	queries []query
	shape   shape // lines unless said otherwise
	// quiet says why a healthy server at work may show nothing here; empty: it must show something.
	quiet string
	// find is a search of the Web UI that lists the workflows behind the panel.
	find string
	// lookups and statements are queries of other data sources.
	lookups    []lookup
	statements []statement
}

func one(q ...query) []query { return q }

func (p panel) kind() shape {
	if p.shape == "" {
		return lines
	}
	return p.shape
}

// build makes the panel at its place.
func (p panel) build(id uint32, at dashboard.GridPos) dashboard.Panel {
	built := dashboard.Panel{
		Type: string(p.kind()), Id: &id, Title: &p.title, Description: &p.about, GridPos: &at,
		Datasource: p.source(), Targets: p.targets(), Options: p.options(), Links: p.links(),
		FieldConfig: &dashboard.FieldConfigSource{Defaults: p.fields(), Overrides: []dashboard.DashboardFieldConfigSourceOverrides{}},
	}
	if p.kind() == heated {
		built.FieldConfig.Defaults.Custom = &heatmap.FieldConfig{}
	}
	return built
}

// source is the data source that the board's variable chooses.
func (p panel) source() *common.DataSourceRef {
	switch {
	case len(p.lookups) > 0:
		return sourceRef("elasticsearch", "$elasticsearch")
	case len(p.statements) > 0:
		return sourceRef("grafana-postgresql-datasource", "$postgres")
	}
	return sourceRef("prometheus", "$datasource")
}

func sourceRef(kind, uid string) *common.DataSourceRef {
	return &common.DataSourceRef{Type: &kind, Uid: &uid}
}

func (p panel) targets() []variants.Dataquery {
	var made []variants.Dataquery
	letter := func() *string {
		name := string(rune('A' + len(made)))
		return &name
	}
	for _, q := range p.queries {
		made = append(made, p.target(q, letter()))
	}
	for _, l := range p.lookups {
		made = append(made, l.target(letter()))
	}
	for _, s := range p.statements {
		made = append(made, s.target(*letter(), p.kind()))
	}
	return made
}

func (p panel) target(q query, letter *string) prometheus.Dataquery {
	t := prometheus.Dataquery{Expr: q.expr, LegendFormat: &q.legend, RefId: letter, Datasource: sourceRef("prometheus", "$datasource")}
	yes, format := true, prometheus.PromQueryFormatTimeSeries
	switch p.kind() {
	case heated:
		format = prometheus.PromQueryFormatHeatmap
		t.Exemplar = &yes
	case rows:
		format = prometheus.PromQueryFormatTable
	case lines:
		if strings.HasPrefix(q.expr, "histogram_quantile(0.99") {
			t.Exemplar = &yes
		}
	}
	t.Format = &format
	if q.instant || p.kind() == rows {
		t.Instant = &yes
	} else {
		t.Range = &yes
	}
	return t
}

func (p panel) options() any {
	switch p.kind() {
	case number:
		o := stat.NewOptions()
		o.ReduceOptions.Calcs = []string{"lastNotNull"}
		o.ColorMode = common.BigValueColorModeBackground
		o.Orientation = common.VizOrientationAuto
		return o
	case rows:
		o := table.NewOptions()
		o.Footer = nil
		return o
	case heated:
		o := heatmap.NewOptions()
		o.YAxis.Unit = &p.unit
		return o
	}
	o := timeseries.NewOptions()
	o.Legend.ShowLegend = true
	o.Legend.Calcs = []string{"lastNotNull", "max"}
	o.Legend.DisplayMode = common.LegendDisplayModeTable
	o.Tooltip.Mode = common.TooltipDisplayModeMulti
	o.Tooltip.Sort = common.SortOrderDescending
	return o
}

func (p panel) fields() dashboard.FieldConfig {
	config := dashboard.FieldConfig{Unit: &p.unit, Thresholds: p.thresholds()}
	if p.quiet != "" {
		text := "none"
		config.NoValue = &text
	}
	if p.kind() == lines {
		style, fill := common.GraphThresholdsStyleModeDashed, 10.0
		if p.none {
			style = common.GraphThresholdsStyleModeOff
		}
		config.Custom = &timeseries.FieldConfig{
			FillOpacity:     &fill,
			ThresholdsStyle: &common.GraphThresholdsStyleConfig{Mode: style},
		}
	}
	return config
}

func (p panel) thresholds() *dashboard.ThresholdsConfig {
	step := func(color string, at *float64) dashboard.Threshold {
		return dashboard.Threshold{Color: color, Value: at}
	}
	steps := []dashboard.Threshold{step("green", nil)}
	switch {
	case p.none:
	case p.below:
		steps = []dashboard.Threshold{step("red", nil), step("orange", &p.act), step("green", &p.warn)}
	case p.warn == p.act:
		steps = append(steps, step("red", &p.act))
	default:
		steps = append(steps, step("orange", &p.warn), step("red", &p.act))
	}
	return &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: steps}
}

// links lead to the workflows behind the panel.
func (p panel) links() []dashboard.DashboardLink {
	if p.find == "" {
		return nil
	}
	url := "${ui}" + searchPath("${namespace}", p.find)
	return []dashboard.DashboardLink{{
		Title: "Workflows behind this panel", Type: dashboard.DashboardLinkTypeLink, Icon: "external link", Url: &url,
		Tags: []string{}, TargetBlank: true,
	}}
}
