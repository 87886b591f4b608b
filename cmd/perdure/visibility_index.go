package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server"
	"perdure/visibility"
	"perdure/visibility/attr"
)

// visibilityIndexCommand keeps indexes of single attributes.
type visibilityIndexCommand struct {
	Create indexCreateCommand `cmd:"" help:"Build an index of one attribute, while the server goes on."`
	Drop   indexDropCommand   `cmd:"" help:"Remove an index that was created so."`
	List   indexListCommand   `cmd:"" help:"List the indexes of attributes, with their sizes and how often they were used."`
	Advise indexAdviseCommand `cmd:"" help:"List the indexes that past searches would have been quicker with."`
}

// searchStore names the store of search records.
type searchStore struct {
	Config string `short:"c" placeholder:"FILE" env:"PERDURE_CONFIG" xor:"from" help:"YAML file that names the store."`
	Store  string `placeholder:"URL" xor:"from" help:"Search store: postgres://user:password@host/database or sqlite:///file."`
}

func (s *searchStore) url() (string, error) {
	if s.Store != "" {
		return s.Store, nil
	}
	settings, err := loadConfig(s.Config)
	if settings.Visibility != "" {
		return settings.Visibility, err
	}
	return settings.Store, err
}

// with opens the store for an action.
func (s *searchStore) with(action func(ctx context.Context, keeper visibility.IndexKeeper) error) error {
	url, err := s.url()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	store, err := server.OpenVisibility(ctx, url)
	if err != nil {
		return err
	}
	defer store.Close()
	keeper, ok := store.(visibility.IndexKeeper)
	if !ok {
		return usageError{fmt.Errorf("the search store %s has no indexes of single attributes", store.Name())}
	}
	return action(ctx, keeper)
}

// indexArguments name an index.
type indexArguments struct {
	searchStore
	Attribute string `arg:"" help:"Name of the search attribute."`
	Type      string `placeholder:"TYPE" help:"Type of a custom attribute: Keyword, Int, Double, Bool or Datetime."`
	Use       string `enum:"auto,values,order,infix" default:"auto" help:"What it is for: values (equality), order (ranges, ORDER BY), infix (LIKE, CONTAINS); auto takes the usual one of the type."`
}

func (a *indexArguments) index() (visibility.AttributeIndex, error) {
	index := visibility.AttributeIndex{Attribute: a.Attribute, Use: visibility.IndexUse(a.Use)}
	t, ok := attr.TypeOf(nil, a.Attribute)
	if !ok {
		var err error
		if t, err = enumspb.IndexedValueTypeFromString(a.Type); err != nil || t == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
			return index, usageError{fmt.Errorf("%s is a custom attribute: say its type with --type Keyword, Int, Double, Bool or Datetime", a.Attribute)}
		}
	}
	index.Type = t
	if a.Use == "auto" {
		index.Use = visibility.IndexOrder
		if t == enumspb.INDEXED_VALUE_TYPE_KEYWORD || t == enumspb.INDEXED_VALUE_TYPE_BOOL {
			index.Use = visibility.IndexValues
		}
	}
	return index, nil
}

type indexCreateCommand struct{ indexArguments }

func (i *indexCreateCommand) Help() string {
	return `On PostgreSQL writers go on while the index is built. Searches use it within ten seconds.

Examples:
  perdure visibility index create Customer --type Keyword --config perdure.yaml
  perdure visibility index create OrderTotal --type Int --store postgres://perdure@db.example/perdure
  perdure visibility index create Customer --type Keyword --use infix --config perdure.yaml`
}

func (i *indexCreateCommand) Run(c *console) error {
	index, err := i.index()
	if err != nil {
		return err
	}
	return i.with(func(ctx context.Context, keeper visibility.IndexKeeper) error {
		if err := keeper.CreateIndex(ctx, index); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.out, "%s has an index for %s.\n", index.Attribute, index.Use)
		return err
	})
}

type indexDropCommand struct{ indexArguments }

func (i *indexDropCommand) Run(c *console) error {
	index, err := i.index()
	if err != nil {
		return err
	}
	return i.with(func(ctx context.Context, keeper visibility.IndexKeeper) error {
		if err := keeper.DropIndex(ctx, index); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.out, "%s has no index for %s.\n", index.Attribute, index.Use)
		return err
	})
}

type indexListCommand struct{ searchStore }

func (i *indexListCommand) Run(c *console) error {
	return i.with(func(ctx context.Context, keeper visibility.IndexKeeper) error {
		built, err := keeper.Indexes(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ATTRIBUTE\tTYPE\tUSE\tBYTES\tSCANS")
		for _, b := range built {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\n", b.Attribute, b.Type, b.Use, b.Bytes, b.Scans)
		}
		return w.Flush()
	})
}

type indexAdviseCommand struct{ searchStore }

func (i *indexAdviseCommand) Run(c *console) error {
	return i.with(func(ctx context.Context, keeper visibility.IndexKeeper) error {
		advice, err := keeper.AdviseIndexes(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ATTRIBUTE\tTYPE\tUSE\tSEARCHES\tSECONDS")
		for _, a := range advice {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%.1f\n", a.Attribute, a.Type, a.Use, a.Queries, a.Seconds)
		}
		return w.Flush()
	})
}
