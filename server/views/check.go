package views

import (
	"time"

	"perdure/server/apierr"
	"perdure/server/search"
	"perdure/server/searchpb"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// Check refuses a filter that nobody could use. With parameters, or made of
// other views, only its form is known; the rest is checked where it is used.
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
	if err == nil && len(parameters) == 0 && !namesViews(q.Where) {
		err = query.CheckListWith(q, query.Options{Custom: custom, Now: b.config.Clock.Now(), Zone: time.LoadLocation})
	}
	if err != nil {
		return apierr.InvalidArgument("%v", err)
	}
	return nil
}

func namesViews(x query.Expr) bool {
	names := false
	query.Walk(x, func(x query.Expr) {
		if _, is := x.(*query.View); is {
			names = true
		}
	})
	return names
}
