package namespace

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/cluster"
	"perdure/server/store"
	"perdure/visibility/attr"
)

// metaKind is the kind of namespace records in the store. The key is the name,
// so that two namespaces of one name cannot be.
const metaKind = "namespace"

// record is a namespace as it is stored.
type record struct {
	ID               string               `json:"id"`
	State            int32                `json:"state"`
	Description      string               `json:"description,omitempty"`
	OwnerEmail       string               `json:"ownerEmail,omitempty"`
	Data             map[string]string    `json:"data,omitempty"`
	RetentionSeconds int64                `json:"retentionSeconds"`
	BadBinaries      map[string]badBinary `json:"badBinaries,omitempty"`
	CreatedAt        time.Time            `json:"createdAt"`
	SearchAttributes map[string]int32     `json:"searchAttributes,omitempty"`
	AttributeKeys    map[string]string    `json:"attributeKeys,omitempty"`
	RetiredKeys      []string             `json:"retiredKeys,omitempty"`
	RemoveAfter      time.Time            `json:"removeAfter,omitzero"`
}

type badBinary struct {
	Reason    string    `json:"reason,omitempty"`
	Operator  string    `json:"operator,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}

// encode makes the stored record of n with the version of n.
func encode(n *cluster.Namespace) (store.Meta, error) {
	r := record{
		ID:               n.ID,
		State:            int32(n.State),
		Description:      n.Description,
		OwnerEmail:       n.OwnerEmail,
		Data:             n.Data,
		RetentionSeconds: int64(n.Retention / time.Second),
		BadBinaries:      map[string]badBinary{},
		CreatedAt:        n.CreatedAt,
		SearchAttributes: map[string]int32{},
		AttributeKeys:    n.AttributeKeys.ByName,
		RetiredKeys:      n.AttributeKeys.Retired,
		RemoveAfter:      n.RemoveAfter,
	}
	for checksum, b := range n.BadBinaries {
		r.BadBinaries[checksum] = badBinary{b.GetReason(), b.GetOperator(), b.GetCreateTime().AsTime()}
	}
	for name, t := range n.SearchAttributes {
		r.SearchAttributes[name] = int32(t)
	}
	data, err := json.Marshal(r)
	return store.Meta{Kind: metaKind, Key: n.Name, Version: n.Version, Data: data}, err
}

func decode(m store.Meta) (*cluster.Namespace, error) {
	var r record
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return nil, fmt.Errorf("namespace record %q: %w: %w", m.Key, store.ErrDamaged, err)
	}
	n := &cluster.Namespace{
		ID:               r.ID,
		Name:             m.Key,
		State:            enumspb.NamespaceState(r.State),
		Description:      r.Description,
		OwnerEmail:       r.OwnerEmail,
		Data:             r.Data,
		Retention:        time.Duration(r.RetentionSeconds) * time.Second,
		BadBinaries:      map[string]*namespacepb.BadBinaryInfo{},
		CreatedAt:        r.CreatedAt,
		SearchAttributes: attr.Types{},
		AttributeKeys:    attr.Keys{ByName: r.AttributeKeys, Retired: r.RetiredKeys},
		RemoveAfter:      r.RemoveAfter,
		Version:          m.Version,
	}
	for checksum, b := range r.BadBinaries {
		n.BadBinaries[checksum] = &namespacepb.BadBinaryInfo{
			Reason: b.Reason, Operator: b.Operator, CreateTime: timestamppb.New(b.CreatedAt),
		}
	}
	for name, t := range r.SearchAttributes {
		n.SearchAttributes[name] = enumspb.IndexedValueType(t)
	}
	return n, nil
}

// clone copies n so deep that changes of the copy leave n alone.
func clone(n *cluster.Namespace) *cluster.Namespace {
	c := *n
	c.Data = maps.Clone(n.Data)
	c.BadBinaries = maps.Clone(n.BadBinaries)
	c.SearchAttributes = maps.Clone(n.SearchAttributes)
	return &c
}
