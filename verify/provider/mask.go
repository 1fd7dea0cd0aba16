package provider

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// hidden stands for what is not shown.
const hidden = "…"

// Mask shows where a code goes to those who know it already, and to nobody else: an address of mail as
// [MaskMail] does, anything else as [MaskPhone] does.
func Mask(target string) string {
	if strings.Contains(target, "@") {
		return MaskMail(target)
	}
	return MaskPhone(target)
}

// MaskMail shows the first letters of an address: "alice@example.org" becomes "a…@e…". What has no "@" is hidden
// as a whole; the empty text stays empty.
func MaskMail(address string) string {
	if address == "" {
		return ""
	}
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return hidden
	}
	return firstLetter(address[:at]) + hidden + "@" + firstLetter(address[at+1:]) + hidden
}

// firstLetter is the first letter or digit of s, if s begins with one: no other character is let into a prompt.
func firstLetter(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return s[:size]
	}
	return ""
}

const (
	// shownDigits of a phone number are shown,
	shownDigits = 2
	// if it has so many: of an extension, two digits would be half of it.
	leastDigits = 6
)

// MaskPhone shows the last two digits of a number: "+49 170 1234512" becomes "…12". A number of less than six
// digits is hidden as a whole; the empty text stays empty.
func MaskPhone(number string) string {
	if number == "" {
		return ""
	}
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, number)
	if len(digits) < leastDigits {
		return hidden
	}
	return hidden + digits[len(digits)-shownDigits:]
}
