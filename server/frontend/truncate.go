package frontend

import (
	"context"

	failurepb "go.temporal.io/api/failure/v1"

	"perdure/server/activity"
)

// serverFailure is a failure that the server makes for a worker; it is not retried.
func serverFailure(message string) *failurepb.Failure {
	return &failurepb.Failure{
		Message:     message,
		FailureInfo: &failurepb.Failure_ServerFailureInfo{ServerFailureInfo: &failurepb.ServerFailureInfo{NonRetryable: true}},
	}
}

// limitFailure returns failure, or when it is too large to keep, a server
// failure whose cause is failure cut short.
func (f *Frontend) limitFailure(ctx context.Context, failure *failurepb.Failure) (limited *failurepb.Failure, replaced bool) {
	if !f.oversized(ctx, failure) {
		return failure, false
	}
	limited = serverFailure("Failure exceeds size limit.")
	limited.Cause = activity.ShortenFailure(failure, f.limits.BlobBytesWarn)
	return limited, true
}
