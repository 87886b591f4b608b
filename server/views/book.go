package views

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/apierr"
	"perdure/server/clock"
	"perdure/server/searchpb"
	"perdure/server/store"
)

// Config is what a book is made of. All but Clock must be set.
type Config struct {
	Store  store.Store
	Limits Limits
	Clock  clock.Clock // nil: the machine's
}

// Limits bound saved filters.
type Limits struct {
	Views     int // of one namespace
	ViewBytes int // one, as it is stored
	NameBytes int
}

// Book finds and changes saved filters.
type Book struct{ config Config }

// New makes a book over the metadata records of a store.
func New(c Config) *Book {
	if c.Clock == nil {
		c.Clock = clock.Wall()
	}
	return &Book{config: c}
}

// kindOf is the kind of the records of one namespace.
func kindOf(namespaceID string) string { return "view/" + namespaceID }

// Create saves a new filter and returns it as it is stored. AlreadyExists when the name is taken.
func (b *Book) Create(ctx context.Context, namespaceID string, v *searchpb.View) (*searchpb.View, error) {
	all, err := b.List(ctx, namespaceID)
	if err != nil {
		return nil, err
	}
	if len(all) >= b.config.Limits.Views {
		return nil, &serviceerror.ResourceExhausted{
			Cause: enumspb.RESOURCE_EXHAUSTED_CAUSE_SYSTEM_OVERLOADED, Scope: enumspb.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
			Message: fmt.Sprintf("reached maximum views in namespace (%d)", b.config.Limits.Views),
		}
	}
	made := proto.CloneOf(v)
	made.Version, made.CreateTime = 1, timestamppb.New(b.config.Clock.Now())
	made.UpdateTime = made.CreateTime
	err = b.write(ctx, namespaceID, made)
	if errors.Is(err, store.ErrConflict) {
		return nil, serviceerror.NewAlreadyExistsf("view %q already exists", v.GetName())
	}
	return made, err
}

// Update replaces a filter, when v has a version only that one. NotFound when there is none.
func (b *Book) Update(ctx context.Context, namespaceID string, v *searchpb.View) (*searchpb.View, error) {
	stored, err := b.Get(ctx, namespaceID, v.GetName())
	if err != nil {
		return nil, err
	}
	if v.GetVersion() != 0 && v.GetVersion() != stored.GetVersion() {
		return nil, changed(v.GetName())
	}
	next := proto.CloneOf(v)
	next.Version, next.CreateTime, next.UpdateTime = stored.GetVersion()+1, stored.GetCreateTime(), timestamppb.New(b.config.Clock.Now())
	err = b.write(ctx, namespaceID, next)
	if errors.Is(err, store.ErrConflict) {
		return nil, changed(v.GetName())
	}
	return next, err
}

func changed(name string) error {
	return serviceerror.NewFailedPreconditionf("view %q was changed by somebody else", name)
}

// Get finds a filter. NotFound when there is none.
func (b *Book) Get(ctx context.Context, namespaceID, name string) (*searchpb.View, error) {
	m, err := b.config.Store.Meta(ctx, kindOf(namespaceID), name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, serviceerror.NewNotFoundf("view %q not found", name)
	}
	if err != nil {
		return nil, apierr.Unavailable("view %q could not be read: %v", name, err)
	}
	return decode(m)
}

// List returns all filters of a namespace in order of name.
func (b *Book) List(ctx context.Context, namespaceID string) ([]*searchpb.View, error) {
	records, err := b.config.Store.ListMeta(ctx, kindOf(namespaceID))
	if err != nil {
		return nil, apierr.Unavailable("the views could not be read: %v", err)
	}
	all := make([]*searchpb.View, len(records))
	for i, m := range records {
		if all[i], err = decode(m); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Delete forgets a filter. NotFound when there is none.
func (b *Book) Delete(ctx context.Context, namespaceID, name string) error {
	stored, err := b.Get(ctx, namespaceID, name)
	if err != nil {
		return err
	}
	return b.drop(ctx, namespaceID, name, stored.GetVersion())
}

// Drop forgets all filters of a namespace that is deleted.
func (b *Book) Drop(ctx context.Context, namespaceID string) error {
	all, err := b.List(ctx, namespaceID)
	if err != nil {
		return err
	}
	for _, v := range all {
		if err := b.drop(ctx, namespaceID, v.GetName(), v.GetVersion()); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) drop(ctx context.Context, namespaceID, name string, version int64) error {
	err := b.config.Store.PutMeta(ctx, store.Meta{Kind: kindOf(namespaceID), Key: name, Version: version + 1})
	switch {
	case errors.Is(err, store.ErrConflict):
		return changed(name)
	case err != nil:
		return apierr.Unavailable("view %q could not be deleted: %v", name, err)
	}
	return nil
}

// write stores a filter; ErrConflict stays as it is.
func (b *Book) write(ctx context.Context, namespaceID string, v *searchpb.View) error {
	data, err := proto.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode view: %w", err)
	}
	if len(data) > b.config.Limits.ViewBytes {
		return apierr.InvalidArgument("view exceeds size limit of %d bytes", b.config.Limits.ViewBytes)
	}
	err = b.config.Store.PutMeta(ctx, store.Meta{Kind: kindOf(namespaceID), Key: v.GetName(), Version: v.GetVersion(), Data: data})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return apierr.Unavailable("view %q could not be written: %v", v.GetName(), err)
	}
	return err
}

func decode(m store.Meta) (*searchpb.View, error) {
	v := &searchpb.View{}
	if err := proto.Unmarshal(m.Data, v); err != nil {
		return nil, fmt.Errorf("view %q: %w: %w", m.Key, store.ErrDamaged, err)
	}
	v.Version = m.Version
	return v, nil
}
