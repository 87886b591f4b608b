package query

import (
	"maps"
	"slices"
	"strconv"

	"perdure/internal/editdistance"
	"perdure/visibility/attr"
)

// maxTypos is how many letters a name may differ from one that is suggested for it.
const maxTypos = 2

// suggest adds the place of an unknown name to its error, and the name that
// was probably meant.
func (c *checker) suggest(err error, f Field) error {
	refused, ok := err.(*Error)
	if !ok || f.at == 0 {
		return err
	}
	message := refused.Message + " (byte " + itoa(f.at)
	if near := c.nearest(f.Name); near != "" {
		message += "; did you mean " + near + "?"
	}
	return &Error{Message: message + ")", located: true}
}

func itoa(i int) string { return strconv.Itoa(i) }

// nearest returns the known name that differs least; empty where all differ too much.
func (c *checker) nearest(name string) string {
	best, bestTypos := "", maxTypos+1
	for _, known := range slices.Sorted(maps.Keys(c.allTypes())) {
		if typos := editdistance.Of(name, known, bestTypos); typos < bestTypos && typos < len(name) {
			best, bestTypos = known, typos
		}
	}
	return best
}

// allTypes returns every attribute that the filter can name.
func (c *checker) allTypes() attr.Types {
	if c.schema != nil {
		return c.schema.Types
	}
	types := attr.NonCustom()
	maps.Copy(types, attr.BuiltIns())
	maps.Copy(types, c.options.Custom)
	return types
}
