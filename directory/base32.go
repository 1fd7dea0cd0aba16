package directory

import "errors"

// DecodeBase32 reads a secret the way LemonLDAP::NG does: the RFC 4648 §6 alphabet in either case,
// and nothing else. No padding, no spaces, no newline; no length that base32 cannot have; no bits
// left over that are not zero. Anything laxer would give two spellings to one secret, and a typing
// mistake in one would turn into a different key in silence.
//
// Errors say what is wrong and never quote the text.
func DecodeBase32(s string) ([]byte, error) {
	if s == "" {
		return nil, errors.New("the secret is empty")
	}
	decoded := make([]byte, 0, len(s)*5/8)
	var bits uint32
	count := 0
	for i := range len(s) {
		value, err := base32Value(s[i])
		if err != nil {
			return nil, err
		}
		bits = bits<<5 | uint32(value)
		if count += 5; count >= 8 {
			count -= 8
			decoded = append(decoded, byte(bits>>count)) // the upper bits are already out
			bits &= 1<<count - 1
		}
	}
	switch {
	case count >= 5:
		return nil, errors.New("the secret is not base32: it has a length that base32 never has, so some of it is missing")
	case bits != 0:
		return nil, errors.New("the secret is not base32: it ends in bits that are not zero, so some of it is missing or mistyped")
	}
	return decoded, nil
}

// base32Value works on octets, because the Unicode case mapping sends letters from outside ASCII into it.
func base32Value(c byte) (byte, error) {
	switch {
	case 'a' <= c && c <= 'z':
		return c - 'a', nil
	case 'A' <= c && c <= 'Z':
		return c - 'A', nil
	case '2' <= c && c <= '7':
		return c - '2' + 26, nil
	case c == '=':
		return 0, errors.New("the secret is not base32 without padding: remove the = signs")
	case c == ' ', c == '\n', c == '\r', c == '\t':
		return 0, errors.New("the secret is not base32: remove the white space")
	}
	return 0, errors.New("the secret is not base32: only the letters A to Z and the digits 2 to 7 are")
}
