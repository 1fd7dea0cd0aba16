package directory

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"tandem/internal/secret"
)

const goodSecret = "gezdgnbvgy3tqojqgezdgnbvgy3tqojq"

func TestParseDevicesOfARealPortal(t *testing.T) {
	portal := loadVectors(t).RealPortal

	devices, problems := ParseDevices([]byte(portal.Cleartext), DeviceOptions{})
	if len(devices) != 3 || len(problems) != 0 {
		t.Fatalf("%+v, %+v", devices, problems)
	}
	totp, ubk, password := devices[0], devices[1], devices[2]
	if totp.Type != TypeTOTP || totp.Name != "myTOTP" || totp.Epoch != 1795278502 || len(totp.Secret.Reveal()) != 20 || totp.Weak {
		t.Errorf("%+v", totp)
	}
	if ubk.Type != TypeYubikey || ubk.Name != "my ubk" || ubk.PublicID != "ccccccelerpg" {
		t.Errorf("%+v", ubk)
	}
	if password.Type != TypePassword || !password.Secret.Empty() {
		t.Errorf("without the key its secret cannot be known: %+v", password)
	}

	key := secret.New("changeme")
	devices, problems = ParseDevices([]byte(portal.Encrypted.Devices), DeviceOptions{CryptKey: key})
	if len(devices) != 3 || len(problems) != 0 {
		t.Fatalf("%+v, %+v", devices, problems)
	}
	want, err := DecodeBase32(portal.EncryptedTOTPCleartext)
	if err != nil {
		t.Fatal(err)
	}
	if devices[0].Secret.Reveal() != string(want) {
		t.Error("the encrypted TOTP secret is not the recorded one")
	}
	if devices[2].Secret.Reveal() != portal.PasswordCleartext {
		t.Error("the encrypted second password is not the recorded one")
	}

	devices, problems = ParseDevices([]byte(portal.Encrypted.Devices), DeviceOptions{})
	if len(devices) != 2 || len(problems) != 1 || problems[0].Device != "myTOTP" || !strings.Contains(problems[0].Why, "no devices.llngcrypt_key") {
		t.Errorf("without the key: %+v, %+v", devices, problems)
	}

	devices, problems = ParseDevices([]byte(portal.WebAuthn.Devices), DeviceOptions{})
	if len(devices) != 1 || len(problems) != 0 || devices[0].Type != TypeWebAuthn || devices[0].Name != "My Key" {
		t.Errorf("%+v, %+v", devices, problems)
	}
}

// entry is one TOTP device with further members.
func entry(more string) string {
	return `[{"type":"TOTP","name":"t","_secret":"` + goodSecret + `"` + more + `}]`
}

func TestParseDevicesFields(t *testing.T) {
	hotp := func(more string) string {
		return `[{"type":"HOTP","_secret":"` + goodSecret + `"` + more + `}]`
	}
	for _, c := range []struct {
		in   string
		want Device
	}{
		{entry(``), Device{Type: "TOTP", Name: "t"}},
		{entry(`,"epoch":"1795278523"`), Device{Type: "TOTP", Name: "t", Epoch: 1795278523}},
		{entry(`,"epoch":null,"digits":"","unknown":{"a":[1]}`), Device{Type: "TOTP", Name: "t"}},
		{entry(`,"digits":8,"period":"60","algorithm":"sha-256"`), Device{Type: "TOTP", Name: "t", Digits: 8, Period: 60, Algorithm: "SHA256"}},
		{entry(`,"interval":60,"algorithm":"SHA512"`), Device{Type: "TOTP", Name: "t", Period: 60, Algorithm: "SHA512"}},
		{entry(`,"algorithm":"Sha1"`), Device{Type: "TOTP", Name: "t", Algorithm: "SHA1"}},
		{hotp(`,"counter":18446744073709551615`), Device{Type: "HOTP", Counter: 18446744073709551615}},
		{hotp(`,"counter":"7","name":5`), Device{Type: "HOTP", Name: "5", Counter: 7}},
		{`[{"type":"UBK","_yubikey":"CCCCCCelerpg"}]`, Device{Type: "UBK", PublicID: "ccccccelerpg"}},
		{`[{"type":"U2F","_userKey":"x","_keyHandle":"y"}]`, Device{Type: "U2F"}},
	} {
		devices, problems := ParseDevices([]byte(c.in), DeviceOptions{})
		if len(devices) != 1 || len(problems) != 0 {
			t.Errorf("%s: %+v, %+v", c.in, devices, problems)
			continue
		}
		got := devices[0]
		if got.Type == TypeTOTP || got.Type == TypeHOTP {
			if got.Secret.Reveal() != "12345678901234567890" {
				t.Errorf("%s: another secret", c.in)
			}
		}
		got.Secret = secret.String{}
		if got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.in, got, c.want)
		}
	}
}

func TestParseDevicesReadsWhatYubikeyCodesAreCheckedWith(t *testing.T) {
	crypt := secret.New("changeme")
	const key, private = "ecde18dbe76fbd0c33330f1c354871db", "8792EBFE26CC"
	sealed, err := EncryptLLNG([]byte(key), crypt, strings.NewReader("sixteen octets!!"))
	if err != nil {
		t.Fatal(err)
	}
	for name, aes := range map[string]string{"in the clear": key, "encrypted": sealed} {
		raw := `[{"type":"UBK","name":"key","_yubikey":"dteffujehknh","_aes":"` + aes + `","_private":"` + private + `"}]`
		devices, problems := ParseDevices([]byte(raw), DeviceOptions{CryptKey: crypt})
		if len(devices) != 1 || len(problems) != 0 {
			t.Fatalf("%s: %+v, %+v", name, devices, problems)
		}
		d := devices[0]
		if hex.EncodeToString([]byte(d.Secret.Reveal())) != key || !strings.EqualFold(hex.EncodeToString([]byte(d.PrivateID.Reveal())), private) {
			t.Errorf("%s: another key or private identity", name)
		}
		if shown := fmt.Sprintf("%+v %#v", d, d); strings.Contains(shown, key) || strings.Contains(shown, d.Secret.Reveal()) {
			t.Errorf("%s: the key shows: %s", name, shown)
		}
	}
	if _, problems := ParseDevices([]byte(`[{"type":"UBK","_yubikey":"dteffujehknh","_aes":"`+sealed+`","_private":"8792ebfe26cc"}]`), DeviceOptions{}); len(problems) != 1 || !strings.Contains(problems[0].Why, "no devices.llngcrypt_key") {
		t.Errorf("without the key to the key: %+v", problems)
	}
}

func TestParseDevicesSkipsBadEntries(t *testing.T) {
	for _, c := range []struct{ in, device, why string }{
		{entry(`,"digits":5`), "t", "digits = 5: codes have 6, 7 or 8 digits"},
		{entry(`,"digits":0`), "t", "digits = 0"},
		{entry(`,"digits":6.5`), "t", "digits is not a whole number"},
		{entry(`,"digits":[6]`), "t", "digits is neither a string nor a number"},
		{entry(`,"period":4`), "t", "period = 4: a step lasts 5 to 86400 seconds"},
		{entry(`,"period":86401`), "t", "86401"},
		{entry(`,"period":30,"interval":30`), "t", "keep one"},
		{entry(`,"algorithm":"md5"`), "t", `"md5" is not one of SHA1`},
		{entry(`,"epoch":"now"`), "t", "epoch is not a whole number"},
		{entry(`,"digits":9,"period":1`), "t", "digits = 9: codes have 6, 7 or 8 digits; period = 1"},
		{`[{"type":"HOTP","_secret":"` + goodSecret + `","counter":-1}]`, "device 1", "counter is not"},
		{`[{"type":"TOTP","name":"x"}]`, "x", "the secret is empty"},
		{`[{"type":"TOTP","_secret":true}]`, "device 1", "_secret is neither"},
		{`[{"type":"UBK","_yubikey":"ccccccccccc="}]`, "device 1", "12 letters"},
		{`[{"type":"UBK","_yubikey":"cccc"}]`, "device 1", "12 letters"},
		{`[{"type":"UBK","_yubikey":"dteffujehknh","_aes":"ecde18dbe76fbd0c33330f1c354871db"}]`, "device 1", "private identity is not 12 hexadecimal"},
		{`[{"type":"UBK","_yubikey":"dteffujehknh","_private":"8792ebfe26cc"}]`, "device 1", "AES key is not 32 hexadecimal"},
		{`[{"type":"UBK","_yubikey":"dteffujehknh","_aes":"ecde18dbe76fbd0c","_private":"8792ebfe26cc"}]`, "device 1", "AES key is not 32 hexadecimal"},
		{`[{"type":"UBK","_yubikey":"dteffujehknh","_aes":"urtubjtnuihvntcreeeecvbregfjibtn","_private":"8792ebfe26cc"}]`, "device 1", "AES key is not 32 hexadecimal"},
		{`[{"type":"Password"}]`, "device 1", "empty"},
		{`[{"name":"nothing"}]`, "nothing", "no type"},
		{`[{"type":"totp","_secret":"` + goodSecret + `"}]`, "device 1", `type "totp" is not known to Tandem`},
		{`[{"type":"TOTP","_SECRET":"` + goodSecret + `"}]`, "device 1", "the secret is empty"},
		{`[null]`, "device 1", "not a JSON object"},
		{`["TOTP"]`, "device 1", "not a JSON object"},
		{`[[]]`, "device 1", "not a JSON object"},
		{`[{}]`, "device 1", "no type"},
	} {
		devices, problems := ParseDevices([]byte(c.in), DeviceOptions{})
		if len(devices) != 0 || len(problems) != 1 || problems[0].Device != c.device || !strings.Contains(problems[0].Why, c.why) {
			t.Errorf("%s: %+v, %+v; want one problem of %q with %q", c.in, devices, problems, c.device, c.why)
		}
	}
}

func TestRow22_WhatIsNoDeviceArrayIsSkippedAndCounts(t *testing.T) {
	for name, c := range map[string]struct{ in, why string }{
		"too many octets":  {"[" + strings.Repeat(" ", MaxDevicesSize) + "]", "more than 65536"},
		"too many devices": {"[" + strings.Repeat("{},", MaxDevices) + "{}]", "holds 129 devices, more than 128"},
		"too deep":         {`[{"type":"TOTP","_secret":"` + goodSecret + `","x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}]`, "more than 16 deep"},
		"deep and open":    {strings.Repeat("[", 60000), "more than 16 deep"},
		"binary":           {"[{\"type\":\"TOTP\",\"name\":\"\xff\",\"_secret\":\"" + goodSecret + "\"}]", "not UTF-8"},
		"NULs":             {"\x00\x00", "not a JSON array"},
		"an object":        {`{"type":"TOTP"}`, "not a JSON array"},
		"null":             {"null", "not a JSON array"},
		"nothing":          {"", "not a JSON array"},
		"trailing garbage": {entry("") + "]", "breaks at octet"},
		"two arrays":       {"[][]", "breaks at octet"},
		"cut off":          {`[{"type":"TOTP"`, "breaks at octet"},
	} {
		devices, problems := ParseDevices([]byte(c.in), DeviceOptions{})
		if len(devices) != 0 || len(problems) != 1 || !strings.Contains(problems[0].Why, c.why) {
			t.Errorf("%s: %+v, %+v; want %q", name, devices, problems, c.why)
		}
		if user := (&User{Devices: devices, Skipped: problems}); !user.HasDevices() {
			t.Errorf("%s: the user counts as one without devices", name)
		}
	}
	if devices, problems := ParseDevices([]byte(" [ ] \n"), DeviceOptions{}); len(devices)+len(problems) != 0 {
		t.Errorf("an empty array: %+v, %+v", devices, problems)
	}
}

func TestRow22_DuplicateNamesMakeAnEntryAmbiguous(t *testing.T) {
	for _, more := range []string{
		`,"_secret":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`,
		`,"\u005fsecret":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`,
		`,"type":"WebAuthn"`,
		`,"x":1,"x":2`,
	} {
		devices, problems := ParseDevices([]byte(entry(more)), DeviceOptions{})
		if len(devices) != 0 || len(problems) != 1 || !strings.Contains(problems[0].Why, "twice") {
			t.Errorf("%s: %+v, %+v", more, devices, problems)
		}
	}
}

func TestRow22_AnUnknownTypeIsSkippedAndTheGoodOnesStay(t *testing.T) {
	raw := `[{"type":"Okta","_secret":"hidden"},{"type":"TOTP","_secret":"` + goodSecret + `"},5,{"type":"TOTP","_secret":"bad bad"}]`
	devices, problems := ParseDevices([]byte(raw), DeviceOptions{})
	if len(devices) != 1 || devices[0].Type != TypeTOTP {
		t.Errorf("%+v", devices)
	}
	if len(problems) != 3 || problems[0].Why != `type "Okta" is not known to Tandem` {
		t.Errorf("%+v", problems)
	}
	if shown := fmt.Sprintf("%+v %+v", devices, problems); strings.Contains(shown, "hidden") || strings.Contains(shown, "bad bad") || strings.Contains(shown, goodSecret) {
		t.Errorf("a secret shows: %s", shown)
	}
	only, problems := ParseDevices([]byte(`[{"type":"Okta"}]`), DeviceOptions{})
	if user := (&User{Devices: only, Skipped: problems}); !user.HasDevices() {
		t.Error("a user with nothing but an unknown device counts as one without devices")
	}
}

func TestRow32_BadBase32MakesTheDeviceUnusable(t *testing.T) {
	for _, bad := range []string{
		"GEZD GNBV", goodSecret + "=", goodSecret + `\n`, "gezdgnbvgy3tqojqgezdgnbvgy3tqoj1", "gezdgnbvg", "aaaaaab", strings.Repeat("a", 33), "",
	} {
		raw := `[{"type":"TOTP","name":"phone","_secret":"` + bad + `"}]`
		devices, problems := ParseDevices([]byte(raw), DeviceOptions{})
		if len(devices) != 0 || len(problems) != 1 || problems[0].Device != "phone" {
			t.Errorf("%q: %+v, %+v", bad, devices, problems)
		}
		if bad != "" && strings.Contains(fmt.Sprint(problems), bad) {
			t.Errorf("the secret is quoted: %+v", problems)
		}
	}
}

func TestRow32_ShortSecretsAreMarkedAndRefusable(t *testing.T) {
	for bits, written := range map[int]string{80: "JBSWY3DPEHPK3PXP", 120: strings.Repeat("a", 24), 128: strings.Repeat("a", 26), 160: goodSecret} {
		raw := []byte(`[{"type":"TOTP","_secret":"` + written + `"}]`)
		devices, problems := ParseDevices(raw, DeviceOptions{})
		if len(devices) != 1 || len(problems) != 0 || devices[0].Weak != (bits < 128) {
			t.Errorf("%d bits: %+v, %+v", bits, devices, problems)
		}
		devices, problems = ParseDevices(raw, DeviceOptions{MinSecretBits: 128})
		if refused := len(devices) == 0 && len(problems) == 1; refused != (bits < 128) {
			t.Errorf("%d bits where 128 are asked for: %+v, %+v", bits, devices, problems)
		}
	}
}

func TestParseDeviceValues(t *testing.T) {
	phone := entry("")
	other := `[{"type":"TOTP","name":"tablet","_secret":"` + goodSecret + `","period":60},{"type":"WebAuthn"},{"type":"WebAuthn"}]`
	devices, problems := ParseDeviceValues([][]byte{[]byte(phone), []byte(other), []byte(phone), []byte("{}")}, DeviceOptions{})
	if len(devices) != 4 || len(problems) != 1 {
		t.Errorf("want one of the two phones, the tablet, two keys and a problem: %+v, %+v", devices, problems)
	}

	full := func(start int) []byte {
		var entries []string
		for i := range 80 {
			entries = append(entries, fmt.Sprintf(`{"type":"UBK","_yubikey":"%012d"}`, start+i))
		}
		return []byte("[" + strings.Join(entries, ",") + "]")
	}
	devices, problems = ParseDeviceValues([][]byte{full(0), full(80), full(160)}, DeviceOptions{})
	if len(devices) != MaxDevices || len(problems) != 2 {
		t.Errorf("%d devices, %+v", len(devices), problems)
	}
	if devices, problems := ParseDeviceValues(nil, DeviceOptions{}); len(devices)+len(problems) != 0 {
		t.Errorf("no values: %+v, %+v", devices, problems)
	}
}

func TestDeviceEntryNamesTheField(t *testing.T) {
	nine, one := 9, 1
	_, errs := DeviceEntry{Type: TypeTOTP, Secret: secret.New("x"), Digits: &nine, Period: &one, Algorithm: "x"}.Device(DeviceOptions{})
	var fields []string
	for _, e := range errs {
		fields = append(fields, e.Field)
	}
	if got := strings.Join(fields, " "); got != "secret digits algorithm period" {
		t.Errorf("fields %q", got)
	}
}

func TestLongTextsAreClipped(t *testing.T) {
	raw := `[{"type":"` + strings.Repeat("é", 1000) + `","name":"` + strings.Repeat("ü", 1000) + `"}]`
	_, problems := ParseDevices([]byte(raw), DeviceOptions{})
	devices, _ := ParseDevices([]byte(`[{"type":"WebAuthn","name":"`+strings.Repeat("ü", 1000)+`"}]`), DeviceOptions{})
	if len(devices) != 1 || len(devices[0].Name) > 260 {
		t.Errorf("%+v", devices)
	}
	if len(problems) != 1 || len(problems[0].Device) > 70 || len(problems[0].Why) > 120 {
		t.Errorf("%+v", problems)
	}
}

func FuzzParseDevices(f *testing.F) {
	portal := loadVectors(f).RealPortal
	f.Add([]byte(portal.Cleartext))
	f.Add([]byte(portal.Encrypted.Devices))
	f.Add([]byte(portal.WebAuthn.Devices))
	f.Add([]byte(entry(`,"digits":"8","period":60,"algorithm":"SHA256"`)))
	f.Add([]byte(entry(`,"type":"HOTP"`)))
	f.Add([]byte(`[{"type":"HOTP","_secret":"` + goodSecret + `","counter":"12"},null,[],5]`))
	f.Add([]byte(strings.Repeat(`[{"a":`, 20)))
	f.Add([]byte(`[{"type":"UBK","_yubikey":"dteffujehknh","_aes":"ecde18dbe76fbd0c33330f1c354871db","_private":"8792ebfe26cc"}]`))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		devices, problems := ParseDevices(raw, DeviceOptions{CryptKey: secret.New("changeme"), MinSecretBits: 80})
		if len(devices)+len(problems) > MaxDevices {
			t.Fatalf("%d devices, %d problems", len(devices), len(problems))
		}
		if len(devices)+len(problems) == 0 && strings.Trim(string(raw), " \t\r\n[]") != "" {
			t.Fatalf("%q counts as no devices", raw)
		}
		for _, d := range devices {
			oath := d.Type == TypeTOTP || d.Type == TypeHOTP
			if oath && len(d.Secret.Reveal()) < 10 {
				t.Fatalf("%s with a secret of %s", d.Type, hex.EncodeToString([]byte(d.Secret.Reveal())))
			}
			if aes, private := len(d.Secret.Reveal()), len(d.PrivateID.Reveal()); d.Type == TypeYubikey && (aes != 0 || private != 0) && (aes != 16 || private != 6) {
				t.Fatalf("a Yubikey with an AES key of %d and a private identity of %d octets", aes, private)
			}
			if d.Digits != 0 && (d.Digits < 6 || d.Digits > 8) || d.Period != 0 && (d.Period < 5 || d.Period > 86400) {
				t.Fatalf("%+v", d)
			}
			switch d.Algorithm {
			case "", "SHA1", "SHA256", "SHA512":
			default:
				t.Fatalf("%+v", d)
			}
		}
		joined, skipped := ParseDeviceValues([][]byte{raw, raw}, DeviceOptions{CryptKey: secret.New("changeme")})
		if user := (&User{Devices: joined, Skipped: skipped}); len(problems) > 0 && !user.HasDevices() {
			t.Fatalf("%q twice counts as no devices", raw)
		}
	})
}
