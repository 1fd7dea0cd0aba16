package hotp_test

import (
	"testing"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify/factortest"
	"tandem/verify/hotp"
	"tandem/verify/oath"
)

func TestConformance(t *testing.T) {
	factortest.Run(t, func(*testing.T) factortest.Subject {
		device := directory.Device{Type: directory.TypeHOTP, Secret: secret.New(key)}
		settings := oath.Settings{Digits: 6, Algorithm: "SHA1"}
		next := uint64(0)
		return factortest.Subject{
			Factor: hotp.New(hotp.Config{Settings: settings, LookAhead: 10, ResyncWindow: 100}),
			User:   &directory.User{Devices: []directory.Device{device}},
			Right: func(t *testing.T) string {
				code, err := settings.Code(device, next)
				if err != nil {
					t.Fatal(err)
				}
				next++
				return code
			},
			Wrong: []string{"000000", "123456"},
		}
	})
}
