package tokens_test

import (
	"testing"

	"tandem/directory"
	"tandem/directory/tokens"
)

// TestOATHCSV: tables as vendors ship them.
func TestOATHCSV(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		o    tokens.Options
		want []string
	}{
		"for Microsoft's cloud": {
			text: "\ufeffupn,serial number,secret key,time interval,manufacturer,model\r\n" +
				"alice@example.org,60234567," + base32 + ",30,Token2,c202\r\n" +
				"\"bob@example.org\",60234568," + base32 + ",60,\"Feitian Technologies Co., Ltd\",OTP c200\r\n",
			want: []string{
				"TOTP " + raw + " SHA1 6/30/0 user=alice@example.org serial=60234567 issuer= line=2",
				"TOTP " + raw + " SHA1 6/60/0 user=bob@example.org serial=60234568 issuer= line=3",
			},
		},
		"hexadecimal, without users": {
			text: "# seeds\n\nSerial Number;Seed;Time Step;OTP Length;Hash\n10001;" + hex + ";60;8;HMAC-SHA256\n10002;" + hex + ";;;\n",
			want: []string{
				"TOTP " + raw + " SHA256 8/60/0 user= serial=10001 issuer= line=4",
				"TOTP " + raw + " SHA1 6/30/0 user= serial=10002 issuer= line=5",
			},
		},
		"tabs, types, the encoding in the name": {
			text: "Token Type\tToken Serial\tSecret (Base32)\tCounter\tDigits\n" +
				"eToken HOTP\tA-1\t" + base32 + "\t17\t6\nOATH-TOTP\tA-2\t" + base32 + "\t\t8\n",
			want: []string{
				"HOTP " + raw + " SHA1 6/0/17 user= serial=A-1 issuer= line=2",
				"TOTP " + raw + " SHA1 8/30/0 user= serial=A-2 issuer= line=3",
			},
		},
		"counters only": {
			text: "serial,secret hex,moving factor\n1," + hex + ",5\n",
			want: []string{"HOTP " + raw + " SHA1 6/0/5 user= serial=1 issuer= line=2"},
		},
		"without names": {
			text: "SE1, " + hex + ", totp, 6, 60\nSE2," + hex + ",hotp,8\nSE3," + hex + "\n",
			o:    tokens.Options{Type: directory.TypeHOTP},
			want: []string{
				"TOTP " + raw + " SHA1 6/60/0 user= serial=SE1 issuer= line=1",
				"HOTP " + raw + " SHA1 8/0/0 user= serial=SE2 issuer= line=2",
				"HOTP " + raw + " SHA1 6/0/0 user= serial=SE3 issuer= line=3",
			},
		},
		"padded base32 of some, and hexadecimal letters that happen to be base32": {
			text: "user,type,key\na,totp,GEZDGNBVGY3TQOJQGEZDGNBVGY======\nb,totp,ABCDEF23ABCDEF23\n",
			want: []string{
				"TOTP " + raw[:16] + " SHA1 6/30/0 user=a serial= issuer= line=2",
				"TOTP \x00\x44\x32\x17\x5b\x00\x44\x32\x17\x5b SHA1 6/30/0 user=b serial= issuer= line=3",
			},
		},
	} {
		compare(t, name, read(t, "oath-csv", c.text, c.o), c.want...)
	}
}

func TestOATHCSVThatIsWrong(t *testing.T) {
	const names = "upn,serial number,secret key,time interval,digits,algorithm\n"
	refused(t, "oath-csv", tokens.Options{}, map[string]problem{
		"no type":           {"1," + hex + "\n", 1, "type", "TOTP or HOTP"},
		"no type, names":    {"serial,seed\n1," + hex + "\n", 2, "type", "TOTP or HOTP"},
		"another type":      {"1," + hex + ",ocra\n", 1, "type", "neither"},
		"no key":            {names + "a,1,,30,6,\n", 2, "secret", "empty"},
		"half a key":        {names + "a,1," + hex[1:] + ",30,6,\n", 2, "secret", "hexadecimal"},
		"base32 mistyped":   {"secret base32,type\n" + base32 + "1,totp\n", 2, "secret", "not base32"},
		"period":            {names + "a,1," + hex + ",half a minute,6,\n", 2, "period", "whole number"},
		"period too short":  {names + "a,1," + hex + ",1,6,\n", 2, "period", "5 to 86400"},
		"digits":            {names + "a,1," + hex + ",30,10,\n", 2, "digits", "6, 7 or 8"},
		"algorithm":         {names + "a,1," + hex + ",30,6,MD5\n", 2, "algorithm", "one of"},
		"counter":           {"type,key,counter\nhotp," + hex + ",-1\n", 2, "counter", "whole number"},
		"two names for one": {"seed,secret key\n" + hex + "," + hex + "\n", 1, "secret", "two columns"},
		"no key at all":     {"upn,serial number,model\na,1,c200\n", 1, "secret", "no column"},
		"both encodings":    {"type,key\ntotp," + hex + "\ntotp," + base32 + "\n", 0, "secret", "line 2 looks hexadecimal and line 3"},
		"quotation mark":    {names + "a,\"1," + hex + "\n", 2, "", "quotation mark"},
	})
}
