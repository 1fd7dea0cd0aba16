package external

import (
	"strings"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify/external/command"
)

// codeVariable stands for the code.
const codeVariable = "code"

// arguments are those of t for u and code.
func arguments(t *command.Template, u *directory.User, code secret.String) ([]string, error) {
	return t.Args(func(name string) string {
		if name == codeVariable {
			return code.Reveal()
		}
		return variable(u, name)
	})
}

// variable is what stands for $name: the directory's login name for uid and user, else the user's attribute of that
// name, all its values joined by "; " as LemonLDAP::NG does, else the mail address for mail and the phone number for
// phone and mobile. It is empty if the user has none.
func variable(u *directory.User, name string) string {
	switch values := u.Attributes[name]; {
	case name == "uid" || name == "user":
		return u.Name
	case len(values) > 0:
		return strings.Join(values, "; ")
	case name == "mail":
		return u.Mail
	case name == "phone" || name == "mobile":
		return u.Phone
	}
	return ""
}
