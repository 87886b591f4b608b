package nexus

import (
	"net/url"
	"strings"
)

// linkQuery writes names and values, one after the other, in the order given.
func linkQuery(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(pairs[i]) + "=" + url.QueryEscape(pairs[i+1]))
	}
	return b.String()
}

func pathEscape(text string) string { return url.PathEscape(text) }
