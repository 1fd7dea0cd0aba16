package totp_test

import (
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/oath"
	"tandem/verify/totp"
)

// noMarks is a user who has never logged in.
type noMarks struct{}

func (noMarks) Mark(string) (uint64, bool, error)     { return 0, false, nil }
func (noMarks) Record(string) (value []byte, _ error) { return nil, nil }

// BenchmarkCheck checks the present code, and one that is right in no step of the window.
func BenchmarkCheck(b *testing.B) {
	now := time.Unix(1_700_000_010, 0)
	settings := oath.Settings{Digits: 6, Algorithm: "SHA1"}
	device := directory.Device{Type: directory.TypeTOTP, Secret: secret.New("12345678901234567890")}
	user := &directory.User{Devices: []directory.Device{device}}
	factor := totp.New(totp.Config{Settings: settings, Period: 30, Range: 1}, func() time.Time { return now })
	right, err := settings.Code(device, uint64(now.Unix()/30))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name, code string
		want       verify.Result
	}{{"right", right, verify.Match}, {"wrong", "000000", verify.NoMatch}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f, err := factor.Check(b.Context(), user, c.code, noMarks{}); err != nil || f.Result != c.want {
					b.Fatal(f, err)
				}
			}
		})
	}
}
