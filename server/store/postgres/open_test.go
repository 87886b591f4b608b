package postgres_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/server/store"
	"perdure/server/store/migrate"
	"perdure/server/store/migrate/pgmigrate"
	"perdure/server/store/postgres"
)

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"":                                  "expected postgres://",
		"mysql://h/d":                       "expected postgres://",
		"postgres://h:port/d":               "store address",
		"postgres://u:secret@127.0.0.1:1/d": "open store in database d on 127.0.0.1",
		strings.Replace(pgtest.Database(t), "/test_", "/missing_", 1): "does not exist",
		"postgres://u:secret@127.0.0.1:1/d?sslmode":                   "store address",
	} {
		_, err := postgres.Open(t.Context(), address, quiet)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := postgres.Open(t.Context(), pgtest.Database(t), store.Options{Shards: 5000})
	require.ErrorContains(t, err, "1 to 4096 shards")
}

func TestNodesStartAtOnce(t *testing.T) {
	const nodes = 4
	address := pgtest.Database(t)
	type answer struct {
		store *postgres.Store
		err   error
	}
	answers := make(chan answer, nodes)
	for i := range nodes {
		go func() {
			s, err := postgres.Open(t.Context(), address, store.Options{Shards: i + 2, Logger: quiet.Logger})
			answers <- answer{s, err}
		}()
	}
	var counts []int
	for range nodes {
		a := <-answers
		require.NoError(t, a.err)
		shards, err := a.store.Shards(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, store.SlotCount-1, shards[len(shards)-1].LastSlot)
		counts = append(counts, len(shards))
		require.NoError(t, a.store.Close())
	}
	for _, count := range counts {
		require.Equal(t, counts[0], count, "one node's choice for all")
	}
}

func TestNewerAndChangedSchema(t *testing.T) {
	for statement, want := range map[string]error{
		"INSERT INTO store_version (version, name, checksum) SELECT max(version) + 1, 'future', 'x' FROM store_version": store.ErrNewerSchema,
		"UPDATE store_version SET checksum = 'x' WHERE version = 1":                                                     migrate.ErrChanged,
	} {
		address := pgtest.Schema(t)
		require.NoError(t, open(t, address).Close())
		_, err := admin(t, address).Exec(t.Context(), statement)
		require.NoError(t, err)
		_, err = postgres.Open(t.Context(), address, quiet)
		require.ErrorIs(t, err, want)
	}
}

// Two stores may share a database in schemas of their own.
func TestSearchPath(t *testing.T) {
	address := pgtest.Database(t)
	_, err := admin(t, address).Exec(t.Context(), "CREATE SCHEMA one; CREATE SCHEMA two")
	require.NoError(t, err)
	one, two := open(t, address+"&search_path=one"), open(t, address+"&search_path=two")
	a := acquire(t, one)
	require.NoError(t, one.Commit(t.Context(), groupOf(a.Lease, 1)))
	require.Zero(t, acquire(t, two).LastSeq)
	require.NoError(t, one.Close())
	require.NoError(t, two.Close())
}

// What an older program stored in a backlog is in lane 0.
func TestOlderBacklogGoesToALane(t *testing.T) {
	address := pgtest.Schema(t)
	conn := admin(t, address)
	known, err := postgres.Migrations()
	require.NoError(t, err)
	_, err = pgmigrate.Run(t.Context(), conn, "store_version", known[:1])
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "INSERT INTO queue_task (slot, namespace_id, name, type, partition, id, data) VALUES (7, 'n', 'q', 1, 0, 42, '\\x0102')")
	require.NoError(t, err)

	s := open(t, address)
	key := store.QueueKey{Slot: 7, NamespaceID: "n", Name: "q", Type: 1}
	tasks, err := s.ReadTasks(t.Context(), []store.QueueRead{{Queue: key, Limit: 10}})
	require.NoError(t, err)
	require.Equal(t, []store.QueueTask{{Queue: key, ID: 42, Data: []byte{1, 2}}}, tasks)
	require.NoError(t, s.Close())
}
