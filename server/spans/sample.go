package spans

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// Rules say which runs' spans are kept, once it is known how they have ended.
type Rules struct {
	Failures bool          // keep all that failed, timed out or were terminated
	Slow     time.Duration // keep all that took as long; 0: none for that reason
	Share    float64       // of the others, 0 to 1
}

// Ended is what the rules go by.
type Ended struct {
	Joined   bool // the caller keeps the trace that the run is part of
	Status   enumspb.WorkflowExecutionStatus
	Duration time.Duration
	// FamilyRunID is the run that began all: whole families are kept or not.
	FamilyRunID string
}

// Keep gives the reason to keep a run's spans: "joined", "failed", "slow" or "share"; empty: none.
func (r Rules) Keep(e Ended) string {
	switch {
	case e.Joined:
		return "joined"
	case r.Failures && failure(e.Status):
		return "failed"
	case r.Slow > 0 && e.Duration >= r.Slow:
		return "slow"
	case chance(e.FamilyRunID) < r.Share:
		return "share"
	}
	return ""
}

func failure(status enumspb.WorkflowExecutionStatus) bool {
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return true
	}
	return false
}

// chance is a number from 0 to 1, below 1, that follows from a run id: each node draws the same.
func chance(runID string) float64 {
	sum := sha256.Sum256([]byte(runID))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}
