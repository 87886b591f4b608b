package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/ledgerpb"
)

func TestLedgerIsATable(t *testing.T) {
	var out strings.Builder
	require.NoError(t, printLedger(&out, &ledgerpb.GetLedgerResponse{
		WorkflowId: "order-17", RunId: "r", WorkflowType: "order", CloseTime: timestamppb.Now(), Life: durationpb.New(10 * time.Second),
		Stages: []*ledgerpb.Stage{{
			Name: "activity_work", Count: 2, Open: 1, Share: 0.25, Total: durationpb.New(3 * time.Second), Maximum: durationpb.New(1234567 * time.Nanosecond),
		}},
		ServerSince:  timestamppb.Now(),
		ServerStages: []*ledgerpb.Stage{{Name: "commit_store", Count: 3, Total: durationpb.New(90 * time.Minute), Maximum: durationpb.New(time.Hour)}},
	}))
	require.Regexp(t, `^order-17 r, order, closed after 10s\n`, out.String())
	require.Regexp(t, `activity_work +2 +1 +3s +1\.235ms +25\.0 %`, out.String())
	require.Regexp(t, `commit_store +3 +0 +1h30m0s +1h0m0s +0\.0 %`, out.String())
}
