package sqlform

import (
	commonpb "go.temporal.io/api/common/v1"

	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// attributesColumn is the column of the JSON object with all attributes that are no columns.
const attributesColumn = "attributes"

// ItemsKey is the key of the object in which a run has a list of its pending items by their kind. It is no key of an attribute.
const ItemsKey = "0:items"

var itemKinds = attr.ItemKinds()

// itemsObject returns the items of a run by their kind, each as an object of its values; nil without any.
func itemsObject(sa *commonpb.SearchAttributes) map[string]any {
	var object map[string]any
	for _, kind := range itemKinds {
		items := attr.DecodeItems(kind, sa.GetIndexedFields()[attr.ItemsKey(kind)])
		if len(items) == 0 {
			continue
		}
		if object == nil {
			object = map[string]any{}
		}
		object[kind] = itemObjects(items)
	}
	return object
}

func itemObjects(items []map[string]attr.Value) []map[string]any {
	list := make([]map[string]any, len(items))
	for i, item := range items {
		list[i] = make(map[string]any, len(item))
		for name, value := range item {
			list[i][Key(name, value.Type)] = stored(value)
		}
	}
	return list
}

// exists compiles a test of pending items. An item has none itself.
func (s *statement) exists(x *query.Exists) string {
	if s.item != "" {
		return "FALSE"
	}
	s.item = "item" // each dialect names it so
	defer func() { s.item = "" }()
	return s.dialect.AnyItem(x.Kind, s.itemValues(x.Where), s.expr(x.Where), s.bind)
}

// itemValues returns the stored values that an item must have to pass a filter, by their keys.
func (s *statement) itemValues(where query.Expr) map[string]any {
	values := map[string]any{}
	for _, x := range query.Conjuncts(where) {
		if test, ok := x.(*query.Compare); ok && test.Op == query.Equal {
			if literals := s.literals(test.Field, []query.Value{test.Value}); len(literals) == 1 {
				values[Key(test.Field.Name, test.Field.Type)] = literals[0]
			}
		}
	}
	return values
}

func hasExists(where query.Expr) bool {
	found := false
	query.Walk(where, func(x query.Expr) {
		_, isExists := x.(*query.Exists)
		found = found || isExists
	})
	return found
}
