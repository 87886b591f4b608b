// Package attr knows search attributes: their types, the system's own, and
// which values are valid. It is pure.
package attr

import enumspb "go.temporal.io/api/enums/v1"

// Types maps the names of search attributes to their types.
type Types map[string]enumspb.IndexedValueType
