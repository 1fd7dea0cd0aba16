package totp_test

import (
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify/factortest"
	"tandem/verify/oath"
	"tandem/verify/totp"
)

func TestConformance(t *testing.T) {
	factortest.Run(t, func(*testing.T) factortest.Subject {
		device := directory.Device{Type: directory.TypeTOTP, Secret: secret.New("12345678901234567890")}
		settings := oath.Settings{Digits: 6, Algorithm: "SHA1"}
		now := time.Unix(1_700_000_010, 0)
		return factortest.Subject{
			Factor: totp.New(totp.Config{Settings: settings, Period: 30, Range: 1}, func() time.Time { return now }),
			User:   &directory.User{Devices: []directory.Device{device}},
			Right: func(t *testing.T) string {
				now = now.Add(30 * time.Second)
				code, err := settings.Code(device, uint64(now.Unix()/30))
				if err != nil {
					t.Fatal(err)
				}
				return code
			},
			Wrong: []string{"000000", "123456"},
		}
	})
}
