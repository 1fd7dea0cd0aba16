package pamhelper

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"tandem/internal/qr"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/policy"
)

// enrolls is a core that shows a new device to whoever comes.
type enrolls struct{ fakeCore }

const (
	newKey = "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"
	newURI = "otpauth://totp/Tandem:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Tandem"
)

func (e *enrolls) Start(context.Context, verify.Attempt) verify.Verdict {
	return verify.Verdict{
		Outcome: verify.Challenge, Message: "Enrol. ", State: []byte("state"),
		Enrolment: &verify.Enrolment{Key: secret.New(newKey), URI: secret.New(newURI), KeyLabel: "Key: ", Prompt: "Code: "},
	}
}

// TestEnrolmentIsDrawn as the module can show it.
func TestEnrolmentIsDrawn(t *testing.T) {
	code, err := qr.Plain(newURI)
	if err != nil {
		t.Fatal(err)
	}
	drawn := "Enrol.\n" + code + "Key: " + newKey + "\nCode: "
	words := "Enrol.\nKey: " + newKey + "\n" + newURI + "\nCode: "
	for name, test := range map[string]struct {
		qrCode bool
		hello  []string
		want   string
	}{
		"a QR code":                       {true, []string{"longest_prompt=8191"}, drawn},
		"a code prompt of the module's":   {true, []string{"longest_prompt=8191", "code_prompt=PIN: "}, drawn},
		"no QR code, by configuration":    {false, []string{"longest_prompt=8191"}, words},
		"a module that shows shorter one": {true, []string{"longest_prompt=1000"}, words},
		"an old module":                   {true, nil, strings.ReplaceAll(words, "\n", " ")},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, func(c *Config) {
				c.Door = Door{Core: &enrolls{fakeCore{mode: policy.Challenge}}, Log: slog.New(slog.DiscardHandler), QRCode: test.qrCode}
			})
			c := d.dial(t)
			c.say(frameHello, goodHello(append(test.hello, "user=alice")...))
			c.hear(framePrompt, "Password: ")
			c.say(frameAnswer, "pw")
			c.hear(framePrompt, test.want)
			c.say(frameAnswer, "123456")
		})
	}
	if len(drawn) > 8191/2 {
		t.Errorf("a QR code of usual size takes %d octets of 8191", len(drawn))
	}
}
