package rest_test

import (
	"testing"
	"time"

	"tandem/verify"
	"tandem/verify/factortest"
	"tandem/verify/rest"
)

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*rest.Config){
		"sends and checks":            func(*rest.Config) {},
		"only checks":                 func(c *rest.Config) { c.InitURL, c.Target = "", "" },
		"codes have a known length":   func(c *rest.Config) { c.Digits = 6 },
		"whatever codes are attached": func(c *rest.Config) { c.VerifyArguments["otp"] = "$code" },
	} {
		t.Run(name, func(t *testing.T) {
			factortest.Run(t, func(t *testing.T) factortest.Subject {
				s := serve(t, nil)
				c := s.config()
				change(&c)
				return factortest.Subject{
					Factor: open(t, c).(verify.Checker), User: dwho(),
					Right: func(*testing.T) string { return s.newCode() },
					Wrong: []string{"000000", "123456"},
				}
			})
		})
	}
}

func TestSendConformance(t *testing.T) {
	s := serve(t, nil)
	c := s.config()
	factortest.Send(t, open(t, c).(verify.Sender), dwho(), dwho().Mail)

	c.VerifyURL, c.OwnDigits, c.Lifetime = "", 6, 5*time.Minute
	own := open(t, c)
	factortest.Send(t, own.(verify.Maker), dwho(), dwho().Mail)
	if _, ok := own.(verify.Checker); ok {
		t.Error("the core keeps codes that are made here: the factor must not claim to know them")
	}

	c = s.config()
	c.InitURL, c.InitArguments = "", nil
	if _, ok := open(t, c).(verify.Sender); ok {
		t.Error("a service that only checks sends nothing")
	}
}
