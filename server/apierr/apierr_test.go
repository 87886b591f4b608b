package apierr_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"perdure/server/apierr"
	"perdure/server/store"
)

func TestToStatusCodes(t *testing.T) {
	t.Parallel()
	for want, err := range map[codes.Code]error{
		codes.OK:                nil,
		codes.InvalidArgument:   apierr.InvalidArgument("no %s", "name"),
		codes.Unavailable:       fmt.Errorf("commit: %w", store.ErrLeaseLost),
		codes.DeadlineExceeded:  fmt.Errorf("wait: %w", context.DeadlineExceeded),
		codes.Canceled:          context.Canceled,
		codes.Internal:          errors.New("a bug"),
		codes.ResourceExhausted: fmt.Errorf("x: %w", serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "slow")),
		codes.DataLoss:          status.Error(codes.DataLoss, "gone"),
	} {
		require.Equal(t, want, apierr.ToStatus(err).Code(), "%v", err)
	}
}

func TestToStatusKeepsDetailsOfWrappedErrors(t *testing.T) {
	t.Parallel()
	st := apierr.ToStatus(fmt.Errorf("lookup: %w", serviceerror.NewNamespaceNotFound("orders")))
	require.Equal(t, codes.NotFound, st.Code())
	require.Len(t, st.Details(), 1)
}

func TestPublicHidesInternalText(t *testing.T) {
	t.Parallel()
	public, hash := apierr.Public(status.New(codes.Internal, "password is x"))
	require.Len(t, hash, 8)
	require.Equal(t, "something went wrong, please retry ("+hash+")", public.Message())
	again, sameHash := apierr.Public(status.New(codes.Unknown, "password is x"))
	require.Equal(t, hash, sameHash)
	require.Equal(t, codes.Unknown, again.Code())
}

func TestPublicCutsLongTextAtACharacter(t *testing.T) {
	t.Parallel()
	public, hash := apierr.Public(status.New(codes.NotFound, "x"+strings.Repeat("é", 3000)))
	require.Empty(t, hash)
	require.Len(t, public.Message(), apierr.MessageBytesMax)
	require.True(t, strings.HasSuffix(public.Message(), "é... <truncated>"))
	even, _ := apierr.Public(status.New(codes.NotFound, strings.Repeat("é", 3000)))
	require.Len(t, even.Message(), apierr.MessageBytesMax-1, "no half character")
	whole, _ := apierr.Public(status.New(codes.NotFound, strings.Repeat("x", apierr.MessageBytesMax)))
	require.Len(t, whole.Message(), apierr.MessageBytesMax)
	require.NotContains(t, whole.Message(), "truncated")
}

func TestPublicLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	st := status.New(codes.NotFound, "no such run")
	public, _ := apierr.Public(st)
	require.Same(t, st, public)
}
