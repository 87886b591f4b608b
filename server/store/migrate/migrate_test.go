package migrate_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"perdure/server/store"
	"perdure/server/store/migrate"
)

func load(t *testing.T, texts ...string) []migrate.Migration {
	files := fstest.MapFS{}
	for i, text := range texts {
		files[fmt.Sprintf("%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	migrations, err := migrate.Load(files)
	require.NoError(t, err)
	return migrations
}

func TestLoad(t *testing.T) {
	migrations := load(t, "one", "two")
	require.Len(t, migrations, 2)
	require.Equal(t, 2, migrations[1].Version)
	require.Equal(t, "step", migrations[1].Name)
	require.Equal(t, "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3", migrations[1].Checksum)
	for _, bad := range []string{"first.sql", "x_y.sql", "0002_gap.sql", "0001.sql"} {
		_, err := migrate.Load(fstest.MapFS{bad: &fstest.MapFile{}})
		require.ErrorContains(t, err, bad)
	}
}

func open(t *testing.T, file string) *sql.Conn {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}

func TestSQLite(t *testing.T) {
	conn := open(t, filepath.Join(t.TempDir(), "db"))
	one := "CREATE TABLE a (x INTEGER); CREATE TABLE b (x INTEGER);"
	two := "INSERT INTO a VALUES (1); INSERT INTO b VALUES (2);"
	ctx := t.Context()
	count, err := migrate.SQLite(ctx, conn, "v", load(t, one))
	require.NoError(t, err)
	require.Equal(t, 1, count)
	count, err = migrate.SQLite(ctx, conn, "v", load(t, one, two))
	require.NoError(t, err)
	require.Equal(t, 1, count)
	count, err = migrate.SQLite(ctx, conn, "v", load(t, one, two))
	require.NoError(t, err)
	require.Zero(t, count)

	_, err = migrate.SQLite(ctx, conn, "v", load(t, one))
	require.ErrorIs(t, err, store.ErrNewerSchema)
	_, err = migrate.SQLite(ctx, conn, "v", load(t, one+" ", two))
	require.ErrorIs(t, err, migrate.ErrChanged)
	require.ErrorContains(t, err, "version 1 (step)")
	_, err = migrate.SQLite(ctx, conn, "v; DROP", load(t, one))
	require.ErrorContains(t, err, "only a to z")

	_, err = migrate.SQLite(ctx, conn, "v", load(t, one, two, "INSERT INTO a VALUES (3); INSERT INTO nowhere VALUES (1);"))
	require.ErrorContains(t, err, "migration 3 (step)")
	var sum int
	require.NoError(t, conn.QueryRowContext(ctx, "SELECT sum(x) FROM a").Scan(&sum))
	require.Equal(t, 1, sum, "a failed migration leaves nothing")

	count, err = migrate.SQLite(ctx, conn, "other", load(t, "CREATE TABLE c (x INTEGER)"))
	require.NoError(t, err)
	require.Equal(t, 1, count, "another owner has its own version table")
}

func TestSQLiteTwoAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db")
	open(t, file) // the file is in WAL mode before the race
	migrations := load(t, "CREATE TABLE a (x INTEGER)", "INSERT INTO a VALUES (1)")
	const nodes = 4
	counts := make(chan int, nodes)
	for range nodes {
		conn := open(t, file)
		go func() {
			count, err := migrate.SQLite(t.Context(), conn, "v", migrations)
			if err != nil {
				t.Error(err)
			}
			counts <- count
		}()
	}
	total := 0
	for range nodes {
		total += <-counts
	}
	require.Equal(t, len(migrations), total)
}
