package oath

import (
	"encoding/base32"
	"testing"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"pgregory.net/rapid"

	"tandem/directory"
	"tandem/internal/secret"
)

// Codes are those of a library that others wrote, for any key, counter and setting.
func TestCodesAreThoseOfAnotherLibrary(t *testing.T) {
	theirs := map[string]otp.Algorithm{"SHA1": otp.AlgorithmSHA1, "SHA256": otp.AlgorithmSHA256, "SHA512": otp.AlgorithmSHA512}
	rapid.Check(t, func(t *rapid.T) {
		// Drawn from a range, hardly one would be longer than a block of the hash, from where on HMAC takes its hash.
		length := rapid.SampledFrom([]int{1, 20, 63, 64, 65, 127, 128, 129, 200}).Draw(t, "length")
		key := rapid.SliceOfN(rapid.Byte(), length, length).Draw(t, "key")
		s := Settings{
			Digits:    rapid.IntRange(6, 8).Draw(t, "digits"),
			Algorithm: rapid.SampledFrom([]string{"SHA1", "SHA256", "SHA512"}).Draw(t, "algorithm"),
		}
		codes, err := s.Codes(directory.Device{Secret: secret.New(string(key))})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // of one key, since the second use is not the first
			counter := rapid.Uint64().Draw(t, "counter")
			want, err := hotp.GenerateCodeCustom(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key), counter,
				hotp.ValidateOpts{Digits: otp.Digits(s.Digits), Algorithm: theirs[s.Algorithm]})
			if err != nil {
				t.Fatal(err)
			}
			if got := codes.At(counter); got != want || !codes.Match(counter, want) || codes.Match(counter, want[:len(want)-1]+"x") {
				t.Fatalf("counter %d: %q, want %q", counter, got, want)
			}
		}
	})
}

func TestUnknownSettingsAreRefused(t *testing.T) {
	for _, s := range []Settings{{Digits: 6, Algorithm: "MD5"}, {Digits: 6}, {Algorithm: "SHA1"}, {Digits: 10, Algorithm: "SHA1"}} {
		if _, err := s.Codes(directory.Device{Secret: secret.New("12345678901234567890")}); err == nil {
			t.Errorf("%+v: codes were made", s)
		}
	}
}
