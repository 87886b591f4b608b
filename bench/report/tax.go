package report

import "fmt"

// Tax is what watching costs: the throughput of a server with all on by that of one with all off.
type Tax struct {
	Scenario string  `json:"scenario"`
	Inflight int     `json:"inflight"`
	Rounds   int     `json:"rounds"`
	On       float64 `json:"on_per_second"`  // median
	Off      float64 `json:"off_per_second"` // median
	Ratio    float64 `json:"ratio"`
}

// String is a line for people.
func (t Tax) String() string {
	return fmt.Sprintf("%s, %d in flight: %.0f/s with all on, %.0f/s with all off (medians of %d): ratio %.3f", t.Scenario, t.Inflight, t.On, t.Off, t.Rounds, t.Ratio)
}
