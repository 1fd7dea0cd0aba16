package external_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tandem/verify"
	"tandem/verify/external"
	"tandem/verify/factortest"
)

// service is a program behind which a token server stands: right codes are written into a file, and stay right for
// ever, so that only the claim keeps them from being used twice.
func service(t *testing.T) (path string, right func(*testing.T) string) {
	list := filepath.Join(t.TempDir(), "right")
	if err := os.WriteFile(list, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	next := 123456
	return script(t, `exec grep -Fqx -- "$1 $2" `+list), func(t *testing.T) string {
		next++
		code := fmt.Sprint(next)
		if err := os.WriteFile(list, []byte(strings.Join(append(lines(t, list), "T-1 "+code), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return code
	}
}

func TestCheckerConforms(t *testing.T) {
	for _, digits := range []int{0, 6} {
		t.Run(fmt.Sprintf("%d digits", digits), func(t *testing.T) {
			factortest.Run(t, func(t *testing.T) factortest.Subject {
				path, right := service(t)
				f, _ := newChecker(t, external.Config{Validate: words(t, path+" $token $code"), Digits: digits})
				return factortest.Subject{Factor: f, User: alice(), Right: right, Wrong: []string{"000000", "999999"}}
			})
		})
	}
}

func TestSendingCheckerConforms(t *testing.T) {
	config := func(t *testing.T) (external.Config, func(*testing.T) string) {
		path, right := service(t)
		return external.Config{
			Send: words(t, "/bin/true $mobile"), Validate: words(t, path+" $token $code"), Target: "mobile",
		}, right
	}
	factortest.Run(t, func(t *testing.T) factortest.Subject {
		c, right := config(t)
		f, _ := newChecker(t, c)
		return factortest.Subject{Factor: f, User: alice(), Right: right, Wrong: []string{"000000", "999999"}}
	})
	c, _ := config(t)
	s, _ := newSender(t, c)
	factortest.Send(t, s, alice(), alice().Phone)
	if _, ok := s.(verify.Maker); ok {
		t.Error("the service's codes would be made by the core")
	}
}

func TestMakerConforms(t *testing.T) {
	for _, text := range []string{`\d{6}`, `[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}`, `\d{6}|\d{8}`} {
		s, _ := newSender(t, external.Config{Code: codes(t, text), Send: words(t, "/bin/true $mail"), CodeOnStdin: true, Target: "mail"})
		factortest.Send(t, s, alice(), alice().Mail)
		if _, ok := s.(verify.Maker); !ok {
			t.Errorf("%T is no Maker", s)
		}
		if _, ok := s.(verify.Checker); ok {
			t.Errorf("%T checks codes that are in the core's keeping", s)
		}
	}
}
