// Package migrate brings a SQL database to the schema that this program knows.
//
// Migrations are embedded files, numbered from 1 without gaps and never edited
// once released: the version table keeps a checksum of each, and a difference
// is refused. Nodes that start at once wait for one another. All migrations
// that are missing are applied in one transaction.
//
// SQLite lives here, since database/sql needs no driver; PostgreSQL is in
// pgmigrate, so that its driver reaches only those who use it.
package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"perdure/server/store"
)

// ErrChanged tells that an applied migration is not the one this program knows.
var ErrChanged = errors.New("an applied migration was changed")

// Migration is one step of a schema.
type Migration struct {
	Version  int // from 1
	Name     string
	SQL      string
	Checksum string // hex SHA-256 of SQL
}

// Applied is one row of the version table.
type Applied struct {
	Version  int
	Name     string
	Checksum string
}

// Load reads the migrations NNNN_name.sql of a folder, in order of version.
func Load(files fs.FS) ([]Migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	migrations := make([]Migration, len(names))
	for i, name := range names {
		migrations[i], err = loadOne(files, name)
		if err != nil {
			return nil, err
		}
		if migrations[i].Version != i+1 {
			return nil, fmt.Errorf("migration %s: the next version is %d", name, i+1)
		}
	}
	return migrations, nil
}

// LoadFolder is Load for a folder of an embedded file system.
func LoadFolder(files fs.FS, folder string) ([]Migration, error) {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		return nil, err
	}
	return Load(sub)
}

func loadOne(files fs.FS, name string) (Migration, error) {
	number, title, ok := strings.Cut(strings.TrimSuffix(name, ".sql"), "_")
	version, err := strconv.Atoi(number)
	if err != nil || !ok {
		return Migration{}, fmt.Errorf("migration %s: the name must be NNNN_name.sql", name)
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return Migration{}, err
	}
	sum := sha256.Sum256(text)
	return Migration{Version: version, Name: title, SQL: string(text), Checksum: hex.EncodeToString(sum[:])}, nil
}

// Pending returns the migrations that are not applied yet. It fails with
// store.ErrNewerSchema or ErrChanged when the database is not what this
// program can work on.
func Pending(applied []Applied, known []Migration) ([]Migration, error) {
	for i, done := range applied {
		switch {
		case done.Version > len(known):
			return nil, fmt.Errorf("%w: version %d (%s), known up to %d", store.ErrNewerSchema, done.Version, done.Name, len(known))
		case done.Version != i+1:
			return nil, fmt.Errorf("%w: version %d is missing", store.ErrDamaged, i+1)
		case done.Checksum != known[i].Checksum:
			return nil, fmt.Errorf("%w: version %d (%s)", ErrChanged, done.Version, done.Name)
		}
	}
	return known[len(applied):], nil
}

// CheckTable refuses what is not a plain lower-case name, since the name of the
// version table becomes part of statements.
func CheckTable(table string) error {
	plain := func(r rune) bool { return r == '_' || r >= 'a' && r <= 'z' }
	if table == "" || strings.ContainsFunc(table, func(r rune) bool { return !plain(r) }) {
		return fmt.Errorf("version table %q: only a to z and _ are allowed", table)
	}
	return nil
}
