package attr

import (
	"fmt"
	"maps"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
)

// metadataKey marks a value whose attribute is kept under another key than its name.
const metadataKey = "perdure-key"

// Keys tell under which keys stores keep the values of a namespace's custom
// attributes. A key is the name that the attribute had first, so that a new name
// touches no stored value; and no attribute gets the key of another one, not
// even of a removed one, so that it never shows that one's values.
type Keys struct {
	ByName  map[string]string // of names that are not their own keys
	Retired []string          // of removed attributes
}

// Of returns the key of a name.
func (k *Keys) Of(name string) string {
	if key, other := k.ByName[name]; other {
		return key
	}
	return name
}

// names returns the names of custom attributes by key.
func (k *Keys) names(custom Types) map[string]string {
	names := make(map[string]string, len(custom))
	for name := range custom {
		names[k.Of(name)] = name
	}
	return names
}

// added returns the keys when custom has got new names.
func (k *Keys) added(before, after Types) Keys {
	next := k.clone()
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, old := before[name]; old {
			continue
		}
		taken := next.names(before)
		for key, n := name, 2; ; n++ {
			if _, used := taken[key]; !used && !slices.Contains(next.Retired, key) {
				if key != name {
					next.ByName[name] = key
				}
				break
			}
			key = fmt.Sprintf("%s#%d", name, n)
		}
	}
	return next
}

// removed returns the keys when custom has lost names.
func (k *Keys) removed(before, after Types) Keys {
	next := k.clone()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[name]; !stays {
			next.Retired = append(next.Retired, next.Of(name))
			delete(next.ByName, name)
		}
	}
	return next
}

// Changed returns the keys when names have come to custom or left it.
func (k *Keys) Changed(before, after Types) Keys {
	next := k.removed(before, after)
	return next.added(before, after)
}

// Rename gives a custom attribute another name. The errors are ready for the user.
func Rename(custom Types, keys Keys, from, to string) (Types, Keys, error) {
	t, known := custom[from]
	_, taken := custom[to]
	switch {
	case !known:
		return nil, Keys{}, errorf("Search attribute %s does not exist.", from)
	case taken:
		return nil, Keys{}, errorf("Search attribute %s already exists.", to)
	case to == "" || IsReserved(to):
		return nil, Keys{}, errorf("Search attribute %s is reserved by system.", to)
	}
	next, key := keys.clone(), keys.Of(from)
	delete(next.ByName, from)
	if key != to {
		next.ByName[to] = key
	}
	types := clone(custom)
	delete(types, from)
	types[to] = t
	return types, next, nil
}

func (k *Keys) clone() Keys {
	next := Keys{ByName: maps.Clone(k.ByName), Retired: slices.Clone(k.Retired)}
	if next.ByName == nil {
		next.ByName = map[string]string{}
	}
	return next
}

// Tag marks the values of attributes whose key is not their name. It changes nothing of sa.
func (k *Keys) Tag(sa *commonpb.SearchAttributes) *commonpb.SearchAttributes {
	if len(k.ByName) == 0 || len(sa.GetIndexedFields()) == 0 {
		return sa
	}
	fields := maps.Clone(sa.IndexedFields)
	for name, p := range fields {
		if key, other := k.ByName[name]; other {
			fields[name] = withMetadata(p, key)
		}
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}

func withMetadata(p *commonpb.Payload, key string) *commonpb.Payload {
	metadata := make(map[string][]byte, len(p.GetMetadata())+1)
	for name, value := range p.GetMetadata() {
		if name != metadataKey {
			metadata[name] = value
		}
	}
	if key != "" {
		metadata[metadataKey] = []byte(key)
	}
	return &commonpb.Payload{Metadata: metadata, Data: p.GetData(), ExternalPayloads: p.GetExternalPayloads()}
}

// ByKey returns attributes as stores keep them: under their keys, without marks.
func ByKey(sa *commonpb.SearchAttributes) *commonpb.SearchAttributes {
	fields := make(map[string]*commonpb.Payload, len(sa.GetIndexedFields()))
	for name, p := range sa.GetIndexedFields() {
		key, marked := p.GetMetadata()[metadataKey]
		switch {
		case marked:
			fields[string(key)] = withMetadata(p, "") // newer than a value under the attribute's former name
		case fields[name] == nil:
			fields[name] = p
		}
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}

// Shown returns stored attributes under the names that they have now. Those
// that were removed are left out.
func (k *Keys) Shown(custom Types, sa *commonpb.SearchAttributes) *commonpb.SearchAttributes {
	if sa == nil {
		return nil
	}
	names := k.names(custom)
	fields := make(map[string]*commonpb.Payload, len(sa.GetIndexedFields()))
	for key, p := range ByKey(sa).GetIndexedFields() {
		if _, fixed := nonCustomType(key); fixed {
			fields[key] = p
		} else if name, known := names[key]; known {
			fields[name] = p
		}
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}
