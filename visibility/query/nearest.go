package query

import (
	"maps"
	"slices"
	"strconv"

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
		if typos := editDistance(name, known, bestTypos); typos < bestTypos && typos < len(name) {
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

// editDistance counts insertions, deletions and replacements of bytes between
// two names; limit, where it is as many or more.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return min(row[len(b)], limit)
}
