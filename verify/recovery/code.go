package recovery

import (
	"encoding/base32"
	"strings"

	"tandem/verify"
)

const (
	octets = 10             // of randomness in one code: 80 bits
	length = octets * 8 / 5 // letters and digits of a code, 5 bits each
	group  = 4              // of them stand between two dashes on paper
	dashes = (length - 1) / group
)

// encoding is Crockford's base 32: digits and letters without those that are read as another one.
var encoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// misread undoes what people read into the alphabet above: nobody is shown an o, an i or an l, so whoever
// types one has read a digit.
var misread = strings.NewReplacer("o", "0", "i", "1", "l", "1")

const typeable = "0123456789abcdefghijklmnopqrstvwxyzABCDEFGHIJKLMNOPQRSTVWXYZ"

// shapes are the two ways to type a code: with all its dashes, or with none. Spaces are not taken, as they are not
// printed, and passwords hold them. Codes that another program made have a third.
var shapes = []verify.Shape{
	{Length: length + dashes, Alphabet: typeable + "-"},
	{Length: length, Alphabet: typeable},
	importedShape,
}

// onPaper writes a code as it is printed: "abcd-efgh-jkmn-pqrs".
func onPaper(code []byte) string { return withDashes(encoding.EncodeToString(code)) }

// parse reads what was typed. However one code is typed, parse makes the same octets of it: 10 of one that [Make] made,
// and 8 of one that another program made.
func parse(typed string) (code []byte, ok bool) {
	if code, ok = parseImported(typed); ok {
		return code, true
	}
	plain := strings.ReplaceAll(typed, "-", "")
	if len(plain) != length || plain != typed && withDashes(plain) != typed {
		return nil, false
	}
	code, err := encoding.DecodeString(misread.Replace(strings.ToLower(plain)))
	return code, err == nil && len(code) == octets
}

// withDashes puts a dash between the groups.
func withDashes(plain string) string {
	var b strings.Builder
	for i := 0; i < len(plain); i += group {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(plain[i:min(i+group, len(plain))])
	}
	return b.String()
}
