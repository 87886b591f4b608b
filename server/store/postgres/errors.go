package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"perdure/server/store"
)

// Codes that store_require raises, of a class that PostgreSQL does not use.
const (
	codeLeaseLost = "PD001"
	codeConflict  = "PD002"

	codeUniqueViolation = "23505"
	codeDataCorrupted   = "XX001"
	codeIndexCorrupted  = "XX002"
)

// notSent marks the error of a step before anything could have been written.
type notSent struct{ error }

func (e notSent) Unwrap() error { return e.error }

// translate gives the server's errors the meaning that package store has for them.
func translate(err error) error {
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		return err
	}
	switch failure.Code {
	case codeLeaseLost:
		return fmt.Errorf("%w: %w", store.ErrLeaseLost, err)
	case codeConflict, codeUniqueViolation:
		return fmt.Errorf("%w: %w", store.ErrConflict, err)
	case codeDataCorrupted, codeIndexCorrupted:
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	return err
}

// outcome is translate for a write. Only the server's own word, given while the
// connection lived on, says that a write has failed. Whatever else goes wrong
// after the first byte was sent leaves its outcome open.
func outcome(err error) error {
	var failure *pgconn.PgError
	if errors.As(err, &failure) && failure.SeverityUnlocalized == "ERROR" {
		return translate(err)
	}
	var before notSent
	var connecting *pgconn.ConnectError
	sentinel := errors.Is(err, store.ErrLeaseLost) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound)
	if sentinel || errors.As(err, &before) || errors.As(err, &connecting) || pgconn.SafeToRetry(err) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnknownOutcome, err)
}
