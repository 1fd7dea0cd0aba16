package config

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"tandem/internal/tomlfile"
	"tandem/verify/external/command"
	"tandem/verify/external/pattern"
)

// External is a factor whose codes are sent, or checked, by programs (docs/factors.md).
type External struct {
	// Name is what users type and policies say. Up to 32 of a-z, 0-9 and -.
	// Required. Reload: taken over.
	Name string `toml:"name"`
	// Label is what menus show.
	// Default: Name. Reload: taken over.
	Label string `toml:"label"`
	// Code is a regular expression of the codes that are made here, and sent by Send; empty: a service makes them,
	// and Validate asks it.
	// Default: empty. Reload: taken over.
	Code string `toml:"code"`
	// Send sends a code: the absolute path of a program and its arguments, one text that is split at white space or
	// an array. In the arguments, $uid, $mail, $phone and any attribute of the user's that is read are put in.
	// Required with Code. Reload: taken over.
	Send tomlfile.Words `toml:"send"`
	// Validate checks a code; exit status 0 is a yes, any other a no.
	// Required without Code. Reload: taken over.
	Validate tomlfile.Words `toml:"validate"`
	// CodeOnStdin gives the program the code as a line on standard input; otherwise it is $code among the arguments,
	// which every user of this host can read while it runs.
	// Default: false. Reload: taken over.
	CodeOnStdin bool `toml:"code_on_stdin"`
	// Digits is how many digits the service's codes have, 4 to 64; 0: they have any form, and cannot be appended to
	// a password.
	// Default: 0. Reload: taken over.
	Digits int `toml:"digits"`
	// Target says where codes go, such as "$mobile". Prompts show it masked; empty: they do not say.
	// Default: empty. Reload: taken over.
	Target string `toml:"target"`
	// Lifetime is how long a code made by Code may be used. 30s to 10m.
	// Default: 5m. Reload: taken over, for new codes.
	Lifetime time.Duration `toml:"lifetime"`
	// ResendInterval is how long after one code the next may be sent. 5s to 10m.
	// Default: 30s. Reload: taken over.
	ResendInterval time.Duration `toml:"resend_interval"`
	// Timeout is the time for one run of a program; then it is killed. 100ms to 1m.
	// Default: 4s. Reload: taken over.
	Timeout time.Duration `toml:"timeout"`
	// MaxConcurrent is how many runs there may be at once. 1 to 256.
	// Default: 16. Reload: taken over.
	MaxConcurrent int `toml:"max_concurrent"`
	// User is who the programs run as, and Group the only group that they then have; empty: as this service, or with
	// that user's groups. Only root can give either.
	// Default: empty. Reload: taken over.
	User string `toml:"user"`
	// Group is the group that the programs run with.
	// Default: empty. Reload: taken over.
	Group string `toml:"group"`
	// Level is what a login with this factor is worth. 0 to 100.
	// Default: 2. Reload: taken over.
	Level int `toml:"level"`
	// When is a rule (docs/policies.md): the factor is there for the logins that it is true of; empty: for all.
	// Default: empty. Reload: taken over.
	When string `toml:"when"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (e *External) SetDefaults() {
	*e = External{
		Lifetime: 5 * time.Minute, ResendInterval: 30 * time.Second,
		Timeout: 4 * time.Second, MaxConcurrent: 16, Level: 2,
	}
}

// codeVariable stands for the code among a program's arguments.
const codeVariable = "code"

// external checks one of the factors. attributes are those of users that are read; nil: any may be there.
func (c *checker) external(key string, e *External, attributes []string, taken map[string]string) {
	c.factorName(key+".name", e.Name, taken)
	if len(e.Label) > maxName || strings.ContainsFunc(e.Label, unicode.IsControl) {
		c.Errorf(key+".label", "is longer than %d bytes, or has a control character: write one or two words", maxName)
	}
	between(c, key+".resend_interval", e.ResendInterval, 5*time.Second, 10*time.Minute)
	between(c, key+".level", e.Level, 0, 100)
	c.provider(key, e.Timeout, e.MaxConcurrent)
	c.rule(key+".when", e.When)
	c.account(key, e)

	send := c.command(key+".send", e.Send, attributes)
	validate := c.command(key+".validate", e.Validate, attributes)
	if e.Code != "" {
		c.ownCodes(key, e, send)
	} else {
		c.serviceCodes(key, e, send, validate)
	}
	c.target(key, e, attributes)
}

// ownCodes checks a factor whose codes are made here.
func (c *checker) ownCodes(key string, e *External, send *command.Template) {
	if _, err := pattern.Compile(e.Code); err != nil {
		c.Errorf(key+".code", "%v", err)
	}
	between(c, key+".lifetime", e.Lifetime, 30*time.Second, 10*time.Minute)
	if !c.has(key + ".send") {
		c.missing(key+".send", "name the program that brings codes to users")
	}
	for _, name := range []string{"validate", "digits"} {
		if c.has(key + "." + name) {
			c.Errorf(key+"."+name, "is not used, as codes are made here (code): remove one of them")
		}
	}
	c.hasCode(key, "send", e, send)
}

// serviceCodes checks a factor whose codes a service makes.
func (c *checker) serviceCodes(key string, e *External, send, validate *command.Template) {
	if !c.has(key + ".validate") {
		c.missing(key+".validate", "name the program that checks codes, or write code to have them made here")
	}
	if c.has(key + ".lifetime") {
		c.Errorf(key+".lifetime", "is not used, as a service makes the codes: remove it, or write code to have them made here")
	}
	if e.Digits != 0 {
		between(c, key+".digits", e.Digits, 4, 64)
	}
	if len(e.Send) == 0 && c.has(key+".resend_interval") {
		c.Errorf(key+".resend_interval", "is not used, as nothing is sent: remove it, or write send")
	}
	if send != nil && slices.Contains(send.Variables(), codeVariable) {
		c.Errorf(key+".send", "has $code in it, but a service makes the codes: remove it, or write code to have them made here")
	}
	c.hasCode(key, "validate", e, validate)
}

// hasCode checks that a program is told the code, in one way.
func (c *checker) hasCode(key, name string, e *External, t *command.Template) {
	if t == nil {
		return
	}
	inside := slices.Contains(t.Variables(), codeVariable)
	switch {
	case inside && e.CodeOnStdin:
		c.Errorf(key+"."+name, "has $code in it, where every user of this host can read it, beside code_on_stdin: remove one of them")
	case inside:
		c.Warnf(key+"."+name, "every user of this host can read the code in the arguments while the program runs: use code_on_stdin if it can read it there")
	case !e.CodeOnStdin:
		c.Errorf(key+"."+name, "is not told the code: set code_on_stdin = true, or write $code where it belongs")
	}
}

// command checks a command line; nil if there is none, or it cannot be used.
func (c *checker) command(key string, words tomlfile.Words, attributes []string) *command.Template {
	if len(words) == 0 {
		if c.has(key) {
			c.Errorf(key, "is empty: name a program by its absolute path, or remove it")
		}
		return nil
	}
	t, err := command.Parse(words)
	if err == nil {
		err = command.CheckProgram(t.Program())
	}
	if err != nil {
		c.Errorf(key, "%v", err)
		return nil
	}
	for _, name := range t.Variables() {
		if name != codeVariable {
			c.userVariable(key, name, attributes)
		}
	}
	return t
}

// userVariable checks that what $name stands for is read from the directory.
func (c *checker) userVariable(key, name string, attributes []string) {
	if attributes == nil || slices.Contains([]string{"uid", "user", "mail", "phone", "mobile"}, name) || slices.Contains(attributes, name) {
		return
	}
	c.Errorf(key, "$%.64s is not read from the directory: add it to extra under [directory.ldap.attributes], or use $uid, $mail or $phone", name)
}

func (c *checker) target(key string, e *External, attributes []string) {
	if e.Target == "" {
		return
	}
	if len(e.Send) == 0 {
		c.Errorf(key+".target", "is not used, as nothing is sent: remove it, or write send")
		return
	}
	name, ok := e.TargetVariable()
	if !ok {
		c.Errorf(key+".target", "%.64q is not an attribute: write it like $mobile", e.Target)
		return
	}
	c.userVariable(key+".target", name, attributes)
}

// TargetVariable is the name of the variable that Target is; ok is false if it is none.
func (e *External) TargetVariable() (name string, ok bool) {
	t, err := command.Parse([]string{"/", e.Target})
	if err != nil || len(t.Variables()) != 1 || "$"+t.Variables()[0] != e.Target {
		return "", false
	}
	return t.Variables()[0], true
}

func (c *checker) account(key string, e *External) {
	if _, err := command.LookupAccount(e.User, ""); err != nil {
		c.Errorf(key+".user", "%v", err)
	}
	if _, err := command.LookupAccount("", e.Group); err != nil {
		c.Errorf(key+".group", "%v", err)
	}
}
