package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSearchInside(t *testing.T) {
	c, err := load(t, `
store: 'memory:'
search:
  inside: {orders: memo signals, '*': all}
  redact: ['\d{16}']
`)
	require.NoError(t, err)
	looks := c.Search.Looks()
	require.True(t, looks["orders"].Memo)
	require.False(t, looks["orders"].Input)
	require.True(t, looks[EveryNamespace].Input)
	require.Equal(t, `\d{16}`, looks["orders"].Redact[0].String())

	c, err = load(t, "store: 'memory:'\n", "PERDURE_SEARCH_INSIDE=orders=memo input, bills=result")
	require.NoError(t, err)
	require.True(t, c.Search.Looks()["orders"].Input)
	require.True(t, c.Search.Looks()["bills"].Result)
	d := Default()
	require.Empty(t, d.Search.Looks(), "nothing unless it is asked for")

	_, err = load(t, "store: 'memory:'\nsearch: {inside: {orders: headers}}\n")
	require.EqualError(t, err, `p.yaml: search.inside: orders: "headers" is none of memo, input, result, activities, signals, pending, all`)
	_, err = load(t, "store: 'memory:'\nsearch: {redact: ['[']}\n")
	require.ErrorContains(t, err, "search.redact: expression 1: error parsing regexp")
}
