package fault_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
	"perdure/server/store/fault"
	"perdure/server/store/memory"
	"perdure/server/store/storetest"
)

// Without faults the wrapper is a store like any other.
func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		data, err := memory.New(storetest.ShardCount)
		require.NoError(t, err)
		return func(*testing.T) store.Store { return fault.New(data.Open(), fault.Plan{}) }
	})
}

func put(s store.Store, version int64) error {
	return s.PutMeta(context.Background(), store.Meta{Kind: "k", Key: "k", Version: version, Data: []byte{1}})
}

func TestOrderedFaults(t *testing.T) {
	inner, err := memory.Open(1)
	require.NoError(t, err)
	s := fault.New(inner, fault.Plan{})
	s.Order(fault.None, fault.Error, fault.LostAck)
	require.NoError(t, put(s, 1))
	require.ErrorIs(t, put(s, 2), fault.ErrInjected)
	require.ErrorIs(t, put(s, 2), store.ErrUnknownOutcome)
	require.ErrorIs(t, put(s, 2), store.ErrConflict, "the lost write was done")
	require.EqualValues(t, 4, s.Writes())

	s.Crash()
	require.ErrorIs(t, put(s, 3), fault.ErrCrashed)
	_, err = s.Meta(t.Context(), "k", "k")
	require.ErrorIs(t, err, fault.ErrCrashed)
	found, err := inner.Meta(t.Context(), "k", "k")
	require.NoError(t, err)
	require.EqualValues(t, 2, found.Version)
}

func TestSameSeedSameFaults(t *testing.T) {
	outcomes := func(seed uint64) string {
		inner, err := memory.Open(1)
		require.NoError(t, err)
		s := fault.New(inner, fault.Plan{Seed: seed, ErrorShare: 0.3, LostShare: 0.3})
		text := ""
		for version := int64(1); len(text) < 200; {
			err := put(s, version)
			switch {
			case errors.Is(err, fault.ErrInjected):
				text += "e"
				continue
			case errors.Is(err, store.ErrUnknownOutcome):
				text += "l"
			default:
				require.NoError(t, err)
				text += "."
			}
			version++
		}
		return text
	}
	require.Equal(t, outcomes(1), outcomes(1))
	require.NotEqual(t, outcomes(1), outcomes(2))
	require.Contains(t, outcomes(1), "e")
	require.Contains(t, outcomes(1), "l")
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, err := memory.Open(1)
		require.NoError(t, err)
		s := fault.New(inner, fault.Plan{DelayShare: 1, DelayMax: time.Hour})
		began := time.Now()
		_, err = s.Shards(t.Context())
		require.NoError(t, err)
		require.NotZero(t, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		defer cancel()
		_, err = s.Shards(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
