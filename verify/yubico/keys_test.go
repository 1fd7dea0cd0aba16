package yubico

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseKeys(t *testing.T) {
	for name, text := range map[string]string{
		"ours": "# keys of the office\r\n\r\n" +
			"dteffujehknh, 8792ebfe26cc, ecde18dbe76fbd0c33330f1c354871db # alice\r\n" +
			"VVCCCCBHBLLR,010203040506,000102030405060708090A0B0C0D0E0F",
		"as ykksm-gen-keys and ykman write them": "# ykksm 1\n" +
			"# serialnr,identity,internaluid,aeskey,lockpw,created,accessed[,progflags]\n" +
			"4711,dteffujehknh,8792ebfe26cc,ecde18dbe76fbd0c33330f1c354871db,be70aeca62ba,2009-01-22T00:25:11,\n" +
			"4712,vvccccbhbllr,010203040506,000102030405060708090a0b0c0d0e0f,,2009-01-22T00:25:11,2009-02-13T00:05:40,0\n" +
			"# the end\n",
	} {
		keys, err := ParseKeys("keys", []byte(text))
		if err != nil || len(keys) != 2 {
			t.Fatalf("%s: %d keys, %v", name, len(keys), err)
		}
		for _, k := range []yubikey{alices, bobs} {
			c, ok := parseCode(k.code(t, 5, 6))
			if at, right := keys[k.id].open(c); !ok || !right || at != newPress(5, 6) {
				t.Errorf("%s: the key of %s does not open its code", name, k.id)
			}
		}
	}
	if keys, err := ParseKeys("keys", nil); len(keys) != 0 || err != nil {
		t.Errorf("an empty file: %v, %v", keys, err)
	}
}

func TestParseKeysSaysWhatIsWrong(t *testing.T) {
	const hidden = "ecde18dbe76fbd0c33330f1c354871"
	text := strings.Join([]string{
		"dteffujehknh, 8792ebfe26cc, " + hidden + "db",
		"DTEFFUJEHKNH, 8792ebfe26cc, " + hidden + "db",
		"dteffujehknh",
		"dteffujehkna, 8792ebfe26cc, " + hidden + "db",
		"4712,,8792ebfe26cc," + hidden + "db,,",
		"dteffujehkni, 8792ebfe26, " + hidden + "db",
		"dteffujehkni, 8792ebfe26cc, " + hidden,
		"dteffujehkni, 8792ebfe26cc, " + hidden + "dx",
	}, "\n")
	_, err := ParseKeys("yubikeys", []byte(text))
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"yubikeys:2: this public id stands on line 1 already: remove one",
		"yubikeys:3: 1 values: write",
		"yubikeys:4: the public id is not 12 letters of cbdefghijklnrtuv",
		"yubikeys:5: the public id is not 12 letters",
		"yubikeys:6: the private id is not 12 hexadecimal digits",
		"yubikeys:7: the AES key is not 32 hexadecimal digits",
		"yubikeys:8: the AES key is not 32 hexadecimal digits",
	}
	lines := strings.Split(err.Error(), "\n")
	for i := range max(len(lines), len(want)) {
		if i >= len(lines) || i >= len(want) || !strings.HasPrefix(lines[i], want[i]) {
			t.Fatalf("got\n%s\nwant\n%s", err, strings.Join(want, "\n"))
		}
	}
	if strings.Contains(err.Error(), hidden) {
		t.Errorf("a key is quoted: %v", err)
	}
	if _, err := ParseKeys("k", []byte(strings.Repeat("x\n", 1000))); strings.Count(err.Error(), "\n") >= maxMistakes {
		t.Error("each line of a file that is something else is named")
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte("dteffujehknh, 8792ebfe26cc, ecde18dbe76fbd0c33330f1c354871db # alice\r\n"))
	f.Add([]byte("4711,dteffujehknh,8792ebfe26cc,ecde18dbe76fbd0c33330f1c354871db,be70aeca62ba,2009-01-22T00:25:11,\n"))
	f.Add([]byte("#,,\n,,\n,,,,,,"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ParseKeys("keys", text)
		if err != nil && keys != nil {
			t.Fatal("keys of a bad file")
		}
		for id, k := range keys {
			if len(id) != idLength || len(k.AES.Reveal()) != aesSize || len(k.PrivateID.Reveal()) != privateSize {
				t.Fatalf("%q has a key of %d and %d octets", id, len(k.AES.Reveal()), len(k.PrivateID.Reveal()))
			}
		}
		if shown := fmt.Sprintf("%+v", keys); len(keys) > 0 && !strings.Contains(shown, "[redacted]") {
			t.Fatal(shown)
		}
	})
}
