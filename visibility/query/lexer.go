package query

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenIdent
	tokenQuotedIdent
	tokenKeyword
	tokenString
	tokenNumber
	tokenSymbol
	tokenParameter // of a view, as in :name
	tokenIllegal
)

// token is a piece of the text. For identifiers and strings, text is what they
// stand for; keywords are in lower case. Words of the extensions are
// identifiers, since attributes may have their names.
type token struct {
	kind  tokenKind
	text  string
	start int // byte offset
	end   int // byte offset behind the token
}

// is tells whether t is that keyword or symbol.
func (t token) is(text string) bool {
	return (t.kind == tokenKeyword || t.kind == tokenSymbol) && t.text == text
}

// keywords cannot be names unless quoted with back-quotes. Those without a use
// in the language are kept from names since the public grammar reserves them.
var keywords = wordSet(`and or not in between is null true false like rlike regexp starts_with order by group limit
	asc desc where having for lock union select distinct case when then else end exists interval match as into from
	insert delete update set show explain default drop escape offset xor div mod collate table create index key
	binary convert cast values left right join on using`)

func wordSet(text string) map[string]bool {
	words := map[string]bool{}
	for _, word := range strings.Fields(text) {
		words[word] = true
	}
	return words
}

// symbols are tried in this order: longer ones first.
var symbols = []string{"<=>", "!=", "<>", "<=", ">=", "&&", "||", "<<", ">>",
	"=", "<", ">", "(", ")", ",", ";", "+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "?"}

// lex cuts text into tokens; the last one is tokenEnd. It never fails: what it
// cannot read is one tokenIllegal before the end.
func lex(text string) []token { return (&lexer{text: text}).all() }

type lexer struct {
	text       string
	parameters bool // :name is a token
	start      int  // of the token that is read
	at         int
	tokens     []token
}

func (l *lexer) all() []token {
	for l.next() {
	}
	return append(l.tokens, token{kind: tokenEnd, start: len(l.text), end: len(l.text)})
}

func (l *lexer) emit(kind tokenKind, text string) {
	l.tokens = append(l.tokens, token{kind: kind, text: text, start: l.start, end: l.at})
}

// next reads one token; false at the end and after an illegal one.
func (l *lexer) next() bool {
	if !l.skipBlanks() {
		return false
	}
	l.start = l.at
	switch c := l.text[l.at]; {
	case l.parameters && c == ':' && l.at+1 < len(l.text) && isNameStart(l.text[l.at+1]):
		return l.parameter()
	case c == '\'' || c == '"':
		return l.quoted(c)
	case c == '`':
		return l.quotedIdent()
	case isDigit(c) || c == '.' && l.at+1 < len(l.text) && isDigit(l.text[l.at+1]):
		return l.number()
	case isNameStart(c):
		return l.name()
	default:
		return l.symbol()
	}
}

// skipBlanks passes over blanks and comments; false at the end.
func (l *lexer) skipBlanks() bool {
	for l.at < len(l.text) {
		rest := l.text[l.at:]
		switch {
		case unicode.IsSpace(rune(rest[0])) && rest[0] < utf8.RuneSelf:
			l.at++
		case strings.HasPrefix(rest, "/*") && strings.Contains(rest[2:], "*/"):
			l.at += strings.Index(rest[2:], "*/") + 4
		case strings.HasPrefix(rest, "--") || rest[0] == '#':
			l.at += lineLength(rest)
		default:
			return true
		}
	}
	return false
}

func lineLength(text string) int {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return i
	}
	return len(text)
}

// quoted reads a string. Inside, the doubled quote and the backslash before a
// quote or a backslash stand for the second character; any other backslash is itself.
func (l *lexer) quoted(quote byte) bool {
	var b strings.Builder
	for i := l.at + 1; i < len(l.text); i++ {
		c := l.text[i]
		if c == '\\' && i+1 < len(l.text) && strings.IndexByte(`\'"`, l.text[i+1]) >= 0 {
			i++
			c = l.text[i]
		} else if c == quote {
			if i+1 == len(l.text) || l.text[i+1] != quote {
				l.at = i + 1
				l.emit(tokenString, b.String())
				return true
			}
			i++
		}
		b.WriteByte(c)
	}
	return l.illegal(len(l.text), b.String())
}

func (l *lexer) quotedIdent() bool {
	var b strings.Builder
	for i := l.at + 1; i < len(l.text); i++ {
		if l.text[i] == '`' {
			if i+1 == len(l.text) || l.text[i+1] != '`' {
				return l.endQuotedIdent(i+1, b.String())
			}
			i++
		}
		b.WriteByte(l.text[i])
	}
	return l.illegal(len(l.text), b.String())
}

func (l *lexer) endQuotedIdent(end int, name string) bool {
	if name == "" {
		return l.illegal(end, "")
	}
	l.at = end
	l.emit(tokenQuotedIdent, name)
	return true
}

// number reads an unsigned number; what is no number is found when it is parsed.
func (l *lexer) number() bool {
	start := l.at
	seenPoint, seenExponent := false, false
	for l.at < len(l.text) {
		c := l.text[l.at]
		switch {
		case isDigit(c):
		case c == '.' && !seenPoint && !seenExponent:
			seenPoint = true
		case (c == 'e' || c == 'E') && !seenExponent:
			seenExponent = true
			if l.at+1 < len(l.text) && strings.IndexByte("+-", l.text[l.at+1]) >= 0 {
				l.at++
			}
		case (c == 'x' || c == 'X') && l.text[start:l.at] == "0":
			return l.hexNumber(start)
		default:
			l.emit(tokenNumber, l.text[start:l.at])
			return true
		}
		l.at++
	}
	l.emit(tokenNumber, l.text[start:l.at])
	return true
}

// hexNumber reads 0x2A, which no attribute takes, to name it in the error.
func (l *lexer) hexNumber(start int) bool {
	l.at++
	for l.at < len(l.text) && isNamePart(l.text[l.at]) {
		l.at++
	}
	l.emit(tokenNumber, l.text[start:l.at])
	return true
}

// name reads a word with its qualifiers, as in a.b.
func (l *lexer) name() bool {
	start := l.at
	for l.at < len(l.text) && (isNamePart(l.text[l.at]) || l.qualifies()) {
		l.at++
	}
	word := l.text[start:l.at]
	if lower := strings.ToLower(word); keywords[lower] {
		l.emit(tokenKeyword, lower)
	} else {
		l.emit(tokenIdent, word)
	}
	return true
}

func (l *lexer) parameter() bool {
	l.at++
	start := l.at
	for l.at < len(l.text) && isNamePart(l.text[l.at]) {
		l.at++
	}
	l.emit(tokenParameter, l.text[start:l.at])
	return true
}

// qualifies tells whether a point with a name behind it comes next.
func (l *lexer) qualifies() bool {
	return l.text[l.at] == '.' && l.at+1 < len(l.text) && isNameStart(l.text[l.at+1])
}

func (l *lexer) symbol() bool {
	for _, symbol := range symbols {
		if strings.HasPrefix(l.text[l.at:], symbol) {
			l.at += len(symbol)
			l.emit(tokenSymbol, symbol)
			return true
		}
	}
	_, size := utf8.DecodeRuneInString(l.text[l.at:])
	return l.illegal(l.at+size, l.text[l.at:l.at+size])
}

func (l *lexer) illegal(end int, text string) bool {
	l.at = end
	l.emit(tokenIllegal, text)
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNameStart(c byte) bool {
	return c == '_' || c == '@' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isNamePart(c byte) bool { return isNameStart(c) || isDigit(c) || c == '$' }
