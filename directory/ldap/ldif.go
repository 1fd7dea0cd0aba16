package ldap

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"tandem/directory"
)

// ChangeLDIF makes c as [Directory.ChangeDevices] does, and writes nothing: it returns what an administrator would hand
// to ldapmodify (RFC 2849), for where Tandem may not write. It holds the new devices' secrets, so keep it as you would
// keep these. It fits only what is written at this moment: ldapmodify fails if anything changes before.
func (d *Directory) ChangeLDIF(ctx context.Context, u *directory.User, c directory.Change) (string, error) {
	if strings.TrimSpace(u.DN) == "" {
		return "", errors.New("ldap: the user has no DN: devices are written to the entry that a look-up found")
	}
	w := writer{d: d, user: u, change: c}
	var operations []operation
	err := d.askServers(ctx, func(ctx context.Context, s *server) error {
		before, err := w.read(ctx, s)
		if err != nil {
			return err
		}
		after, err := w.apply(before)
		if err != nil {
			return err
		}
		operations = plan(before, after)
		return nil
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i, o := range operations {
		if i > 0 {
			b.WriteString("\n")
		}
		o.ldif(&b)
	}
	return b.String(), nil
}

func (o operation) ldif(b *strings.Builder) {
	ldifLine(b, "dn", o.dn)
	if o.create {
		ldifLine(b, "changetype", "add")
		for _, a := range o.addition().Attributes {
			for _, v := range a.Vals {
				ldifLine(b, a.Type, v)
			}
		}
		return
	}
	ldifLine(b, "changetype", "modify")
	for _, c := range o.changes {
		for _, part := range []struct {
			verb   string
			values [][]byte
		}{{"delete", c.gone}, {"add", c.come}} {
			if len(part.values) == 0 {
				continue
			}
			ldifLine(b, part.verb, c.attribute)
			for _, v := range part.values {
				ldifLine(b, c.attribute, string(v))
			}
			fmt.Fprintln(b, "-")
		}
	}
}

// ldifWidth is where lines are folded (RFC 2849, note 2).
const ldifWidth = 76

// ldifLine writes one attribute with its value, in base64 where the value would not come through as it is.
func ldifLine(b *strings.Builder, name, value string) {
	line := name + ": " + value
	if !isSafe(value) {
		line = name + ":: " + base64.StdEncoding.EncodeToString([]byte(value))
	}
	for width := ldifWidth; len(line) > width; width = ldifWidth - 1 {
		b.WriteString(line[:width] + "\n ")
		line = line[width:]
	}
	b.WriteString(line + "\n")
}

// isSafe reports whether value is a SAFE-STRING of RFC 2849, and does not end in a space.
func isSafe(value string) bool {
	if strings.HasPrefix(value, " ") || strings.HasPrefix(value, ":") || strings.HasPrefix(value, "<") || strings.HasSuffix(value, " ") {
		return false
	}
	return !strings.ContainsFunc(value, func(r rune) bool { return r == 0 || r == '\n' || r == '\r' || r > 126 })
}
