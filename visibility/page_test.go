package visibility_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
	"perdure/visibility/visibilitytest"
)

// TestTokens checks that a position survives its token, for every order.
func TestTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := visibilitytest.DrawList(t)
		require.NoError(t, query.CheckWith(q, visibilitytest.CorpusOptions()))
		req := visibility.ListRequest{NamespaceID: "ns", Query: q}
		position := visibility.PositionOf(q, visibilitytest.DrawRecord(t, "ns", 1))
		req.PageToken = position.Token(req)
		again, err := req.Position()
		require.NoError(t, err)
		require.Equal(t, position, again)

		other := req
		other.Query = &query.Query{Where: q.Where, OrderBy: append([]query.OrderTerm{{Field: query.Field{Name: attr.RunID}}}, q.OrderBy...)}
		_, err = other.Position()
		require.ErrorIs(t, err, visibility.ErrPageToken, "another order is another query")
		cut := req
		cut.PageToken = req.PageToken[:rapid.IntRange(1, len(req.PageToken)-1).Draw(t, "cut")]
		_, err = cut.Position()
		require.ErrorIs(t, err, visibility.ErrPageToken)
		cut.PageToken = append(req.PageToken[:len(req.PageToken):len(req.PageToken)], 0)
		_, err = cut.Position()
		require.ErrorIs(t, err, visibility.ErrPageToken)
	})
}

// TestTokensKeepNow checks that later pages see the time of the first one.
func TestTokensKeepNow(t *testing.T) {
	rec := visibilitytest.CorpusRecords("ns")["kw-03"]
	first := time.Unix(1704067200, 5).UTC()
	for text, keeps := range map[string]bool{"StartTime > AGO('1h')": true, "StartTime > '2024-01-01T00:00:00Z'": false} {
		q, err := query.Parse(text)
		require.NoError(t, err)
		require.NoError(t, query.CheckWith(q, query.Options{Now: first}))
		token := visibility.PositionOf(q, rec).Token(visibility.ListRequest{NamespaceID: "ns", Query: q})
		asOf, ok := visibility.TokenAsOf(token)
		require.Equal(t, keeps, ok, text)
		if keeps {
			require.Equal(t, first, asOf)
		}

		later, err := query.Parse(text)
		require.NoError(t, err)
		require.NoError(t, query.CheckWith(later, query.Options{Now: first.Add(time.Hour)}))
		_, err = visibility.ListRequest{NamespaceID: "ns", Query: later, PageToken: token}.Position()
		require.Equal(t, keeps, err != nil, "with another time the query is another: %s", text)
	}
	for _, token := range []string{"", "\x01", "\x02short", "a token of something else altogether"} {
		_, ok := visibility.TokenAsOf([]byte(token))
		require.False(t, ok)
	}
}

// TestScalars checks the binary form of values.
func TestScalars(t *testing.T) {
	for _, value := range []any{nil, "", "a\x00b", int64(-1), int64(1 << 62), 0.5, -1e300, true, false, time.Unix(-62167219200, 999).UTC()} {
		form := append(attr.AppendScalar(nil, value), "rest"...)
		again, rest, err := attr.ReadScalar(form)
		require.NoError(t, err)
		require.Equal(t, value, again)
		require.Equal(t, "rest", string(rest))
	}
	for _, damaged := range []string{"", "\x01", "\x01\x05abc", "\x02abc", "\x03\x7f\xf8\x00\x00\x00\x00\x00\x01", "\x06\x00\x00\x00\x00\x00\x00\x00\x00\x01", "\x09"} {
		_, _, err := attr.ReadScalar([]byte(damaged))
		require.Error(t, err, "%q", damaged)
	}
}
