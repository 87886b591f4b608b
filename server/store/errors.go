package store

import "errors"

var (
	// ErrNotFound tells that the row does not exist.
	ErrNotFound = errors.New("not found")
	// ErrLeaseLost tells that the shard has another owner now. Nothing was written.
	ErrLeaseLost = errors.New("shard lease lost")
	// ErrConflict tells that a row is not in the expected version. Nothing was written.
	ErrConflict = errors.New("conflicting version")
	// ErrUnknownOutcome tells that a commit may or may not have happened. The
	// caller takes its own shard over with a new epoch, which settles it, and reloads.
	ErrUnknownOutcome = errors.New("unknown outcome")
	// ErrNewerSchema tells that the store was written by a newer Perdure.
	ErrNewerSchema = errors.New("the store has a newer schema than this program knows")
	// ErrDamaged tells that the stored data cannot be read as what it should be.
	ErrDamaged = errors.New("the store is damaged")
)
