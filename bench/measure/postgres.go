package measure

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// askPostgres reads the cluster's counters and, when it runs on this machine, the CPU time of all its processes.
func (s *Sample) askPostgres(ctx context.Context, url string) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("measure PostgreSQL: %w", err)
	}
	defer connection.Close(ctx)
	var backend int
	err = connection.QueryRow(ctx, `
		SELECT pg_backend_pid(), (pg_current_wal_insert_lsn() - '0/0')::float8, (SELECT wal_sync FROM pg_stat_wal)::float8,
		       (SELECT sum(xact_commit) FROM pg_stat_database WHERE datname = current_database())::float8,
		       pg_database_size(current_database())::float8`).
		Scan(&backend, &s.WALBytes, &s.WALSyncs, &s.StoreCommits, &s.DatabaseBytes)
	if err != nil {
		return fmt.Errorf("measure PostgreSQL: %w", err)
	}
	postmaster, err := statField(backend, 3)
	if err != nil {
		return nil // another machine
	}
	s.StoreCPU, err = familyCPU(int(postmaster))
	return err
}

// postgresTables are the sizes in bytes of the tables that hold something, with their indexes.
func postgresTables(ctx context.Context, url string) (map[string]float64, error) {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("measure tables: %w", err)
	}
	defer connection.Close(ctx)
	rows, err := connection.Query(ctx, `SELECT relname, pg_total_relation_size(relid)::float8 FROM pg_stat_user_tables`)
	if err != nil {
		return nil, fmt.Errorf("measure tables: %w", err)
	}
	sizes := map[string]float64{}
	var name string
	var bytes float64
	_, err = pgx.ForEachRow(rows, []any{&name, &bytes}, func() error {
		sizes[name] += bytes
		return nil
	})
	return sizes, err
}

// postgresSettings are those that decide how fast and how safe it is.
func postgresSettings(ctx context.Context, url string) (map[string]string, error) {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("read PostgreSQL's settings: %w", err)
	}
	defer connection.Close(ctx)
	settings := map[string]string{}
	for _, name := range []string{"server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size"} {
		var value string
		if err := connection.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value); err != nil {
			return nil, fmt.Errorf("read PostgreSQL's settings: %w", err)
		}
		settings[name] = value
	}
	return settings, nil
}
