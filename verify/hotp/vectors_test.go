package hotp_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/factortest"
	"tandem/verify/hotp"
	"tandem/verify/oath"
)

const key = "12345678901234567890"

func check(t *testing.T, counter uint64, code string, lookAhead int) verify.Finding {
	t.Helper()
	u := &directory.User{Devices: []directory.Device{{Type: directory.TypeHOTP, Secret: secret.New(key), Counter: counter}}}
	f := hotp.New(hotp.Config{Settings: oath.Settings{Digits: 6, Algorithm: "SHA1"}, LookAhead: lookAhead})
	finding, err := f.Check(t.Context(), u, code, &factortest.Kept{})
	if err != nil {
		t.Fatal(err)
	}
	return finding
}

// TestGluuCodes: codes and the window of Gluu's oxAuth (moving factor 1, look-ahead 10), which are also
// those of RFC 4226 appendix D.
func TestGluuCodes(t *testing.T) {
	var v struct{ Lines []string }
	b, err := os.ReadFile("../../directory/testdata/gluu-oxauth.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	codes := map[uint64]string{}
	line := regexp.MustCompile(`^hotp\[(\d+)]=(\d+)$`)
	window := regexp.MustCompile(`^validate\(mf=1,window=10,code for (\d+)\) valid=(\w+) new=(\d+)$`)
	checked := 0
	for _, l := range v.Lines {
		if m := line.FindStringSubmatch(l); m != nil {
			n, _ := strconv.ParseUint(m[1], 10, 64)
			codes[n] = m[2]
			if got := check(t, n, m[2], 0); got.Result != verify.Match || got.Claim.Value != n {
				t.Errorf("code %d: %+v", n, got)
			}
		}
		if m := window.FindStringSubmatch(l); m != nil {
			n, _ := strconv.ParseUint(m[1], 10, 64)
			got := check(t, 1, codes[n], 10)
			if fmt.Sprint(got.Result == verify.Match) != m[2] {
				t.Errorf("%s: %+v", l, got)
			}
			if got.Result == verify.Match && fmt.Sprint(got.Claim.Value+1) != m[3] {
				t.Errorf("%s: next counter %d", l, got.Claim.Value+1)
			}
			checked++
		}
	}
	if len(codes) != 14 || checked != 14 {
		t.Fatalf("%d codes and %d windows in the vectors", len(codes), checked)
	}
}

func TestStoredCounterOutweighsTheDirectory(t *testing.T) {
	d := directory.Device{Type: directory.TypeHOTP, Secret: secret.New(key)}
	f := hotp.New(hotp.Config{Settings: oath.Settings{Digits: 6, Algorithm: "SHA1"}, LookAhead: 3})
	held := &factortest.Kept{}
	held.Take(verify.Finding{Claim: verify.Claim{Key: "hotp/" + d.Fingerprint("hotp"), Value: 6}})
	for counter, want := range map[uint64]verify.Result{6: verify.Used, 7: verify.Match, 10: verify.Match, 11: verify.NoMatch} {
		code, err := oath.Settings{Digits: 6, Algorithm: "SHA1"}.Code(d, counter)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Check(t.Context(), &directory.User{Devices: []directory.Device{d}}, code, held)
		if err != nil || got.Result != want {
			t.Errorf("counter %d: %+v, %v", counter, got, err)
		}
	}
}
