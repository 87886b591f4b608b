package views

import (
	"perdure/server/apierr"
	"perdure/server/search"
	"perdure/server/searchpb"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// Check refuses a filter that nobody could use. With parameters only its form
// is known; what they stand for is checked where the filter is used.
func (b *Book) Check(v *searchpb.View, custom attr.Types) error {
	switch {
	case v.GetName() == "":
		return apierr.InvalidArgument("Name of the view is not set on request.")
	case len(v.GetName()) > b.config.Limits.NameBytes:
		return apierr.InvalidArgument("Name of the view exceeds length limit of %d bytes.", b.config.Limits.NameBytes)
	}
	text, parameters := search.FillParameters(v.GetQuery(), "''")
	q, err := query.Parse(text)
	if err == nil && q.Where == nil {
		err = &query.Error{Message: "invalid query: a view has a filter"}
	}
	if err == nil && len(parameters) == 0 {
		err = query.CheckList(q, custom)
	}
	if err != nil {
		return apierr.InvalidArgument("%v", err)
	}
	return nil
}
