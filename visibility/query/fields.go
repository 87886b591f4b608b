package query

// Walk calls f for x and everything in it, each before what it consists of. The
// filter of an EXISTS, which is about other rows, is not entered.
func Walk(x Expr, f func(Expr)) {
	if x == nil {
		return
	}
	f(x)
	switch x := x.(type) {
	case *And:
		Walk(x.Left, f)
		Walk(x.Right, f)
	case *Or:
		Walk(x.Left, f)
		Walk(x.Right, f)
	case *Not:
		Walk(x.X, f)
	}
}

// Fields lists the attributes that a filter looks at, each once, in order of appearance.
func Fields(x Expr) []string {
	var names []string
	seen := map[string]bool{}
	Walk(x, func(x Expr) {
		for _, field := range fieldsOf(x) {
			if !seen[field.Name] {
				seen[field.Name] = true
				names = append(names, field.Name)
			}
		}
	})
	return names
}

// fieldsOf returns the attributes of a predicate.
func fieldsOf(x Expr) []*Field {
	switch x := x.(type) {
	case *Compare:
		return []*Field{&x.Field}
	case *CompareFields:
		return []*Field{&x.Left, &x.Right}
	case *In:
		return []*Field{&x.Field}
	case *HasList:
		return []*Field{&x.Field}
	case *Between:
		return []*Field{&x.Field}
	case *StartsWith:
		return []*Field{&x.Field}
	case *IsNull:
		return []*Field{&x.Field}
	case *Like:
		return []*Field{&x.Field}
	case *Phrase:
		return []*Field{&x.Field}
	case *refused:
		return []*Field{&x.Field}
	default:
		return nil
	}
}
