package mail

import (
	"crypto/rand"
	"errors"
	netmail "net/mail"
	"strings"
	"text/template"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"tandem/directory"
	"tandem/internal/secret"
)

// Fields are what the templates of subject and body can say.
type Fields struct {
	// Code is the code itself.
	Code string
	// User is the login name, as the directory spells it.
	User string
	// Minutes is how long the code may be used.
	Minutes int
}

// letter is what all mails have in common.
type letter struct {
	from          *netmail.Address
	subject, body *template.Template
	lifetime      time.Duration
	now           func() time.Time
}

func newLetter(c Config, now func() time.Time) (*letter, error) {
	from, err := parseSender(c.From)
	if err != nil {
		return nil, err
	}
	l := &letter{from: from, lifetime: c.Lifetime, now: now}
	if l.subject, err = template.New("subject").Parse(c.Subject); err != nil {
		return nil, err
	}
	if l.body, err = template.New("body").Parse(c.Body); err != nil {
		return nil, err
	}
	// A template that cannot be filled in is found now, and not by the first user.
	sample := Fields{Code: "123456", User: "alice", Minutes: 5}
	if _, err := l.subjectFor(sample); err != nil {
		return nil, err
	}
	body, err := fill(l.body, sample)
	if err == nil && !strings.Contains(body, sample.Code) {
		err = errors.New("the body does not hold the code: put {{.Code}} where it belongs")
	}
	return l, err
}

// fill executes a template. The error does not repeat what went in.
func fill(t *template.Template, f Fields) (string, error) {
	var filled strings.Builder
	if err := t.Execute(&filled, f); err != nil {
		return "", errors.New(strings.ReplaceAll(err.Error(), f.Code, secret.Redacted))
	}
	return filled.String(), nil
}

// subjectFor is the subject, which has to be one line of text: a line break in it would begin a header of its own.
func (l *letter) subjectFor(f Fields) (string, error) {
	subject, err := fill(l.subject, f)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(subject) == "" || strings.ContainsFunc(subject, unicode.IsControl) {
		return "", errors.New("the subject has a line break or another control character, or is empty: make it one line")
	}
	return subject, nil
}

// write makes one mail.
func (l *letter) write(to address, u *directory.User, code secret.String) (*gomail.Msg, error) {
	fields := Fields{Code: code.Reveal(), User: u.Name, Minutes: max(int(l.lifetime/time.Minute), 1)}
	subject, err := l.subjectFor(fields)
	if err != nil {
		return nil, err
	}
	body, err := fill(l.body, fields)
	if err != nil {
		return nil, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(l.from)
	m.ToMailAddress(&netmail.Address{Address: to.mailbox})
	m.Subject(subject)
	m.SetDateWithValue(l.now())
	m.SetMessageIDWithValue(rand.Text() + l.from.Address[strings.LastIndexByte(l.from.Address, '@'):])
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: nobody's holiday notice answers it
	m.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	m.SetBodyString(gomail.TypeTextPlain, body)
	return m, nil
}
