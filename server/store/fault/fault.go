// Package fault wraps a store and breaks it on purpose: errors, lost
// acknowledgements, delays and crashes, drawn from a seed or ordered one by one.
// Faults enter by the interface that real failures use, so what is above cannot
// tell them apart.
package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"perdure/server/store"
)

var (
	// ErrInjected is the transient error of a call that never reached the store.
	ErrInjected = errors.New("injected fault")
	// ErrCrashed is the error of every call after a crash.
	ErrCrashed = errors.New("injected crash")
)

// Kind is what goes wrong with one call.
type Kind int

// What can go wrong. LostAck and CrashAfter let the call reach the store.
const (
	None        Kind = iota
	Error            // nothing is written, the call fails with ErrInjected
	LostAck          // the write is done, yet answered with store.ErrUnknownOutcome
	CrashBefore      // nothing is written, and all later calls fail
	CrashAfter       // the write is done, its answer lost, and all later calls fail
)

// Plan is how often faults happen by themselves. Shares are from 0 to 1.
type Plan struct {
	Seed       uint64
	ErrorShare float64 // of all calls
	LostShare  float64 // of the writes that were not failed before
	DelayShare float64 // of all calls
	DelayMax   time.Duration
}

// Store is a store with faults.
type Store struct {
	inner store.Store
	plan  Plan

	mu      sync.Mutex
	random  *rand.Rand
	ordered []Kind // for the next writes
	crashed bool
	writes  int64
}

var _ store.Store = (*Store)(nil)

// New wraps inner. The zero Plan breaks nothing until Order is called.
func New(inner store.Store, plan Plan) *Store {
	return &Store{inner: inner, plan: plan, random: rand.New(rand.NewPCG(plan.Seed, 0))}
}

// Order sets what happens to the next writes, one kind a write; None lets one pass.
func (s *Store) Order(kinds ...Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ordered = append(s.ordered, kinds...)
}

// Crash makes every later call fail, as if this process had died.
func (s *Store) Crash() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashed = true
}

// Writes counts the writes that have been asked for.
func (s *Store) Writes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// fate decides about one call. All draws happen in every call, so that a seed
// gives the same faults whatever the shares of the other kinds are.
func (s *Store) fate(write bool) (Kind, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed {
		return CrashBefore, 0
	}
	fails, loses, waits, length := s.random.Float64(), s.random.Float64(), s.random.Float64(), s.random.Float64()
	delay := time.Duration(0)
	if waits < s.plan.DelayShare {
		delay = time.Duration(length * float64(s.plan.DelayMax))
	}
	if write {
		s.writes++
		if len(s.ordered) > 0 {
			kind := s.ordered[0]
			s.ordered = s.ordered[1:]
			s.crashed = kind == CrashBefore || kind == CrashAfter
			return kind, delay
		}
	}
	switch {
	case fails < s.plan.ErrorShare:
		return Error, delay
	case write && loses < s.plan.LostShare:
		return LostAck, delay
	}
	return None, delay
}

func (s *Store) call(ctx context.Context, write bool, method string, do func() error) error {
	kind, delay := s.fate(write)
	if err := wait(ctx, delay); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	switch kind {
	case Error:
		return fmt.Errorf("%s: %w", method, ErrInjected)
	case CrashBefore:
		return fmt.Errorf("%s: %w", method, ErrCrashed)
	}
	err := do()
	if err == nil && (kind == LostAck || kind == CrashAfter) {
		return fmt.Errorf("%s: answer lost: %w", method, store.ErrUnknownOutcome)
	}
	return err
}

func wait(ctx context.Context, delay time.Duration) error {
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) write(ctx context.Context, method string, do func() error) error {
	return s.call(ctx, true, method, do)
}

func read[T any](ctx context.Context, s *Store, method string, do func() (T, error)) (result T, err error) {
	err = s.call(ctx, false, method, func() error {
		result, err = do()
		return err
	})
	return result, err
}
