package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/query"
	"perdure/visibility/sqlform"
)

var (
	_ visibility.IndexKeeper = (*Store)(nil)
	_ visibility.Explainer   = (*Store)(nil)
)

func own(index visibility.AttributeIndex) (sqlform.OwnIndex, error) {
	if index.Use == visibility.IndexInfix {
		return sqlform.OwnIndex{}, &query.Error{Message: "SQLite has no index for parts of keywords"}
	}
	return sqlform.Own(index, func(key string, t enumspb.IndexedValueType) string {
		return dialect{}.Extract("attributes", dialect{}.Key(key, nil), t)
	})
}

// CreateIndex implements visibility.IndexKeeper. Writers wait meanwhile: a file has one at a time.
func (s *Store) CreateIndex(ctx context.Context, index visibility.AttributeIndex) error {
	o, err := own(index)
	if err != nil {
		return err
	}
	return s.change(ctx, index, "create", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "CREATE INDEX IF NOT EXISTS "+o.Name+" ON "+sqlform.Table+" (namespace, "+o.Value+o.Behind+") WHERE NOT deleted AND "+o.Value+" IS NOT NULL")
		if err == nil {
			_, err = tx.ExecContext(ctx, "INSERT INTO "+sqlform.IndexesTable+" (name, attribute, type, use) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
				o.Name, index.Attribute, int64(index.Type), string(index.Use))
		}
		return err
	})
}

// DropIndex implements visibility.IndexKeeper.
func (s *Store) DropIndex(ctx context.Context, index visibility.AttributeIndex) error {
	o, err := own(index)
	if err != nil {
		return err
	}
	return s.change(ctx, index, "drop", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DROP INDEX IF EXISTS "+o.Name)
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM "+sqlform.IndexesTable+" WHERE name = ?", o.Name)
		}
		return err
	})
}

func (s *Store) change(ctx context.Context, index visibility.AttributeIndex, what string, change func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err == nil {
		defer tx.Rollback() //nolint:errcheck // without effect after a commit
		err = change(tx)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("%s index of %s: %w", what, index.Attribute, err)
	}
	return nil
}

// Indexes implements visibility.IndexKeeper. SQLite tells no sizes.
func (s *Store) Indexes(ctx context.Context) ([]visibility.BuiltIndex, error) {
	var built []visibility.BuiltIndex
	err := s.Database.Rows(ctx, "SELECT attribute, type, use FROM "+sqlform.IndexesTable+" ORDER BY attribute, type, use", nil, func(row sqlform.Scanner) error {
		b := visibility.BuiltIndex{Scans: -1}
		err := row.Scan(&b.Attribute, &b.Type, &b.Use)
		built = append(built, b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list indexes: %w", err)
	}
	return built, nil
}

// AdviseIndexes implements visibility.IndexKeeper.
func (s *Store) AdviseIndexes(ctx context.Context) ([]visibility.IndexAdvice, error) {
	advice, err := s.Reader.AdviseIndexes(ctx)
	return slices.DeleteFunc(advice, func(a visibility.IndexAdvice) bool {
		_, refused := own(a.AttributeIndex)
		return refused != nil
	}), err
}

// Explain implements visibility.Explainer.
func (s *Store) Explain(ctx context.Context, req visibility.ExplainRequest) (visibility.Plan, error) {
	number, _, err := s.NumberOf(ctx, req.NamespaceID)
	if err != nil {
		return visibility.Plan{}, err
	}
	text, args, err := sqlform.Explained(dialect{}, number, req, false)
	if err != nil {
		return visibility.Plan{}, err
	}
	plan := visibility.Plan{Statement: text}
	err = s.Database.Rows(ctx, "EXPLAIN QUERY PLAN "+text, args, func(row sqlform.Scanner) error {
		var id, parent, unused int64
		var detail string
		err := row.Scan(&id, &parent, &unused, &detail)
		plan.Steps = append(plan.Steps, stepOf(detail))
		return err
	})
	if err != nil {
		return visibility.Plan{}, fmt.Errorf("explain: %w", err)
	}
	return plan, nil
}

// stepOf reads a line such as "SEARCH table USING INDEX name (a=? AND b<?)".
func stepOf(detail string) visibility.Step {
	kind, behind, _ := strings.Cut(detail, " USING ")
	step := visibility.Step{Kind: kind}
	if _, name, ok := strings.Cut(behind, "INDEX "); ok {
		step.Index, _, _ = strings.Cut(name, " ")
	}
	return step
}
