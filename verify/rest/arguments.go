package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"tandem/directory"
)

// arguments are the members of the JSON object that is posted.
type arguments map[string]text

// newArguments parses what is configured and adds "user", and "code" if there is one.
func newArguments(configured map[string]string, withCode bool) (arguments, error) {
	all := map[string]string{"user": "$user"}
	if withCode {
		all["code"] = "$code"
	}
	maps.Copy(all, configured)
	a := arguments{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] == "" {
			continue
		}
		t, err := parseText(all[name])
		if err != nil {
			return nil, fmt.Errorf("argument %q: %w", name, err)
		}
		if !withCode && t.names("code") {
			return nil, fmt.Errorf("argument %q: there is no $code before the service has made one", name)
		}
		a[name] = t
	}
	return a, nil
}

// filledBy reports whether u has all attributes that the arguments need.
func (a arguments) filledBy(u *directory.User) bool {
	for _, t := range a {
		if _, err := t.fill(u, ""); err != nil {
			return false
		}
	}
	return true
}

// object is the JSON object for one user and code.
func (a arguments) object(u *directory.User, code string) ([]byte, error) {
	members := make(map[string]string, len(a))
	for name, t := range a {
		value, err := t.fill(u, code)
		if err != nil {
			return nil, fmt.Errorf("argument %q: %w", name, err)
		}
		members[name] = value
	}
	return json.Marshal(members)
}

// text is a text in which attributes are put.
type text []piece

// piece is fixed, or else names what is put in.
type piece struct{ fixed, name string }

// reference is what begins with a dollar: $$, ${name}, or $name, where only ${…} can hold a hyphen or an option.
var reference = regexp.MustCompile(`\$(?:\$|\{([^{}$]+)\}|([A-Za-z_][A-Za-z0-9_]*))`)

// parseText finds the references in a configured text. They are found once, here: what is put in for them is not
// looked at again.
func parseText(s string) (text, error) {
	var t text
	fixed := func(s string) error {
		if strings.Contains(s, "$") {
			return fmt.Errorf("%q has a $ that names nothing: write $name or ${name}, or $$ for a dollar", s)
		}
		if s != "" {
			t = append(t, piece{fixed: s})
		}
		return nil
	}
	end := 0
	for _, at := range reference.FindAllStringSubmatchIndex(s, -1) {
		if err := fixed(s[end:at[0]]); err != nil {
			return nil, err
		}
		end = at[1]
		switch {
		case at[2] >= 0:
			t = append(t, piece{name: s[at[2]:at[3]]})
		case at[4] >= 0:
			t = append(t, piece{name: s[at[4]:at[5]]})
		default:
			t = append(t, piece{fixed: "$"})
		}
	}
	return t, fixed(s[end:])
}

// names reports whether the text refers to name.
func (t text) names(name string) bool {
	return slices.ContainsFunc(t, func(p piece) bool { return p.name == name })
}

// fill puts u's attributes and the code in.
func (t text) fill(u *directory.User, code string) (string, error) {
	var filled strings.Builder
	for _, p := range t {
		switch p.name {
		case "":
			filled.WriteString(p.fixed)
		case "code":
			filled.WriteString(code)
		default:
			value, err := attribute(u, p.name)
			if err != nil {
				return "", err
			}
			filled.WriteString(value)
		}
	}
	return filled.String(), nil
}

// attribute is what stands for $name: the directory's login name for user and uid, else the user's attribute of that name, all its values joined by "; " as LemonLDAP::NG does, else the mail address for mail
// and the phone number for phone and mobile. None is an error: an empty argument could mean anything to a service.
func attribute(u *directory.User, name string) (string, error) {
	var value string
	switch values := u.Attributes[name]; {
	case name == "user" || name == "uid":
		value = u.Name
	case len(values) > 0:
		value = strings.Join(values, "; ")
	case name == "mail":
		value = u.Mail
	case name == "phone" || name == "mobile":
		value = u.Phone
	}
	if value == "" {
		return "", fmt.Errorf("the user has no attribute %q: write it into the entry, and name it under attributes.extra if it comes from LDAP", name)
	}
	if !utf8.ValidString(value) {
		return "", errors.New("the user's attribute " + name + " is not text (UTF-8)")
	}
	return value, nil
}
