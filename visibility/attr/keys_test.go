package attr_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
)

const kw = enumspb.INDEXED_VALUE_TYPE_KEYWORD

func fieldsOf(values map[string]string) *commonpb.SearchAttributes {
	sa := &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{}}
	for name, value := range values {
		sa.IndexedFields[name] = attr.Encode(value, kw)
	}
	return sa
}

// valuesOf are the values under each name, without marks.
func valuesOf(t *testing.T, sa *commonpb.SearchAttributes) map[string]any {
	t.Helper()
	values := map[string]any{}
	for name, p := range sa.GetIndexedFields() {
		require.NotContains(t, p.Metadata, "perdure-key")
		value, err := attr.Decode(p, kw)
		require.NoError(t, err)
		values[name] = value
	}
	return values
}

func TestNamesAreTheirOwnKeysAtFirst(t *testing.T) {
	var keys attr.Keys
	types := attr.Types{"City": kw}
	keys = keys.Changed(attr.Types{}, types)
	require.Empty(t, keys.ByName)
	require.Equal(t, "City", keys.Of("City"))
	sa := fieldsOf(map[string]string{"City": "Rome"})
	require.Same(t, sa, keys.Tag(sa), "what is stored is as it always was")
	require.Equal(t, map[string]any{"City": "Rome"}, valuesOf(t, keys.Shown(types, attr.ByKey(sa))))
}

func TestARenameTouchesNoValue(t *testing.T) {
	types, keys, err := attr.Rename(attr.Types{"City": kw, "Sort": kw}, attr.Keys{}, "City", "Town")
	require.NoError(t, err)
	require.Equal(t, attr.Types{"Town": kw, "Sort": kw}, types)
	require.Equal(t, "City", keys.Of("Town"))
	stored := fieldsOf(map[string]string{"City": "Rome", "Sort": "a"})
	require.Equal(t, map[string]any{"Town": "Rome", "Sort": "a"}, valuesOf(t, keys.Shown(types, stored)))

	// A run that wrote under both names: the newer value counts.
	state := attr.Merge(stored, keys.Tag(fieldsOf(map[string]string{"Town": "Oslo"})))
	require.Equal(t, map[string]any{"City": "Oslo", "Sort": "a"}, valuesOf(t, attr.ByKey(state)))
	require.Equal(t, map[string]any{"Town": "Oslo", "Sort": "a"}, valuesOf(t, keys.Shown(types, state)))

	// A new attribute of the old name has a key of its own.
	more, err := attr.Add(types, attr.Types{"City": kw})
	require.NoError(t, err)
	next := keys.Changed(types, more)
	require.Equal(t, "City#2", next.Of("City"))
	require.Equal(t, map[string]any{"Town": "Rome", "Sort": "a"}, valuesOf(t, next.Shown(more, stored)))
	back, keysBack, err := attr.Rename(types, keys, "Town", "City")
	require.NoError(t, err)
	require.Equal(t, "City", keysBack.Of("City"))
	require.Empty(t, keysBack.ByName)
	require.Contains(t, back, "City")
}

func TestARemovedAttributeNeverComesBack(t *testing.T) {
	types := attr.Types{"City": kw}
	var keys attr.Keys
	keys = keys.Changed(types, attr.Types{})
	stored := fieldsOf(map[string]string{"City": "Rome", "BatcherUser": "u"})
	require.Equal(t, map[string]any{"BatcherUser": "u"}, valuesOf(t, keys.Shown(attr.Types{}, stored)))
	keys = keys.Changed(attr.Types{}, types)
	require.Equal(t, "City#2", keys.Of("City"))
	require.Equal(t, map[string]any{"BatcherUser": "u"}, valuesOf(t, keys.Shown(types, stored)))
	state := attr.Merge(stored, keys.Tag(fieldsOf(map[string]string{"City": "Oslo"})))
	require.Equal(t, map[string]any{"City": "Oslo", "BatcherUser": "u"}, valuesOf(t, keys.Shown(types, state)))
	keys = keys.Changed(types, attr.Types{})
	keys = keys.Changed(attr.Types{}, types)
	require.Equal(t, "City#3", keys.Of("City"))
}

func TestRenamesThatCannotBe(t *testing.T) {
	types := attr.Types{"City": kw, "Town": kw}
	for _, test := range []struct{ from, to, want string }{
		{"Place", "X", "Search attribute Place does not exist."},
		{"City", "Town", "Search attribute Town already exists."},
		{"City", "WorkflowId", "Search attribute WorkflowId is reserved by system."},
		{"City", "perdure_X", "Search attribute perdure_X is reserved by system."},
		{"City", "", "Search attribute  is reserved by system."},
	} {
		_, _, err := attr.Rename(types, attr.Keys{}, test.from, test.to)
		require.EqualError(t, err, test.want)
	}
}
