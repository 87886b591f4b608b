// Package promtest asks a Prometheus what tests want to know.
package promtest

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"testing"
)

// Numbers tells how many numbers and histograms a query gives now; NaN is none.
func Numbers(t testing.TB, prometheus, expr string) int {
	t.Helper()
	answer, err := http.Get(prometheus + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct {
		Status, Error string
		Data          struct{ Result []result }
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || body.Status != "success" {
		t.Fatalf("%s: %s %s, %v", expr, answer.Status, body.Error, err)
	}
	count := 0
	for _, r := range body.Data.Result {
		if r.isNumber() || len(r.Histogram) > 0 {
			count++
		}
	}
	return count
}

// result is one series of a vector: a time and a value or a histogram.
type result struct{ Value, Histogram []any }

func (r result) isNumber() bool {
	if len(r.Value) != 2 {
		return false
	}
	text, _ := r.Value[1].(string)
	v, err := strconv.ParseFloat(text, 64)
	return err == nil && !math.IsNaN(v)
}
