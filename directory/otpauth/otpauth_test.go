package otpauth_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"tandem/directory"
	"tandem/directory/otpauth"
	"tandem/internal/secret"
)

const (
	raw     = "12345678901234567890" // RFC 6238, Appendix B
	encoded = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
)

func totp(change ...func(*directory.Device)) directory.Device {
	d := directory.Device{Type: directory.TypeTOTP, Secret: secret.New(raw), Digits: 6, Period: 30, Algorithm: "SHA1"}
	for _, c := range change {
		c(&d)
	}
	return d
}

func hotp(counter uint64) directory.Device {
	return directory.Device{Type: directory.TypeHOTP, Secret: secret.New(raw), Digits: 6, Algorithm: "SHA1", Counter: counter}
}

// TestURI: what is written, and that it is read as what it was.
func TestURI(t *testing.T) {
	for uri, k := range map[string]otpauth.Key{
		"otpauth://totp/alice?secret=" + encoded: {Device: totp(), Account: "alice"},
		"otpauth://totp/Example%20Corp:alice@example.org?secret=" + encoded + "&issuer=Example%20Corp": {
			Device: totp(), Issuer: "Example Corp", Account: "alice@example.org",
		},
		"otpauth://totp/R%26D%3F:j%C3%B6rg%2F%23%25%2B?secret=" + encoded + "&issuer=R%26D%3F": {
			Device: totp(), Issuer: "R&D?", Account: "jörg/#%+",
		},
		"otpauth://totp/a?secret=" + encoded + "&algorithm=SHA512&digits=8&period=60": {
			Device: totp(func(d *directory.Device) { d.Algorithm, d.Digits, d.Period = "SHA512", 8, 60 }), Account: "a",
		},
		"otpauth://hotp/a?secret=" + encoded + "&counter=0":                    {Device: hotp(0), Account: "a"},
		"otpauth://hotp/a?secret=" + encoded + "&counter=18446744073709551615": {Device: hotp(1<<64 - 1), Account: "a"},
	} {
		if got := k.URI(); got != uri {
			t.Errorf("wrote %s, want %s", got, uri)
		}
		back, err := otpauth.Parse(uri)
		if err != nil || !reflect.DeepEqual(back, k) {
			t.Errorf("%s is read as %+v, %v", uri, back, err)
		}
	}
}

func TestURIOfWhatHasNone(t *testing.T) {
	if uri := (otpauth.Key{Device: directory.Device{Type: directory.TypeYubikey, Secret: secret.New(raw)}}).URI(); uri != "" {
		t.Error(uri)
	}
	if uri := (otpauth.Key{Device: totp(), Issuer: "a:b", Account: "c:d"}).URI(); !strings.HasPrefix(uri, "otpauth://totp/a-b:c-d?") {
		t.Errorf("colons: %s", uri)
	}
	unset := totp(func(d *directory.Device) { d.Digits, d.Period, d.Algorithm = 0, 0, "" })
	if uri := (otpauth.Key{Device: unset, Account: "a"}).URI(); uri != "otpauth://totp/a?secret="+encoded {
		t.Errorf("nothing set: %s", uri)
	}
}

// TestHowOthersWriteThem reads what is not as Tandem writes it, and clear.
func TestHowOthersWriteThem(t *testing.T) {
	for uri, want := range map[string]otpauth.Key{
		"OTPAUTH://TOTP/Big%20Corp%3A%20alice?SECRET=" + strings.ToLower(encoded):           {Device: totp(), Issuer: "Big Corp", Account: "alice"},
		"otpauth://totp/?secret=" + encoded + "&issuer=Big+Corp":                            {Device: totp(), Issuer: "Big Corp"},
		"otpauth://totp/Old:a?secret=" + encoded + "&issuer=New&image=https%3A%2F%2Fx%2Fy&": {Device: totp(), Issuer: "New", Account: "a"},
		"otpauth://totp/a?secret=" + encoded + "&algorithm=HmacSHA1&counter=x":              {Device: totp(), Account: "a"},
		"otpauth://totp/a?secret=" + encoded + "&algorithm=sha-1":                           {Device: totp(), Account: "a"},
		"otpauth://totp/a:b:c?secret=" + encoded:                                            {Device: totp(), Issuer: "a", Account: "b:c"},
	} {
		if got, err := otpauth.Parse(uri); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", uri, got, err)
		}
	}
	padded, err := otpauth.Parse("otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY%3D%3D%3D%3D%3D%3D")
	if err != nil || padded.Device.Secret.Reveal() != raw[:16] {
		t.Errorf("padding: %v", err)
	}
	if short, err := otpauth.Parse("otpauth://totp/a?secret=GEZDGNBV"); err != nil || !short.Device.Weak {
		t.Errorf("a short secret: %+v, %v", short, err)
	}
}

func TestWrongURIs(t *testing.T) {
	for uri, param := range map[string]string{
		"":                                       "",
		"x":                                      "",
		"https://totp/a?secret=" + encoded:       "",
		"otpauth://yaotp/a?secret=" + encoded:    "type",
		"otpauth://totp?secret=" + encoded + "#": "",
		"otpauth://totp/a":                       "secret",
		"otpauth://totp/a?secret=":               "secret",
		"otpauth://totp/a?secret=" + encoded + "1":                          "secret",
		"otpauth://totp/a?secret=" + encoded + "=":                          "secret",
		"otpauth://totp/a?secret=" + encoded + "%3":                         "secret",
		"otpauth://totp/a?secret=" + encoded + "&secret=" + encoded:         "secret",
		"otpauth://totp/a?secret=" + encoded + "&Secret=" + encoded:         "secret",
		"otpauth://totp/a?secret={llngcrypt}" + encoded:                     "secret",
		"otpauth://totp/a?secret=" + encoded + "&digits=5":                  "digits",
		"otpauth://totp/a?secret=" + encoded + "&digits=" + encoded:         "digits",
		"otpauth://totp/a?secret=" + encoded + "&period=0":                  "period",
		"otpauth://totp/a?secret=" + encoded + "&period=":                   "period",
		"otpauth://totp/a?secret=" + encoded + "&algorithm=MD5":             "algorithm",
		"otpauth://hotp/a?secret=" + encoded:                                "counter",
		"otpauth://hotp/a?secret=" + encoded + "&counter=-1":                "counter",
		"otpauth://totp/a%0A?secret=" + encoded:                             "label",
		"otpauth://totp/a%1B[2J?secret=" + encoded:                          "label",
		"otpauth://totp/a%zz?secret=" + encoded:                             "label",
		"otpauth://totp/a?secret=" + encoded + "&issuer=%ff":                "issuer",
		"otpauth://totp/a?secret=" + encoded + "&encoder=steam":             "",
		"otpauth://totp/a?secret=" + encoded + "&2step_output=20":           "",
		"otpauth://totp/a?secret=" + encoded + strings.Repeat("&", 4096):    "",
		"otpauth://totp/" + strings.Repeat("a", 256) + "?secret=" + encoded: "label",
	} {
		_, err := otpauth.Parse(uri)
		var wrong *otpauth.Error
		if !errors.As(err, &wrong) || wrong.Param != param {
			t.Errorf("%s: %v, want one of the parameter %q", uri, err, param)
			continue
		}
		if strings.Contains(strings.ToUpper(err.Error()), encoded[:8]) && param != "algorithm" {
			t.Errorf("%s: the secret is in %q", uri, err)
		}
	}
}

// FuzzParse: what was read, written and read again is the same.
func FuzzParse(f *testing.F) {
	f.Add("otpauth://totp/Example%20Corp:alice@example.org?secret=" + encoded + "&issuer=Example%20Corp")
	f.Add("otpauth://hotp/a?secret=" + encoded + "&counter=7&digits=8&algorithm=SHA256")
	f.Add("otpauth://totp/%3A%3a:::?secret=ga%3D%3D%3D%3D%3D%3D&issuer=%25")
	f.Fuzz(func(t *testing.T, uri string) {
		k, err := otpauth.Parse(uri)
		if err != nil {
			return
		}
		again, err := otpauth.Parse(k.URI())
		if err != nil {
			t.Fatalf("%q was read, and %q cannot be: %v", uri, k.URI(), err)
		}
		k.Issuer, k.Account = plain(k.Issuer), plain(k.Account)
		if !reflect.DeepEqual(again, k) {
			t.Fatalf("%q is %+v and then %+v", uri, k, again)
		}
	})
}

// plain is what writing does to a name: a colon has no place in it, and apps drop spaces before the account.
func plain(s string) string { return strings.ReplaceAll(s, ":", "-") }
