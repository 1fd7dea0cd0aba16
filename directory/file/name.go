package file

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/secure/precis"
)

// longestName bounds names and ids, in octets: an id becomes part of a key in the store.
const longestName = 255

// fold gives a login name the one form in which it is compared (RFC 8265 §3.3): full-width letters
// become plain ones, capitals small, and composed characters one code point. Names that the profile
// forbids belong to nobody.
func fold(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("is empty: write the login name")
	case len(name) > longestName:
		return "", fmt.Errorf("has %d octets, and a login name has at most %d", len(name), longestName)
	case strings.ContainsFunc(name, unicode.IsSpace):
		return "", errors.New("holds white space, which no login name does: remove it")
	}
	folded, err := precis.UsernameCaseMapped.String(name)
	if err != nil || folded == "" {
		return "", errors.New("holds characters that RFC 8265 forbids in user names: use letters, digits and the signs of ASCII")
	}
	return folded, nil
}

// checkText refuses what would break a mail header, a log line or a RADIUS attribute.
func checkText(text string) error {
	switch {
	case text == "":
		return errors.New("is empty: leave it out")
	case strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("holds control characters: remove them")
	}
	return nil
}

func checkID(id string) error {
	switch {
	case len(id) > longestName:
		return fmt.Errorf("has %d octets, and an id has at most %d", len(id), longestName)
	case strings.ContainsFunc(id, unicode.IsSpace):
		return errors.New("holds white space: remove it")
	}
	return checkText(id)
}
