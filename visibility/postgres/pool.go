package postgres

import "github.com/jackc/pgx/v5/pgxpool"

// Pools are the connections of this handle by what they are for.
func (s *Store) Pools() map[string]*pgxpool.Stat {
	return map[string]*pgxpool.Stat{"search": s.database.pool.Stat()}
}
