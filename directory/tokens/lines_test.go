package tokens_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tandem/directory/tokens"
)

func TestUsersOATH(t *testing.T) {
	// The lines with a date are as pam_oath 2.6.7 wrote them.
	found := read(t, "users.oath", "# Option User Prefix Seed\n"+
		"HOTP\tann\t-\t"+hex+"\n"+
		"HOTP\tbea\t-\t"+hex+"\t4\t338314\t2026-11-22T00:58:49L\n"+
		"HOTP/E/8\tbob\t1234\t"+hex+"\t6\t18287922\t2026-11-22T00:58:49L\r\n"+
		"HOTP cat + "+hex+" 7\n"+
		"\nHOTP/T30\tcid\t+\t"+hex+"\t0\t601368\t2026-11-22T00:58:49L\n"+
		"HOTP/T60/8 dan - "+hexLong+"\n"+
		"HOTP/E eve - "+hex+" 8 399871\n", tokens.Options{})
	compare(t, "users.oath", found,
		"HOTP "+raw+" SHA1 6/0/0 user=ann serial= issuer= line=2",
		"HOTP "+raw+" SHA1 6/0/5 user=bea serial= issuer= line=3", // 4 is used
		"HOTP "+raw+" SHA1 8/0/7 user=bob serial= issuer= line=4",
		"HOTP "+raw+" SHA1 6/0/7 user=cat serial= issuer= line=5", // 7 is the first
		"TOTP "+raw+" SHA1 6/30/0 user=cid serial= issuer= line=7",
		"TOTP "+rawLong+" SHA1 8/60/0 user=dan serial= issuer= line=8",
		"HOTP "+raw+" SHA1 6/0/9 user=eve serial= issuer= line=9",
	)
	used := time.Date(2026, 11, 22, 0, 58, 49, 0, time.Local).Unix() / 30
	if cid := found[4]; !slices.Equal(cid.Used, []uint64{uint64(used)}) {
		t.Errorf("used steps %v", cid.Used)
	}
	if bob := found[2]; len(bob.Notes) != 1 || !strings.Contains(bob.Notes[0], "PIN") {
		t.Errorf("notes %q", bob.Notes)
	}
}

func TestUsersOATHThatIsWrong(t *testing.T) {
	refused(t, "users.oath", tokens.Options{}, map[string]problem{
		"few fields":  {"HOTP ann -\n", 1, "", "3 fields"},
		"many fields": {"\nHOTP ann - " + hex + " 1 2 3 4\n", 2, "", "8 fields"},
		"type":        {"HOTP/X30 ann - " + hex, 1, "type", "none of"},
		"no seconds":  {"HOTP/T ann - " + hex, 1, "type", "none of"},
		"MOTP":        {"MOTP ann - " + hex, 1, "type", "none of"},
		"digits":      {"HOTP/E/9 ann - " + hex, 1, "digits", "6, 7 or 8"},
		"period":      {"HOTP/T1 ann - " + hex, 1, "period", "5 to 86400"},
		"key":         {"HOTP ann - " + hex + "0", 1, "key", "not hexadecimal"},
		"counter":     {"HOTP ann - " + hex + " -1", 1, "moving factor", "whole number"},
		"time":        {"HOTP/T30 ann - " + hex + " 0 123456 yesterday", 1, "time of the last code", "written as"},
	})
}

// TestGoogleAuthenticator reads what the program itself writes.
func TestGoogleAuthenticator(t *testing.T) {
	generate := func(options ...string) string {
		file := filepath.Join(t.TempDir(), "secret")
		args := append([]string{"--no-confirm", "--force", "--quiet", "--no-rate-limit", "--secret=" + file, "--emergency-codes=3"}, options...)
		mustRun(t, "libpam-google-authenticator", "google-authenticator", args...)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}

	text := generate("--time-based", "--disallow-reuse", "--step-size=60", "--window-size=17")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	text = strings.Replace(text, `" DISALLOW_REUSE`, `" DISALLOW_REUSE 29921818 29921820`, 1) // as the PAM module keeps used codes
	found := read(t, "google-authenticator", text, tokens.Options{User: "alice"})
	if len(found) != 1 {
		t.Fatalf("%d tokens in %s", len(found), text)
	}
	token := found[0]
	if d := token.Device; d.Type != "TOTP" || d.Period != 60 || d.Digits != 6 || d.Algorithm != "SHA1" || token.User != "alice" || token.Line != 1 {
		t.Errorf("%s", brief(token))
	}
	if !slices.Equal(token.Used, []uint64{29921818, 29921820}) {
		t.Errorf("used steps %v", token.Used)
	}
	var scratch []string
	for _, code := range token.Scratch {
		scratch = append(scratch, code.Reveal())
	}
	if !slices.Equal(scratch, lines[len(lines)-3:]) {
		t.Errorf("scratch codes %q", scratch)
	}
	if code := mustRun(t, "oathtool", "oathtool", "--base32", "--totp", "--time-step-size=60s", "--now=2026-11-22 00:00:00 UTC", lines[0]); code != mustRun(t, "oathtool", "oathtool", "--totp", "--time-step-size=60s", "--now=2026-11-22 00:00:00 UTC", hexOf(token.Device.Secret.Reveal())) {
		t.Errorf("oathtool makes another code of the key: %s", code)
	}

	text = strings.Replace(generate("--counter-based", "--minimal-window"), "HOTP_COUNTER 1", "HOTP_COUNTER 42", 1)
	found = read(t, "google-authenticator", text, tokens.Options{User: "alice"})
	if len(found) != 1 || found[0].Device.Type != "HOTP" || found[0].Device.Counter != 42 || found[0].Device.Period != 0 {
		t.Errorf("%v", found)
	}
}

func hexOf(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
	}
	return b.String()
}

func TestGoogleAuthenticatorThatIsWrong(t *testing.T) {
	refused(t, "google-authenticator", tokens.Options{User: "alice"}, map[string]problem{
		"key":         {base32 + "1\n\" TOTP_AUTH\n", 1, "secret", "not base32"},
		"both":        {base32 + "\n\" TOTP_AUTH\n\" HOTP_COUNTER 1\n", 1, "TOTP_AUTH", "not both"},
		"counter":     {base32 + "\n\" HOTP_COUNTER x\n", 2, "HOTP_COUNTER", "whole number"},
		"step":        {base32 + "\n\" STEP_SIZE 0\n", 1, "period", "5 to 86400"},
		"reuse":       {base32 + "\n\" DISALLOW_REUSE 1 x\n", 2, "DISALLOW_REUSE", "time steps"},
		"scratch":     {base32 + "\n\" TOTP_AUTH\n1234567\n", 3, "scratch code", "8 digits"},
		"not of it":   {base32 + "\nHello\n", 2, "scratch code", "8 digits"},
		"two scratch": {base32 + "\n" + base32 + "\n", 2, "scratch code", "8 digits"},
	})
}

func TestOTPAuth(t *testing.T) {
	compare(t, "otpauth", read(t, "otpauth", "# exported\n\n"+
		"otpauth://totp/Big%20Corp:alice?secret="+base32+"&issuer=Big%20Corp\n"+
		"  otpauth://hotp/bob?secret="+base32+"&counter=7&digits=8&algorithm=SHA256\n"+
		"otpauth://totp/?secret="+base32+"&period=60\n", tokens.Options{User: "carol"}),
		"TOTP "+raw+" SHA1 6/30/0 user=alice serial= issuer=Big Corp line=3",
		"HOTP "+raw+" SHA256 8/0/7 user=bob serial= issuer= line=4",
		"TOTP "+raw+" SHA1 6/60/0 user=carol serial= issuer= line=5",
	)
	refused(t, "otpauth", tokens.Options{}, map[string]problem{
		"text":   {"\nhello\n", 2, "", "otpauth://"},
		"digits": {"otpauth://totp/a?digits=9&secret=" + base32, 1, "digits", "6, 7 or 8"},
		"secret": {"otpauth://totp/a?secret=" + base32 + "!", 1, "secret", "not base32"},
	})
}

func TestYubicoCSV(t *testing.T) {
	key, private := strings.Repeat("0f", 16), "aabbccddeeff"
	found := read(t, "yubico-csv", "LOGGING START,22.11.26 00:58\n"+
		"Yubico OTP,22.11.26 00:58,1,vvccccdefghi,"+private+","+key+",,,0,0,0,0,0,0,0,0,0,0\n"+
		"Yubico OTP,11/22/26, 12:58 AM,1,vvccccdefghj,"+private+","+key+",,,0,0,0,0,0,0,0,0,0,0\n"+
		"OATH-HOTP,22.11.26 00:58,2,ubnu00000001,,"+hex+",,,0,0,0,8,32,0,0,0,0,0\n"+
		"OATH-HOTP,22.11.26 00:58,2,ubnu00000002,,"+hex+",,,1,0,0,6,0,0,0,0,0,0\n"+
		"# ykman otp yubiotp --config-output\n"+
		"5083270,vvccccdefghk,"+private+","+key+",,2026-11-22T00:58:49,\n"+
		"5083271,,16,"+hex+",,2026-11-22T00:58:49,\n", tokens.Options{})
	aes, id := strings.Repeat("\x0f", 16), "\xaa\xbb\xcc\xdd\xee\xff"
	compare(t, "yubico-csv", found,
		"UBK "+aes+"  0/0/0 vvccccdefghi/"+id+" user= serial= issuer= line=2",
		"UBK "+aes+"  0/0/0 vvccccdefghj/"+id+" user= serial= issuer= line=3",
		"HOTP "+raw+" SHA1 8/0/32 user= serial= issuer= line=4",
		"HOTP "+raw+" SHA1 6/0/0 user= serial= issuer= line=5",
		"UBK "+aes+"  0/0/0 vvccccdefghk/"+id+" user= serial=5083270 issuer= line=7",
		"HOTP "+raw+" SHA1 6/0/16 user= serial=5083271 issuer= line=8",
	)
	if n := found[2].Notes; len(n) != 0 {
		t.Errorf("notes %q", n)
	}
	if n := found[3].Notes; len(n) != 1 || !strings.Contains(n[0], "token identifier") {
		t.Errorf("notes %q", n)
	}
	refused(t, "yubico-csv", tokens.Options{}, map[string]problem{
		"static":        {"Static Password,22.11.26 00:58,1,,aabbccddeeff," + key + ",,,0,0,0,0,0,0,0,0,0,0\n", 1, "", "no one-time codes"},
		"static number": {"1,,," + key + ",,\n", 1, "private id", "static password"},
		"short":         {"Yubico OTP,22.11.26,1,vvccccdefghi\n", 1, "", "4 columns"},
		"short HOTP":    {"OATH-HOTP,22.11.26,1,,," + hex + "\n", 1, "", "12th"},
		"public id":     {"1,vv," + private + "," + key + ",,\n", 1, "public_id", "12"},
		"aes key":       {"1,vvccccdefghi," + private + "," + key[1:] + ",,\n", 1, "aes_key", "32 hexadecimal"},
		"hotp key":      {"1,,0," + hex[1:] + ",,\n", 1, "secret", "40 hexadecimal"},
		"counter":       {"1,,x," + hex + ",,\n", 1, "counter", "whole number"},
		"another table": {"serial,public id\n", 1, "", "first column"},
		"quotation":     {"1,\"vv\"x,\n", 1, "", "quotation mark"},
	})
}

func FuzzLines(f *testing.F) {
	for _, format := range []string{"oath-csv", "yubico-csv", "google-authenticator", "users.oath", "otpauth"} {
		f.Add(format, "otpauth://totp/a?secret="+base32+"\n")
		f.Add(format, "otpauth-migration://offline?data="+migrationOf(f, 2, 0, 2))
		f.Add(format, base32+"\n\" HOTP_COUNTER 1\n12345678\n")
		f.Add(format, "HOTP/T30/6 ann - "+hex+" 0 123456 2026-11-22T00:58:49L")
		f.Add(format, "Yubico OTP,22.11.26, 00:58,1,vvccccdefghi,aabbccddeeff,"+hex[:32]+",,,0,0,0,0,0,0,0,0,0,0")
		f.Add(format, "1,,0,"+hex+",,2026-11-22T00:58:49,")
		f.Add(format, "upn;serial number;secret key (hex);time interval\nalice;1;"+hex+";30")
		f.Add(format, "1,"+base32+",hotp,6")
	}
	f.Fuzz(func(t *testing.T, format, text string) {
		if slices.Contains(tokens.Formats(), format) && format != "pskc" {
			everything(t, format, text)
		}
	})
}
