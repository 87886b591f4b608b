package elastic

// A filter is built in two steps. The compiler makes a tree of tests in which
// negations stand at the tests alone; render turns it into Elasticsearch's query
// with as few levels as it can, since the server bounds them.

// filter is a node of the tree.
type filter struct {
	kind    kind
	parts   []filter // of all and any
	test    object   // of a leaf
	negated bool     // of a leaf
	loose   bool     // a leaf keeps more than it should, or a part does: the records decide
}

type kind int

const (
	leaf kind = iota
	all
	any_
)

func is(test object) filter { return filter{test: test} }

func everything() filter { return filter{kind: all} }
func nothing() filter    { return filter{kind: any_} }

// allOf joins filters and takes conjunctions in it apart.
func allOf(parts ...filter) filter { return joined(all, parts) }

// anyOf is the same for disjunctions.
func anyOf(parts ...filter) filter { return joined(any_, parts) }

func joined(k kind, parts []filter) filter {
	out := filter{kind: k}
	for _, part := range parts {
		if part.kind == k {
			out.parts = append(out.parts, part.parts...)
		} else {
			out.parts = append(out.parts, part)
		}
		out.loose = out.loose || part.loose
	}
	if len(out.parts) == 1 {
		return out.parts[0]
	}
	return out
}

// candidates makes a test loose.
func candidates(test filter) filter {
	return filter{test: test.render(), loose: true}
}

// not is the complement.
func (f filter) not() filter {
	if f.kind == leaf {
		f.negated = !f.negated
		return f
	}
	out := filter{kind: all + any_ - f.kind, parts: make([]filter, len(f.parts)), loose: f.loose}
	for i, part := range f.parts {
		out.parts[i] = part.not()
	}
	return out
}

// when returns f, or its complement.
func (f filter) when(negated bool) filter {
	if negated {
		return f.not()
	}
	return f
}

// isAnything tells a test that excludes nobody: the complement of one that keeps too many.
func (f filter) isAnything() bool { return f.kind == leaf && f.negated && f.loose }

// render writes the query.
func (f filter) render() object {
	switch {
	case f.isAnything():
		return object{"match_all": object{}}
	case f.kind == leaf && !f.negated:
		return f.test
	case f.kind == leaf:
		return object{"bool": object{"must_not": []object{f.test}}}
	case f.kind == all && len(f.parts) == 0:
		return object{"match_all": object{}}
	case len(f.parts) == 0:
		return object{"match_none": object{}}
	case f.kind == all:
		return object{"bool": conjunction(f.parts)}
	default:
		return object{"bool": object{"should": rendered(f.parts), "minimum_should_match": 1}}
	}
}

// conjunction puts one disjunction beside the rest, which saves a level.
func conjunction(parts []filter) object {
	var must, mustNot, should []object
	for _, part := range parts {
		switch {
		case part.isAnything():
		case part.kind == leaf && part.negated:
			mustNot = append(mustNot, part.test)
		case part.kind == any_ && len(part.parts) > 0 && should == nil:
			should = rendered(part.parts)
		default:
			must = append(must, part.render())
		}
	}
	out := object{}
	if must != nil {
		out["filter"] = must
	}
	if mustNot != nil {
		out["must_not"] = mustNot
	}
	if len(should) > 0 {
		out["should"], out["minimum_should_match"] = should, 1
	}
	return out
}

func rendered(parts []filter) []object {
	out := make([]object, len(parts))
	for i, part := range parts {
		out[i] = part.render()
	}
	return out
}
