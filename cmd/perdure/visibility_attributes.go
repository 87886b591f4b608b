package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"perdure/server/searchpb"
)

// visibilityAttributesCommand keeps the custom search attributes of a namespace.
type visibilityAttributesCommand struct {
	List   attributesListCommand   `cmd:"" help:"List those of a namespace."`
	Add    attributesAddCommand    `cmd:"" help:"Define new ones."`
	Rename attributesRenameCommand `cmd:"" help:"Give one another name; no stored value is touched."`
	Remove attributesRemoveCommand `cmd:"" help:"Take some away. Their values are shown and found no more, also not under the same name later."`
}

// apiTarget is a namespace of a running server, reached as any client does.
type apiTarget struct {
	Address   string `default:"127.0.0.1:7233" help:"gRPC address of a server."`
	Namespace string `short:"n" default:"default" placeholder:"NAME" help:"Namespace that has the attributes."`
}

// with connects for an action. Errors of the server are given without the words of gRPC.
func (t *apiTarget) with(action func(ctx context.Context, conn *grpc.ClientConn) error) error {
	conn, err := grpc.NewClient(t.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return usageError{fmt.Errorf("--address %q: %w", t.Address, err)}
	}
	defer conn.Close()
	ctx, stop := interruptible()
	defer stop()
	if err := action(ctx, conn); err != nil {
		if said, ok := status.FromError(err); ok {
			return errors.New(said.Message())
		}
		return err
	}
	return nil
}

type attributesListCommand struct {
	apiTarget
	System bool `help:"Also list those that every namespace has."`
}

func (l *attributesListCommand) Run(c *console) error {
	return l.with(func(ctx context.Context, conn *grpc.ClientConn) error {
		got, err := operatorservice.NewOperatorServiceClient(conn).ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: l.Namespace})
		if err != nil {
			return err
		}
		types := map[string]enumspb.IndexedValueType{}
		maps.Copy(types, got.GetCustomAttributes())
		if l.System {
			maps.Copy(types, got.GetSystemAttributes())
		}
		w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ATTRIBUTE\tTYPE")
		for _, name := range slices.Sorted(maps.Keys(types)) {
			fmt.Fprintf(w, "%s\t%s\n", name, types[name])
		}
		return w.Flush()
	})
}

type attributesAddCommand struct {
	apiTarget
	Attributes map[string]string `arg:"" placeholder:"NAME=TYPE" help:"Names with types: Text, Keyword, Int, Double, Bool, Datetime or KeywordList."`
}

func (a *attributesAddCommand) Help() string {
	return `One that is there already stays as it is.

Examples:
  perdure visibility attributes add Customer=Keyword OrderTotal=Int --namespace orders`
}

func (a *attributesAddCommand) Run(c *console) error {
	types := map[string]enumspb.IndexedValueType{}
	for name, text := range a.Attributes {
		t, err := enumspb.IndexedValueTypeFromString(text)
		if err != nil || t == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
			return usageError{fmt.Errorf("%s=%s: want Text, Keyword, Int, Double, Bool, Datetime or KeywordList", name, text)}
		}
		types[name] = t
	}
	return a.with(func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := operatorservice.NewOperatorServiceClient(conn).AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: a.Namespace, SearchAttributes: types})
		if err == nil {
			fmt.Fprintf(c.out, "%d defined.\n", len(types))
		}
		return err
	})
}

type attributesRenameCommand struct {
	apiTarget
	Name    string `arg:"" help:"Name that it has."`
	NewName string `arg:"" help:"Name that it gets."`
}

func (r *attributesRenameCommand) Help() string {
	return `Runs are found by the new name at once. Workers must use it from then on: deploy ones that know both names first, or rename while none runs.

Examples:
  perdure visibility attributes rename City Town --namespace orders`
}

func (r *attributesRenameCommand) Run(c *console) error {
	return r.with(func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := searchpb.NewSearchServiceClient(conn).RenameAttribute(ctx, &searchpb.RenameAttributeRequest{Namespace: r.Namespace, Name: r.Name, NewName: r.NewName})
		if err == nil {
			fmt.Fprintf(c.out, "%s is %s now.\n", r.Name, r.NewName)
		}
		return err
	})
}

type attributesRemoveCommand struct {
	apiTarget
	Names []string `arg:"" help:"Names of those that go."`
}

func (r *attributesRemoveCommand) Run(c *console) error {
	return r.with(func(ctx context.Context, conn *grpc.ClientConn) error {
		operator := operatorservice.NewOperatorServiceClient(conn)
		got, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: r.Namespace})
		if err != nil {
			return err
		}
		for _, name := range r.Names { // the server takes unknown names silently, as its clients expect
			_, custom := got.GetCustomAttributes()[name]
			if _, system := got.GetSystemAttributes()[name]; !custom && !system {
				return fmt.Errorf("namespace %s has no search attribute %s", r.Namespace, name)
			}
		}
		_, err = operator.RemoveSearchAttributes(ctx, &operatorservice.RemoveSearchAttributesRequest{Namespace: r.Namespace, SearchAttributes: r.Names})
		if err == nil {
			fmt.Fprintf(c.out, "%d removed.\n", len(r.Names))
		}
		return err
	})
}
