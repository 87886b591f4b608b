package indexer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/metrics"
	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/indexer"
	"perdure/visibility/memory"
	"perdure/visibility/query"
)

// telling is a memory store that tells of each record whether it takes it.
type telling struct {
	*memory.Store
	mu    sync.Mutex
	judge func(rec *visibility.Record) error
	sizes []int
}

type classed struct {
	class visibility.Class
	error
}

func (s *telling) Write(ctx context.Context, records []*visibility.Record) error {
	s.mu.Lock()
	judge := s.judge
	s.sizes = append(s.sizes, len(records))
	s.mu.Unlock()
	var taken []*visibility.Record
	failed := &visibility.WriteError{}
	for place, rec := range records {
		var refusal classed
		if err := judge(rec); errors.As(err, &refusal) {
			failed.Items = append(failed.Items, visibility.ItemError{Index: place, Class: refusal.class, Err: refusal.error})
			continue
		}
		taken = append(taken, rec)
	}
	if err := s.Store.Write(ctx, taken); err != nil {
		return err
	}
	if len(failed.Items) > 0 {
		return failed
	}
	return nil
}

func (s *telling) setJudge(judge func(*visibility.Record) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judge = judge
}

func (s *telling) written() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int(nil), s.sizes...)
}

func takesAll(*visibility.Record) error { return nil }

func count(t *testing.T, s visibility.Store, filter string) int64 {
	t.Helper()
	q, err := query.Parse(filter)
	require.NoError(t, err)
	require.NoError(t, query.Check(q, nil))
	result, err := s.Count(t.Context(), "ns", q)
	require.NoError(t, err)
	return result.Total
}

// What one record is refused for holds up no other of its batch.
func TestBusyRecordWaitsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &telling{Store: memory.New()}
		s.judge = func(rec *visibility.Record) error {
			if rec.RunID == "busy" {
				return classed{visibility.Busy, errors.New("too many requests")}
			}
			return nil
		}
		i := indexer.New(config(s))
		busy, others := 0, 0
		enqueue(i, run("busy", 1), func() { busy++ })
		for n := range 20 {
			enqueue(i, run(fmt.Sprint(n), 1), func() { others++ })
		}
		synctest.Wait()
		require.Equal(t, 20, others, "at once")
		require.Zero(t, busy)
		<-time.After(time.Minute)
		require.Less(t, len(s.written()), 20, "it is tried less and less often")
		s.setJudge(takesAll)
		<-time.After(indexer.RetryMaxDefault)
		synctest.Wait()
		require.Equal(t, 1, busy)
		require.NoError(t, i.Close(t.Context()))
	})
}

// A store that is blocked is asked with one record from time to time, and gets all when it is well.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := func(*visibility.Record) error { return classed{visibility.Blocked, errors.New("the disk is full")} }
		s := &telling{Store: memory.New(), judge: blocked}
		registry := metrics.NewRegistry()
		c := config(s)
		c.Metrics = registry
		i := indexer.New(c)
		done := 0
		for n := range 500 {
			enqueue(i, run(fmt.Sprint(n), 1), func() { done++ })
		}
		<-time.After(10 * time.Minute)
		require.True(t, i.Blocked())
		sizes := s.written()
		require.Less(t, len(sizes), 100)
		for _, size := range sizes[1:] {
			require.Equal(t, 1, size, "one record finds out")
		}
		require.Zero(t, done)
		s.setJudge(takesAll)
		<-time.After(indexer.RetryMaxDefault)
		<-time.After(time.Second)
		synctest.Wait()
		require.Equal(t, 500, done)
		require.False(t, i.Blocked())
		require.NoError(t, i.Close(t.Context()))
	})
}

// letters is a list of dead letters that may fail.
type letters struct {
	mu    sync.Mutex
	found []visibility.DeadLetter
	err   error
}

func (l *letters) Add(_ context.Context, letter visibility.DeadLetter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.found = append(l.found, letter)
	return nil
}

func (l *letters) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *letters) all() []visibility.DeadLetter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]visibility.DeadLetter(nil), l.found...)
}

func withAttribute(rec *visibility.Record, name string) *visibility.Record {
	rec.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
		name: attr.Encode("x", enumspb.INDEXED_VALUE_TYPE_KEYWORD),
	}}
	return rec
}

// A record that the store will never take is listed without its attributes, says why, and is a dead letter; only then it is done.
func TestRefusedRecordIsADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &telling{Store: memory.New()}
		s.judge = func(rec *visibility.Record) error {
			if _, poison := rec.SearchAttributes.GetIndexedFields()["poison"]; poison || rec.RunID == "hopeless" {
				return classed{visibility.Refused, errors.New("no number: " + strings.Repeat("é", 2000))}
			}
			return nil
		}
		dead := &letters{err: errors.New("down")}
		c := config(s)
		c.DeadLetters = dead
		i := indexer.New(c)
		done := map[string]int{}
		for _, id := range []string{"poison", "hopeless", "fine"} {
			enqueue(i, withAttribute(run(id, 7), map[bool]string{true: "poison", false: "good"}[id == "poison"]), func() { done[id]++ })
		}
		<-time.After(time.Minute)
		synctest.Wait()
		require.Equal(t, map[string]int{"fine": 1}, done, "nothing is done that is not durable")
		require.Equal(t, 2, i.Pending())
		dead.fail(nil)
		require.NoError(t, i.Close(t.Context()))
		require.Equal(t, map[string]int{"fine": 1, "poison": 1, "hopeless": 1}, done)
		require.Equal(t, map[string]int64{"fine": 7, "poison": 7}, s2versions(t, s))
		require.EqualValues(t, 1, count(t, s, "TemporalReportedProblems = 'category=SearchAttributesRefused'"))
		found := map[string]visibility.DeadLetter{}
		for _, letter := range dead.all() {
			found[letter.RunID] = letter
		}
		require.Len(t, found, 2)
		require.EqualValues(t, 7, found["poison"].Version)
		require.Contains(t, found["poison"].Error, "no number")
	})
}

func s2versions(t *testing.T, s *telling) map[string]int64 {
	t.Helper()
	return (&guarded{Store: s.Store}).versions(t)
}

// Live changes are never held up: without room they are refused, and waiting work leaves them half of it.
func TestOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newGuarded(func(context.Context, []*visibility.Record) error { <-release; return nil })
		c := config(s)
		c.MaxWaiting = 4
		i := indexer.New(c)
		require.True(t, i.Offer(run("under way", 1), time.Now(), nil))
		synctest.Wait()
		enqueue(i, run("a", 1), nil)
		enqueue(i, run("b", 1), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, i.Enqueue(ctx, run("waits", 1), time.Now(), nil), context.DeadlineExceeded)
		require.True(t, i.Offer(run("c", 1), time.Now(), nil))
		require.True(t, i.Offer(run("d", 1), time.Now(), nil))
		require.False(t, i.Offer(run("e", 1), time.Now(), func() { t.Error("it was not taken") }))
		require.True(t, i.Offer(run("d", 2), time.Now(), nil), "a run that waits needs no more room")
		close(release)
		require.NoError(t, i.Close(t.Context()))
		require.Equal(t, map[string]int64{"under way": 1, "a": 1, "b": 1, "c": 1, "d": 2}, s.versions(t))
	})
}

func TestBytesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var largest int
		s := newGuarded(func(_ context.Context, records []*visibility.Record) error {
			<-release
			largest = max(largest, len(records))
			return nil
		})
		c := config(s)
		c.MaxWaitingBytes, c.MaxBatchBytes = 1<<20, 100<<10
		i := indexer.New(c)
		taken := 0
		for n := range 1000 {
			rec := run(fmt.Sprint(n), 1)
			rec.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{"m": {Data: make([]byte, 10<<10)}}}
			if i.Offer(rec, time.Now(), nil) {
				taken++
			}
			synctest.Wait()
		}
		require.InDelta(t, 100, taken, 5)
		close(release)
		require.NoError(t, i.Close(t.Context()))
		require.Len(t, s.versions(t), taken)
		require.LessOrEqual(t, largest, 10)
	})
}

// Batches grow while they are quick, and shrink when they are slow.
func TestBatchesAdapt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := 10 * time.Millisecond
		s := newGuarded(func(context.Context, []*visibility.Record) error { <-time.After(took); return nil })
		c := config(s)
		c.MaxWaiting = 20_000
		i := indexer.New(c)
		flood := func(first int) []int {
			_, before := s.counts()
			for n := range 9000 {
				enqueue(i, run(fmt.Sprint(first+n), 1), nil)
			}
			require.NoError(t, i.Flush(t.Context()))
			_, sizes := s.counts()
			return sizes[len(before):]
		}
		sizes := flood(0)
		require.Equal(t, indexer.MaxBatchDefault, max(sizes[len(sizes)-1], sizes[len(sizes)-2]))
		took = time.Second
		sizes = flood(10_000)
		require.Less(t, sizes[len(sizes)-2], 200)
		require.NoError(t, i.Close(t.Context()))
	})
}

// late is a store that shows records a while after it took them.
type late struct {
	*memory.Store
	mu    sync.Mutex
	waits []*visibility.Record
}

func (s *late) Write(_ context.Context, records []*visibility.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits = append(s.waits, records...)
	return nil
}

func (s *late) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	waits := s.waits
	s.waits = nil
	return s.Store.Write(ctx, waits)
}

// The time to being found is measured where it differs from the time to being written.
func TestFindableLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &late{Store: memory.New()}
		registry := metrics.NewRegistry()
		c := config(s)
		c.Metrics = registry
		i := indexer.New(c)
		found := func() float64 { return registry.Value("perdure_visibility_findable_lag_seconds", "memory") }
		enqueue(i, run("r", 1), nil)
		<-time.After(800 * time.Millisecond)
		require.EqualValues(t, 1, registry.Value("perdure_visibility_index_lag_seconds", "memory"))
		require.Zero(t, found(), "it is written and not to be found yet")
		require.NoError(t, s.Refresh(t.Context()))
		<-time.After(100 * time.Millisecond)
		synctest.Wait()
		require.EqualValues(t, 1, found())
		enqueue(i, run("r", 2), nil)
		synctest.Wait()
		require.NoError(t, s.Refresh(t.Context()))
		<-time.After(100 * time.Millisecond)
		require.EqualValues(t, 1, found(), "one now and then is enough")
		require.NoError(t, i.Close(t.Context()))
	})
}
