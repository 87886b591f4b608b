package store_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
	"perdure/server/store/memory"
	"perdure/server/store/storetest"
)

func TestInstrumentedContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		data, err := memory.New(storetest.ShardCount)
		require.NoError(t, err)
		return func(*testing.T) store.Store {
			return store.Instrument(data.Open(), func(string, float64, error) {})
		}
	})
}

// Every method but Close is observed under its own name, also one added later.
func TestInstrumentNamesEveryMethod(t *testing.T) {
	inner, err := memory.Open(1)
	require.NoError(t, err)
	var seen []string
	s := reflect.ValueOf(store.Instrument(inner, func(method string, seconds float64, _ error) {
		seen = append(seen, method)
		require.GreaterOrEqual(t, seconds, 0.0)
	}))
	var want []string
	methods := reflect.TypeFor[store.Store]()
	for i := range methods.NumMethod() {
		method := methods.Method(i)
		if method.Name == "Close" {
			continue
		}
		want = append(want, method.Name)
		arguments := []reflect.Value{reflect.ValueOf(t.Context())}
		for j := 1; j < method.Type.NumIn(); j++ {
			arguments = append(arguments, reflect.Zero(method.Type.In(j)))
		}
		s.MethodByName(method.Name).Call(arguments)
	}
	require.Equal(t, want, seen)
}

func TestInstrumentReportsErrors(t *testing.T) {
	inner, err := memory.Open(1)
	require.NoError(t, err)
	var got error
	s := store.Instrument(inner, func(_ string, _ float64, err error) { got = err })
	_, err = s.Meta(t.Context(), "k", "none")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.True(t, errors.Is(got, store.ErrNotFound))
	_, err = s.Shards(t.Context())
	require.NoError(t, err)
	require.NoError(t, got)
}
