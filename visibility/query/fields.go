package query

// Fields lists the attributes that a filter looks at, each once, in order of appearance.
func Fields(x Expr) []string {
	var names []string
	seen := map[string]bool{}
	eachField(x, func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	})
	return names
}

func eachField(x Expr, f func(name string)) {
	switch x := x.(type) {
	case *And:
		eachField(x.Left, f)
		eachField(x.Right, f)
	case *Or:
		eachField(x.Left, f)
		eachField(x.Right, f)
	case *Not:
		eachField(x.X, f)
	case *Compare:
		f(x.Field.Name)
	case *In:
		f(x.Field.Name)
	case *Between:
		f(x.Field.Name)
	case *StartsWith:
		f(x.Field.Name)
	case *IsNull:
		f(x.Field.Name)
	case *refused:
		f(x.Field.Name)
	}
}
