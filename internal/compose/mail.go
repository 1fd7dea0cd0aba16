package compose

import (
	"cmp"
	"time"

	"tandem/internal/config"
	"tandem/verify"
	"tandem/verify/mail"
)

func mailFactor(m *config.Mail, now func() time.Time) (verify.Factor, error) {
	return mail.New(mail.Config{
		Name: m.Name, Label: cmp.Or(m.Label, m.Name),
		Servers: m.Servers, TLS: mail.TLS(m.TLS), AllowPlaintext: m.AllowPlaintext, CAFile: m.CAFile,
		Username: m.Username, Password: m.Password, HELO: m.HELO, From: m.From, Subject: m.Subject, Body: m.Body,
		Attribute: m.Attribute, Digits: m.Digits, Lifetime: m.Lifetime, ResendInterval: m.ResendInterval,
		Timeout: m.Timeout, MaxConcurrent: m.MaxConcurrent,
	}, now)
}
