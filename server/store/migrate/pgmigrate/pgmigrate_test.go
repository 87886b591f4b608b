package pgmigrate_test

import (
	"fmt"
	"os"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/server/store"
	"perdure/server/store/migrate"
	"perdure/server/store/migrate/pgmigrate"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func load(t *testing.T, texts ...string) []migrate.Migration {
	files := fstest.MapFS{}
	for i, text := range texts {
		files[fmt.Sprintf("%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	migrations, err := migrate.Load(files)
	require.NoError(t, err)
	return migrations
}

func connect(t *testing.T, address string) *pgx.Conn {
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	return conn
}

func TestRun(t *testing.T) {
	conn := connect(t, pgtest.Database(t))
	ctx := t.Context()
	defer conn.Close(ctx)
	one := "CREATE TABLE a (x int); CREATE TABLE b (x int);"
	two := "INSERT INTO a VALUES (1); INSERT INTO b VALUES (2);"
	for i, step := range []struct {
		texts []string
		want  int
	}{{[]string{one}, 1}, {[]string{one, two}, 1}, {[]string{one, two}, 0}} {
		count, err := pgmigrate.Run(ctx, conn, "v", load(t, step.texts...))
		require.NoError(t, err)
		require.Equal(t, step.want, count, i)
	}
	_, err := pgmigrate.Run(ctx, conn, "v", load(t, one))
	require.ErrorIs(t, err, store.ErrNewerSchema)
	_, err = pgmigrate.Run(ctx, conn, "v", load(t, one+" ", two))
	require.ErrorIs(t, err, migrate.ErrChanged)
	_, err = pgmigrate.Run(ctx, conn, "v; DROP", load(t, one))
	require.ErrorContains(t, err, "only a to z")

	_, err = pgmigrate.Run(ctx, conn, "v", load(t, one, two, "INSERT INTO a VALUES (3); INSERT INTO nowhere VALUES (1);"))
	require.ErrorContains(t, err, "migration 3 (step)")
	var sum int
	require.NoError(t, conn.QueryRow(ctx, "SELECT sum(x) FROM a").Scan(&sum))
	require.Equal(t, 1, sum, "a failed migration leaves nothing")

	count, err := pgmigrate.Run(ctx, conn, "other", load(t, "CREATE TABLE c (x int)"))
	require.NoError(t, err)
	require.Equal(t, 1, count, "another owner has its own version table")
}

func TestTwoAtOnce(t *testing.T) {
	const nodes = 4
	address := pgtest.Database(t)
	migrations := load(t, "CREATE TABLE a (x int)", "INSERT INTO a VALUES (1)")
	counts := make(chan int, nodes)
	for range nodes {
		conn := connect(t, address)
		go func() {
			defer conn.Close(t.Context())
			count, err := pgmigrate.Run(t.Context(), conn, "v", migrations)
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
