package totp_test

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/factortest"
	"tandem/verify/oath"
	"tandem/verify/totp"
)

func load(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile("../../directory/testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, c totp.Config, at int64, key, code string) verify.Finding {
	t.Helper()
	u := &directory.User{Devices: []directory.Device{{Type: directory.TypeTOTP, Secret: secret.New(key)}}}
	f := totp.New(c, func() time.Time { return time.Unix(at, 0) })
	finding, err := f.Check(t.Context(), u, code, &factortest.Kept{})
	if err != nil {
		t.Fatal(err)
	}
	return finding
}

// TestLemonLDAPCodes: codes and windows as LemonLDAP::NG 2.16.1 computes them.
func TestLemonLDAPCodes(t *testing.T) {
	var v struct {
		TOTP []struct {
			Codes    map[string]string `json:"codes_by_r"`
			Digits   int
			Interval int
			Secret   string
			Time     int64
		}
		Verify []struct {
			Code   string
			Range  int
			Result int
			Time   int64
		}
	}
	load(t, "lemonldap-2.16.1.json", &v)
	if len(v.TOTP) == 0 || len(v.Verify) == 0 {
		t.Fatal("the vectors are empty")
	}
	for _, c := range v.TOTP {
		key, err := directory.DecodeBase32(c.Secret)
		if err != nil {
			t.Fatal(err)
		}
		for r, code := range c.Codes {
			n, err := strconv.Atoi(r)
			if err != nil {
				t.Fatal(err)
			}
			step := (c.Time - int64(n)*int64(c.Interval)) / int64(c.Interval)
			got := check(t, totp.Config{Settings: oath.Settings{Digits: c.Digits, Algorithm: "SHA1"}, Period: c.Interval, Range: 2}, c.Time, string(key), code)
			if got.Result != verify.Match || got.Claim.Value != uint64(step) {
				t.Errorf("time %d, r %s: %+v, want step %d", c.Time, r, got, step)
			}
		}
	}
	for _, c := range v.Verify {
		got := check(t, totp.Config{Settings: oath.Settings{Digits: 6, Algorithm: "SHA1"}, Period: 30, Range: c.Range}, c.Time, "12345678901234567890", c.Code)
		if (got.Result == verify.Match) != (c.Result == 1) {
			t.Errorf("code %s, range %d: %+v, LemonLDAP::NG says %d", c.Code, c.Range, got, c.Result)
		}
	}
}

// TestRFC6238 is the table of RFC 6238 appendix B.
func TestRFC6238(t *testing.T) {
	seed := "1234567890123456789012345678901234567890123456789012345678901234"
	for _, c := range []struct {
		at        int64
		algorithm string
		key, code string
	}{
		{59, "SHA1", seed[:20], "94287082"},
		{59, "SHA256", seed[:32], "46119246"},
		{59, "SHA512", seed[:64], "90693936"},
		{1111111109, "SHA1", seed[:20], "07081804"},
		{1234567890, "SHA256", seed[:32], "91819424"},
		{2000000000, "SHA512", seed[:64], "38618901"},
		{20000000000, "SHA1", seed[:20], "65353130"},
		{20000000000, "SHA512", seed[:64], "47863826"},
	} {
		got := check(t, totp.Config{Settings: oath.Settings{Digits: 8, Algorithm: c.algorithm}, Period: 30}, c.at, c.key, c.code)
		if got.Result != verify.Match {
			t.Errorf("%s at %d: %+v", c.algorithm, c.at, got)
		}
	}
}

func TestDeviceOverridesDefaults(t *testing.T) {
	d := directory.Device{Type: directory.TypeTOTP, Secret: secret.New("12345678901234567890123456789012"), Digits: 8, Period: 60, Algorithm: "SHA256"}
	f := totp.New(totp.Config{Settings: oath.Settings{Digits: 6, Algorithm: "SHA1"}, Period: 30, Range: 1}, func() time.Time { return time.Unix(118, 0) })
	u := &directory.User{Devices: []directory.Device{d}}
	finding, err := f.Check(t.Context(), u, "46119246", &factortest.Kept{}) // RFC 6238: step 1
	if err != nil || finding.Result != verify.Match || finding.Claim.Value != 1 {
		t.Fatalf("%+v, %v", finding, err)
	}
	if s := f.Shapes(u); len(s) != 1 || s[0].Length != 8 {
		t.Fatalf("shapes %+v", s)
	}
}

func TestUnknownAlgorithmIsAnError(t *testing.T) {
	f := totp.New(totp.Config{Settings: oath.Settings{Digits: 6, Algorithm: "MD5"}, Period: 30}, time.Now)
	u := &directory.User{Devices: []directory.Device{{Type: directory.TypeTOTP, Secret: secret.New("12345678901234567890")}}}
	if _, err := f.Check(t.Context(), u, "000000", &factortest.Kept{}); err == nil {
		t.Fatal("no error")
	}
}
