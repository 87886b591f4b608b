package views_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"perdure/server/searchpb"
	"perdure/server/store/memory"
	"perdure/server/views"
	"perdure/visibility/attr"
)

func newBook(t *testing.T) *views.Book {
	t.Helper()
	s, err := memory.Open(1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return views.New(views.Config{Store: s, Limits: views.Limits{Views: 10, ViewBytes: 1000, NameBytes: 10}})
}

func TestALifeOfAView(t *testing.T) {
	b, ctx := newBook(t), t.Context()
	made, err := b.Create(ctx, "ns", &searchpb.View{Name: "stuck", Query: "PendingActivityMaxAttempt > 5", Columns: []string{"WorkflowId"}, Version: 7})
	require.NoError(t, err)
	require.EqualValues(t, 1, made.Version)
	require.NotNil(t, made.CreateTime)
	_, err = b.Create(ctx, "ns", &searchpb.View{Name: "stuck", Query: "x"})
	var exists *serviceerror.AlreadyExists
	require.ErrorAs(t, err, &exists)
	_, err = b.Create(ctx, "other", &searchpb.View{Name: "stuck", Query: "x"})
	require.NoError(t, err, "names are those of a namespace")

	next, err := b.Update(ctx, "ns", &searchpb.View{Name: "stuck", Query: "PendingActivityMaxAttempt > 6", Version: 1})
	require.NoError(t, err)
	require.EqualValues(t, 2, next.Version)
	require.Equal(t, made.CreateTime.AsTime(), next.CreateTime.AsTime())
	_, err = b.Update(ctx, "ns", &searchpb.View{Name: "stuck", Query: "x", Version: 1})
	var changed *serviceerror.FailedPrecondition
	require.ErrorAs(t, err, &changed)

	_, err = b.Create(ctx, "ns", &searchpb.View{Name: "all", Query: "x"})
	require.NoError(t, err)
	all, err := b.List(ctx, "ns")
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "all", all[0].Name)
	require.Equal(t, "PendingActivityMaxAttempt > 6", all[1].Query)

	require.NoError(t, b.Delete(ctx, "ns", "stuck"))
	var missing *serviceerror.NotFound
	require.ErrorAs(t, b.Delete(ctx, "ns", "stuck"), &missing)
	_, err = b.Update(ctx, "ns", &searchpb.View{Name: "stuck", Query: "x"})
	require.ErrorAs(t, err, &missing)
	again, err := b.Create(ctx, "ns", &searchpb.View{Name: "stuck", Query: "x"})
	require.NoError(t, err)
	require.EqualValues(t, 1, again.Version)

	require.NoError(t, b.Drop(ctx, "ns"))
	all, err = b.List(ctx, "ns")
	require.NoError(t, err)
	require.Empty(t, all)
	all, err = b.List(ctx, "other")
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestViewsThatNobodyCouldUseAreRefused(t *testing.T) {
	b := newBook(t)
	custom := attr.Types{"City": enumspb.INDEXED_VALUE_TYPE_KEYWORD}
	for _, v := range []*searchpb.View{
		{Name: "v", Query: "City = 'Rome' AND StartTime > '2026-01-02T03:04:05Z'"},
		{Name: "v", Query: "City = :city AND WorkflowType IN (:a, :b)"},
		{Name: "v", Query: "StartTime > AGO('1h') AND VIEW('other', days => 7)"},
		{Name: "0123456789", Query: "City = ':no parameter'"},
	} {
		require.NoError(t, b.Check(v, custom), v.Query)
	}
	for _, v := range []*searchpb.View{
		{Query: "City = 'Rome'"},
		{Name: "01234567890", Query: "City = 'Rome'"},
		{Name: "v"},
		{Name: "v", Query: "City ="},
		{Name: "v", Query: "Town = 'Rome'"},
		{Name: "v", Query: "City = : city"},
		{Name: "v", Query: "GROUP BY ExecutionStatus"},
	} {
		var invalid *serviceerror.InvalidArgument
		require.ErrorAs(t, b.Check(v, custom), &invalid, v.Query)
	}
}
