package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/elasticsearch"
)

// statement is a query of PostgreSQL with Grafana's macros.
type statement struct{ sql string }

func (s statement) target(letter string, kind shape) variants.Dataquery {
	format := "table"
	if kind == lines {
		format = "time_series"
	}
	return variants.UnknownDataquery{
		"refId": letter, "rawQuery": true, "editorMode": "code", "format": format, "rawSql": s.sql,
		"datasource": map[string]any{"type": "grafana-postgresql-datasource", "uid": "$postgres"},
	}
}

// lookup is a search of Elasticsearch: what to count, split by terms, over time.
type lookup struct {
	lucene    string
	timeField string
	terms     string // field to split by; empty: none
	over      bool   // over time
	percents  []string
	field     string // of percents
	legend    string
}

func (l lookup) target(letter *string) variants.Dataquery {
	return elasticsearch.Dataquery{
		Query: &l.lucene, TimeField: &l.timeField, Alias: &l.legend, RefId: letter, Metrics: []elasticsearch.MetricAggregation{l.metric()},
		BucketAggs: l.buckets(), Datasource: sourceRef("elasticsearch", "$elasticsearch"),
	}
}

func (l lookup) metric() elasticsearch.MetricAggregation {
	if len(l.percents) == 0 {
		return elasticsearch.MetricAggregation{Count: &elasticsearch.Count{Type: elasticsearch.MetricAggregationTypeCount, Id: "1"}}
	}
	return elasticsearch.MetricAggregation{Percentiles: &elasticsearch.Percentiles{
		Type: elasticsearch.MetricAggregationTypePercentiles, Id: "1", Field: &l.field,
		Settings: &elasticsearch.ElasticsearchPercentilesSettings{Percents: l.percents},
	}}
}

func (l lookup) buckets() []elasticsearch.BucketAggregation {
	var made []elasticsearch.BucketAggregation
	if l.terms != "" {
		order := elasticsearch.TermsOrderDesc
		made = append(made, elasticsearch.BucketAggregation{Terms: &elasticsearch.Terms{
			Type: elasticsearch.BucketAggregationTypeTerms, Id: "2", Field: &l.terms,
			Settings: &elasticsearch.ElasticsearchTermsSettings{
				Order: &order, Size: pointer("10"), OrderBy: pointer("_count"), MinDocCount: pointer("1"),
			},
		}})
	}
	if l.over {
		made = append(made, elasticsearch.BucketAggregation{DateHistogram: &elasticsearch.DateHistogram{
			Type: elasticsearch.BucketAggregationTypeDateHistogram, Id: "3", Field: &l.timeField,
			Settings: &elasticsearch.ElasticsearchDateHistogramSettings{Interval: pointer("auto"), MinDocCount: pointer("0")},
		}})
	}
	return made
}

const (
	startedThen = `$__unixEpochNanoFilter(start_ns) AND namespace_id LIKE '$namespace_id'`
	closedThen  = `$__unixEpochNanoFilter(close_key) AND namespace_id LIKE '$namespace_id'`
	openNow     = `closed_at IS NULL AND namespace_id LIKE '$namespace_id'`
)

func sql(text string) []statement { return []statement{{text}} }

var businessPostgres = board{
	uid: "perdure-business-postgresql", title: "Business on PostgreSQL", about: "What the workflows themselves did, from the search records in PostgreSQL. For product teams. Reads the view visibility_runs.",
	rows: []row{{"Runs", []panel{
		{title: "Started by type", unit: "short", limits: free, statements: sql(`SELECT $__timeGroupAlias(started_at, $__interval), workflow_type AS metric, count(*) AS started FROM visibility_runs WHERE ` + startedThen + ` GROUP BY 1, 2 ORDER BY 1`),
			about: "Runs that started in the chosen time, by workflow type."},
		{title: "Closed by status", unit: "short", limits: free, statements: sql(`SELECT $__timeGroupAlias(closed_at, $__interval), status AS metric, count(*) AS closed FROM visibility_runs WHERE ` + closedThen + ` GROUP BY 1, 2 ORDER BY 1`),
			about: "How runs ended, by the time of their end."},
		{title: "Runs by status", unit: "short", shape: rows, limits: free, statements: sql(`SELECT status, count(*) AS runs FROM visibility_runs WHERE ` + startedThen + ` GROUP BY 1 ORDER BY 2 DESC`),
			about: "What has become of the runs that started in the chosen time."},
		{title: "Types that fail most", unit: "short", shape: rows, limits: free, quiet: "nothing fails", statements: sql(`SELECT workflow_type, count(*) FILTER (WHERE status IN ('Failed', 'TimedOut', 'Terminated')) AS failed, count(*) AS closed FROM visibility_runs WHERE ` + closedThen + ` GROUP BY 1 HAVING count(*) FILTER (WHERE status IN ('Failed', 'TimedOut', 'Terminated')) > 0 ORDER BY 2 DESC LIMIT 20`),
			about: "Types whose runs ended badly, with all that closed for comparison.", find: `ExecutionStatus IN ("Failed","TimedOut","Terminated")`},
		{title: "Open longest", unit: "s", shape: rows, limits: free, statements: sql(`SELECT workflow_id, workflow_type, task_queue, started_at, extract(epoch FROM now() - started_at) AS age_seconds FROM visibility_runs WHERE ` + openNow + ` ORDER BY start_ns LIMIT 20`),
			about: "The oldest open runs. Some wait for a person, some have been forgotten.", find: `ExecutionStatus = "Running"`},
		{title: "Duration by type", unit: "s", shape: rows, limits: free, statements: sql(`SELECT workflow_type, count(*) AS runs, percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS p50, percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds) AS p95 FROM visibility_runs WHERE ` + closedThen + ` AND status = 'Completed' GROUP BY 1 ORDER BY 4 DESC LIMIT 20`),
			about: "From start to end of completed runs, slowest types first."},
		{title: "Open by age", unit: "short", shape: rows, limits: free, statements: sql(`SELECT CASE WHEN age < 60 THEN '1: below a minute' WHEN age < 3600 THEN '2: below an hour' WHEN age < 86400 THEN '3: below a day' ELSE '4: a day and more' END AS age, count(*) AS runs FROM (SELECT extract(epoch FROM now() - started_at) AS age FROM visibility_runs WHERE ` + openNow + `) AS open GROUP BY 1 ORDER BY 1`),
			about: "How old the open runs are, in four classes."},
		{title: "Longest histories", unit: "short", shape: rows, limits: free, statements: sql(`SELECT workflow_id, workflow_type, status, history_length, history_size_bytes FROM visibility_runs WHERE ` + startedThen + ` ORDER BY history_length DESC NULLS LAST LIMIT 20`),
			about: "Runs that should continue as new before they reach 51,200 events.", find: "HistoryLength > 10000"},
	}}},
}

func search(l lookup) []lookup { return []lookup{l} }

var businessElastic = board{
	uid: "perdure-business-elasticsearch", title: "Business on Elasticsearch", about: "What the workflows themselves did, from the search records in Elasticsearch. For product teams. Reads the alias PREFIX-read.",
	rows: []row{{"Runs", []panel{
		{title: "Started by type", unit: "short", limits: free, lookups: search(lookup{lucene: "namespace_id:*", timeField: "started_at", terms: "workflow_type", over: true}),
			about: "Runs that started in the chosen time, by workflow type."},
		{title: "Closed by status", unit: "short", limits: free, lookups: search(lookup{lucene: "namespace_id:*", timeField: "closed_at", terms: "status", over: true}),
			about: "How runs ended, by the time of their end."},
		{title: "Runs by status", unit: "short", shape: rows, limits: free, lookups: search(lookup{lucene: "namespace_id:*", timeField: "started_at", terms: "status"}),
			about: "What has become of the runs that started in the chosen time."},
		{title: "Types that fail most", unit: "short", shape: rows, limits: free, quiet: "nothing fails", lookups: search(lookup{lucene: "status:(Failed OR TimedOut OR Terminated)", timeField: "closed_at", terms: "workflow_type"}),
			about: "Types whose runs ended badly.", find: `ExecutionStatus IN ("Failed","TimedOut","Terminated")`},
		{title: "Duration of completed runs", unit: "ns", limits: free, lookups: search(lookup{lucene: "status:Completed", timeField: "closed_at", over: true, percents: []string{"50", "95"}, field: "duration"}),
			about: "From start to end, median and slowest of twenty."},
		{title: "Open by task queue", unit: "short", shape: rows, limits: free, quiet: "all runs are closed", lookups: search(lookup{lucene: "status:Running", timeField: "started_at", terms: "task_queue"}),
			about: "The task queues that the open runs belong to.", find: `ExecutionStatus = "Running"`},
	}}},
}
