package tokens_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"tandem/directory"
	"tandem/directory/tokens"
	"tandem/internal/secret"
)

// TestRFC6030: the examples of RFC 6030, with the keys that it names beside them.
func TestRFC6030(t *testing.T) {
	preShared := tokens.Options{Key: secret.New("\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12")}
	compare(t, "figure 2", read(t, "pskc", figure(t, "2"), tokens.Options{}),
		"HOTP 1234 SHA1 6/0/0 user= serial=12345678 issuer=Issuer-A line=6")
	compare(t, "figure 6", read(t, "pskc", figure(t, "6"), preShared),
		"HOTP "+raw+" SHA1 8/0/0 user= serial=987654321 issuer=Issuer line=28")
	compare(t, "figure 7", read(t, "pskc", figure(t, "7"), tokens.Options{Password: secret.New("qwerty")}),
		"HOTP "+raw+" SHA1 8/0/0 user= serial=987654321 issuer=Example-Issuer line=48")
	compare(t, "figure 10", read(t, "pskc", figure(t, "10"), tokens.Options{}),
		"HOTP "+raw+" SHA1 8/0/0 user= serial=654321 issuer=Issuer line=9",
		"HOTP "+raw+" SHA1 8/0/0 user= serial=123456 issuer=Issuer line=36",
		"HOTP "+raw+" SHA1 8/0/0 user= serial=9999999 issuer=Issuer line=63",
		"HOTP "+raw+" SHA1 8/0/0 user= serial=9999999 issuer=Issuer line=90")

	found, problems := tokens.Read("pskc", strings.NewReader(figure(t, "5")), tokens.Options{File: "file"})
	compare(t, "figure 5", found, "HOTP "+raw+" SHA1 8/0/0 user= serial=987654321 issuer=Issuer line=13")
	if len(problems) != 1 || problems[0].Line != 44 || !strings.Contains(problems[0].Why, "PIN") {
		t.Errorf("figure 5: %v", problems)
	}
	if notes := found[0].Notes; len(notes) != 1 || !strings.Contains(notes[0], "Policy") {
		t.Errorf("figure 5: %q", notes)
	}
}

func figure(t testing.TB, number string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "rfc6030", "figure"+number+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// everyKind are tokens with everything that a file can say of them.
func everyKind() []tokens.Token {
	device := func(kind, algorithm string, digits, period int, counter uint64) directory.Device {
		return directory.Device{Type: kind, Secret: secret.New(raw), Algorithm: algorithm, Digits: digits, Period: period, Counter: counter}
	}
	return []tokens.Token{
		{User: "alice", Serial: "TK-1", Issuer: "Feitian & Söhne <Ltd>", Device: device("TOTP", "SHA1", 6, 30, 0)},
		{User: `o'neil, "bob"+x=y `, Serial: "TK-2", Issuer: "Corp", Device: device("HOTP", "SHA1", 8, 0, 1<<40)},
		{User: "carol", Serial: "3", Device: device("TOTP", "SHA256", 8, 60, 0)},
		{Serial: "TK-4", Issuer: "Corp", Device: device("HOTP", "SHA512", 7, 0, 0)},
	}
}

// TestRoundTrip: what is written is read as what it was, is valid by the schema of Debian's pskctool, and, where that can
// read it, says the same to pskctool.
func TestRoundTrip(t *testing.T) {
	for name, c := range map[string]tokens.PSKCOptions{
		"plain":    {},
		"AES-128":  {Key: secret.New(rawLong[:16])},
		"AES-192":  {Key: secret.New(rawLong[:24])},
		"AES-256":  {Key: secret.New(rawLong)},
		"password": {Password: secret.New("correct horse")},
	} {
		c.Random = rand.Reader
		var file bytes.Buffer
		if err := tokens.WritePSKC(&file, everyKind(), c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := file.String()
		if name != "plain" && strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(raw))) {
			t.Errorf("%s: the key is in %s", name, text)
		}
		back := read(t, "pskc", text, tokens.Options{Key: c.Key, Password: c.Password})
		for i := range back {
			back[i].Line = 0
		}
		if !reflect.DeepEqual(back, everyKind()) {
			t.Errorf("%s: %+v", name, back)
		}

		path := filepath.Join(t.TempDir(), "tokens.xml")
		if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := run(t, "pskctool", "pskctool", "--validate", path); err != nil {
			t.Errorf("%s: pskctool --validate: %v: %s\n%s", name, err, out, text)
		}
		if name != "plain" {
			continue // pskctool decrypts nothing
		}
		told := mustRun(t, "pskctool", "pskctool", "--info", "--strict", path)
		for _, want := range []string{
			"SerialNo: TK-1", "Issuer: Feitian & Söhne <Ltd>", "Key User Id: UID=alice",
			"Key Secret (base64): " + base64.StdEncoding.EncodeToString([]byte(raw)),
			"Algorithm: urn:ietf:params:xml:ns:keyprov:pskc:totp", "Algorithm: urn:ietf:params:xml:ns:keyprov:pskc:hotp",
			"Key Counter: 1099511627776", "Key TimeInterval: 60", "Response Format Length: 8", "Suite: HMAC-SHA256",
		} {
			if !strings.Contains(told, want) {
				t.Errorf("pskctool does not say %q:\n%s", want, told)
			}
		}
	}
}

// TestSignedByPskctool: a file that pskctool signed is refused, and by its reason.
func TestSignedByPskctool(t *testing.T) {
	folder := t.TempDir()
	key, certificate, plain := filepath.Join(folder, "key.pem"), filepath.Join(folder, "crt.pem"), filepath.Join(folder, "plain.xml")
	mustRun(t, "openssl", "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=vendor", "-keyout", key, "-out", certificate)
	if err := os.WriteFile(plain, []byte(figure(t, "2")), 0o600); err != nil {
		t.Fatal(err)
	}
	signed := mustRun(t, "pskctool", "pskctool", "--sign", "--quiet", "--sign-key="+key, "--sign-crt="+certificate, plain)
	_, problems := tokens.Read("pskc", strings.NewReader(signed), tokens.Options{File: "file"})
	if len(problems) != 1 || problems[0].Field != "Signature" || !strings.Contains(problems[0].Why, "pskctool --verify") {
		t.Errorf("%v\n%s", problems, signed)
	}
}

// edit changes one place of an example.
func edit(t *testing.T, text, from, to string) string {
	t.Helper()
	if strings.Count(text, from) != 1 {
		t.Fatalf("%q is not once in the example", from)
	}
	return strings.Replace(text, from, to, 1)
}

func TestPSKCThatIsWrong(t *testing.T) {
	two, six, seven := figure(t, "2"), figure(t, "6"), figure(t, "7")
	key := tokens.Options{Key: secret.New("\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12")}
	password := tokens.Options{Password: secret.New("qwerty")}

	refused(t, "pskc", tokens.Options{}, map[string]problem{
		"no XML":         {"serial,seed", 1, "", "not XML"},
		"cut off":        {two[:300], 8, "", "breaks off"},
		"another XML":    {"<a/>", 1, "", "no PSKC file"},
		"another space":  {edit(t, two, "keyprov:pskc\">\n    <KeyP", "keyprov:other\">\n    <KeyP"), 2, "", "no PSKC file"},
		"version":        {edit(t, two, `Version="1.0"`, `Version="2.0"`) /* in line 1 too, but otherwise */, 2, "Version", "1.0"},
		"two versions":   {edit(t, two, `Id="exampleID1"`, `Version="1.0"`), 2, "Version", "twice"},
		"two documents":  {two + two[strings.Index(two, "<KeyContainer"):], 18, "", "second document"},
		"doctype":        {"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>\n" + two[39:], 1, "", "document type"},
		"entity":         {edit(t, two, "Issuer-A", "&b;"), 8, "", "not XML"},
		"nested":         {edit(t, two, "Issuer-A", strings.Repeat("<a>", 30)+strings.Repeat("</a>", 30)), 8, "", "24 deep"},
		"no key package": {"<KeyContainer Version=\"1.0\" xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\"><KeyPackage/></KeyContainer>", 1, "Key", "none"},
		"profile":        {edit(t, two, "pskc:hotp", "pskc:ocra"), 6, "Algorithm", "neither"},
		"no data":        {edit(t, edit(t, two, "<Data>", "<Dato>"), "</Data>", "</Dato>"), 6, "Data", "not in the file"},
		"no secret":      {edit(t, edit(t, two, "<Secret>", "<Secrets>"), "</Secret>", "</Secrets>"), 9, "Secret", "not in the file"},
		"not base64":     {edit(t, two, "MTIzNA==", "MTIzNA"), 10, "Secret", "not base64"},
		"empty":          {edit(t, two, "MTIzNA==", ""), 10, "Secret", "empty"},
		"two secrets":    {edit(t, two, "</Secret>", "</Secret><Secret/>"), 13, "Secret", "twice"},
		"counter":        {edit(t, two, "</Secret>", "</Secret><Counter><PlainValue>-1</PlainValue></Counter>"), 13, "Counter", "whole number"},
		"digits":         {edit(t, two, "<Data>", `<AlgorithmParameters><ResponseFormat Length="4" Encoding="DECIMAL"/></AlgorithmParameters><Data>`), 6, "digits", "6, 7 or 8"},
		"hexadecimal":    {edit(t, two, "<Data>", `<AlgorithmParameters><ResponseFormat Length="8" Encoding="HEXADECIMAL"/></AlgorithmParameters><Data>`), 9, "ResponseFormat", "decimal"},
		"check digit":    {edit(t, two, "<Data>", `<AlgorithmParameters><ResponseFormat Length="8" Encoding="DECIMAL" CheckDigits="true"/></AlgorithmParameters><Data>`), 9, "ResponseFormat", "check digit"},
		"suite":          {edit(t, two, "<Data>", `<AlgorithmParameters><Suite>HMAC-MD5</Suite></AlgorithmParameters><Data>`), 6, "algorithm", "one of"},
		"user":           {edit(t, two, "</Data>", "</Data><UserId>OU=people,</UserId>"), 6, "UserId", "distinguished name"},
		"another user":   {edit(t, two, "</Data>", "</Data><UserId>OU=people</UserId>"), 6, "UserId", "neither UID nor CN"},
		"certificate":    {edit(t, two, ">\n    <KeyP", "><EncryptionKey><X509Data/></EncryptionKey>\n    <KeyP"), 4, "EncryptionKey", "certificate"},
		"no shared key":  {six, 6, "EncryptionKey", "shared key: it is needed"},
		"no password":    {seven, 9, "EncryptionKey", "password: it is needed"},
		"encrypted, of no key": {
			edit(t, edit(t, two, "<PlainValue>", "<EncryptedValue>"), "</PlainValue>", "</EncryptedValue>"), 10, "Secret", "no EncryptionKey",
		},
	})
	refused(t, "pskc", key, map[string]problem{
		"MAC wrong":       {edit(t, six, "Su+NvtQf", "Tu+NvtQf"), 35, "ValueMAC", "was changed"},
		"changed":         {edit(t, six, "AAECAwQF", "BAECAwQF"), 35, "ValueMAC", "was changed"},
		"MAC not base64":  {edit(t, six, "Su+NvtQf", "?u+NvtQf"), 35, "ValueMAC", "base64"},
		"no MAC":          {edit(t, edit(t, six, "<ValueMAC>Su+NvtQfmvfJzF6bmQiJqoLRExc=", "<X>"), "</ValueMAC>", "</X>"), 35, "ValueMAC", "there is none"},
		"MAC algorithm":   {edit(t, six, "#hmac-sha1", "#hmac-md5"), 35, "ValueMAC", "not supported"},
		"cipher":          {edit(t, six, "<xenc:EncryptionMethod\n            Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes128-cbc", "<xenc:EncryptionMethod\n            Algorithm=\"http://www.w3.org/2001/04/xmlenc#tripledes-cbc"), 10, "MACKey", "not supported"},
		"another key":     {edit(t, six, "ESIzRFVmd4iZABEiM0RVZgKn6WjLaTC1sbeBMSvIhRejN9vJa2BOlSaMrR7I5wSX", "ESIzRFVmd4iZABEiM0RVZg=="), 10, "MACKey", "wrong"},
		"nothing in it":   {edit(t, six, "AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv", ""), 36, "Secret", "not there"},
		"length of a key": {edit(t, six, "<xenc:EncryptionMethod\n            Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes128", "<xenc:EncryptionMethod\n            Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes256"), 10, "MACKey", "256"},
	})
	refused(t, "pskc", password, map[string]problem{
		"rounds":     {edit(t, seven, ">1000<", ">10000001<"), 13, "PBKDF2-params", "10000000"},
		"no rounds":  {edit(t, seven, ">1000<", "><"), 13, "IterationCount", "whole number"},
		"length":     {edit(t, seven, ">16<", ">100000000<"), 13, "PBKDF2-params", "16 to 64"},
		"salt":       {edit(t, seven, "Ej7/PEpyEpw=", "!"), 13, "Salt", "base64"},
		"no salt":    {edit(t, seven, "Ej7/PEpyEpw=", ""), 13, "PBKDF2-params", "salt"},
		"PRF":        {edit(t, seven, "<PRF/>", `<PRF Algorithm="#hmac-md5"/>`), 13, "PBKDF2-params", "not supported"},
		"derivation": {edit(t, seven, "#pbkdf2", "#argon2"), 9, "KeyDerivationMethod", "not PBKDF2"},
	})
	_, problems := tokens.Read("pskc", strings.NewReader(six), tokens.Options{File: "file", Key: secret.New(raw[:16])})
	if len(problems) != 1 || !strings.Contains(problems[0].Why, "wrong") && problems[0].Field != "ValueMAC" {
		t.Errorf("with another key: %v", problems)
	}
	_, problems = tokens.Read("pskc", strings.NewReader(seven), tokens.Options{File: "file", Password: secret.New("qwertz")})
	if len(problems) != 1 {
		t.Errorf("with another password: %v", problems)
	}
}

func TestUserIDs(t *testing.T) {
	for written, want := range map[string]string{
		"UID=jsmith,DC=example-bank,DC=net": "jsmith",
		"CN=J. Smith+uid=jsmith,O=x":        "jsmith",
		"cn=J. Smith,O=x":                   "J. Smith",
		"jsmith":                            "jsmith",
	} {
		found := read(t, "pskc", edit(t, figure(t, "2"), "</Data>", "</Data><UserId>"+written+"</UserId>"), tokens.Options{})
		if len(found) != 1 || found[0].User != want {
			t.Errorf("%s: %v", written, found)
		}
	}
}

func TestWhatIsNotWritten(t *testing.T) {
	good := everyKind()[0]
	yubikey := tokens.Token{Serial: "9", Device: directory.Device{Type: directory.TypeYubikey, Secret: secret.New(raw[:16])}}
	unset := good
	unset.Device.Digits = 0
	keyless := good
	keyless.Device.Secret = secret.String{}
	for name, c := range map[string]struct {
		tokens []tokens.Token
		o      tokens.PSKCOptions
		want   string
	}{
		"a Yubikey":     {[]tokens.Token{good, yubikey}, tokens.PSKCOptions{}, `token 9 is of the type "UBK"`},
		"digits":        {[]tokens.Token{unset}, tokens.PSKCOptions{}, "defaults must be filled in"},
		"no key":        {[]tokens.Token{keyless}, tokens.PSKCOptions{}, "has no key"},
		"two keys":      {[]tokens.Token{good}, tokens.PSKCOptions{Key: secret.New(rawLong), Password: secret.New("x")}, "one of them"},
		"short key":     {[]tokens.Token{good}, tokens.PSKCOptions{Key: secret.New("x"), Random: rand.Reader}, "16, 24 or 32"},
		"no randomness": {[]tokens.Token{good}, tokens.PSKCOptions{Key: secret.New(rawLong), Random: iotest.ErrReader(os.ErrDeadlineExceeded)}, "random"},
	} {
		var out bytes.Buffer
		if err := tokens.WritePSKC(&out, c.tokens, c.o); err == nil || !strings.Contains(err.Error(), c.want) || out.Len() > 0 {
			t.Errorf("%s: %v, and %q", name, err, out.String())
		}
	}
	var out bytes.Buffer
	if err := tokens.WriteOTPAuth(&out, []tokens.Token{good, yubikey}); err == nil || out.Len() > 0 {
		t.Errorf("otpauth: %v, and %q", err, out.String())
	}
}

func TestWriteOTPAuth(t *testing.T) {
	var out bytes.Buffer
	if err := tokens.WriteOTPAuth(&out, everyKind()[2:]); err != nil {
		t.Fatal(err)
	}
	want := "otpauth://totp/carol?secret=" + base32 + "&algorithm=SHA256&digits=8&period=60\n" +
		"otpauth://hotp/Corp:?secret=" + base32 + "&issuer=Corp&algorithm=SHA512&digits=7&counter=0\n"
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
	if back := read(t, "otpauth", out.String(), tokens.Options{}); !slices.EqualFunc(back, everyKind()[2:], func(a, b tokens.Token) bool { return reflect.DeepEqual(a.Device, b.Device) }) {
		t.Errorf("%v", back)
	}
}

// FuzzPSKC: whatever is read can be written and read again.
func FuzzPSKC(f *testing.F) {
	for _, number := range []string{"2", "5", "6", "7", "10"} {
		f.Add(strings.Replace(figure(f, number), "xml version", "xml version", 1))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "IterationCount") && !strings.Contains(text, ">1000<") {
			return // rounds are bounded, but the fuzzer has no time for them
		}
		found := everything(t, "pskc", text)
		var file bytes.Buffer
		if err := tokens.WritePSKC(&file, found, tokens.PSKCOptions{}); err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			return
		}
		back, problems := tokens.Read("pskc", &file, tokens.Options{})
		if len(problems) > 0 || len(back) != len(found) {
			t.Fatalf("%v", problems)
		}
		for i := range back {
			if !reflect.DeepEqual(back[i].Device, found[i].Device) {
				t.Fatalf("%+v and %+v", found[i], back[i])
			}
		}
	})
}
