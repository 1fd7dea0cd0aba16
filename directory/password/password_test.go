package password

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"tandem/internal/secret"
)

// recorded are hashes that other programs made, each with what they made it of.
var recorded = []struct{ tool, password, hash string }{
	{"argon2 -id -t 2 -m 14 -p 1", "correct horse", "$argon2id$v=19$m=16384,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$P/PNQRkp0AbOJe9UxLEHV4B9BvaxKNfPoWogh+CQArg"},
	{"argon2 -id -t 3 -k 1001 -p 2 -l 24", "correct horse", "$argon2id$v=19$m=1001,t=3,p=2$c29tZXNhbHRsb25nZXI$Ght6nIU8tohE3R5lLYl5DgQdOED1DrUe"},
	{"openssl passwd -6", "correct horse", "$6$Wh65v7F8/f1O1kUD$Opl6nvZHQ2qmLvq78DbCcDnnJcb4m80u6TCjyP2D0lwHdGEuCABPlagSMSQa28rO4qmq7zNYRSInLEK0e5JVf1"},
	{"openssl passwd -6 -salt ab", "pässwörd ünïcode", "$6$ab$MdFzWqCIy4aB8Q9JyA9Dg.dQ3sn6W.o5R250uD8WMzLPTK8cwydD0UARAzirhQUPzukODYNR6DTMMO93HE/De/"},
	{"mkpasswd -m sha512crypt -R 10000", "correct horse", "$6$rounds=10000$JdmaaSckvnW4Auzy$HLdEmAokBJuy6eduBsEMP44thAxKoyyW7yKsbukfRT55yu3LhRFMBOWtu5a1UmeSbqFSBQd5YYooCkyMWieNp/"},
	{"mkpasswd -m yescrypt", "correct horse", "$y$j9T$smweWGOitk5GxVDQ/MmfA1$oh/.tXKxgGTJhyVtAp3YNYjZjqXaAFyCv8iDMeW9dM/"},
	{"mkpasswd -m yescrypt -R 1", "correct horse", "$y$j75$KBz2HiPKdS58HxasG22t7.$K4RGrPbRGoYLWrRbCG5cQCQnEMr/9kgSRIuHW4/ews5"},
	{"mkpasswd -m bcrypt -R 5", "correct horse", "$2b$05$ZgxXj.6PH.xveOlhWMgi8uL/mQ9ojX1TueySXoalGNj9eB6PVw2l2"},
	{"mkpasswd -m bcrypt-a -R 5", "correct horse", "$2a$05$/H6CxIRx7OTSCNyryoLYm.OOHv5L1Se0ZhHvP0IXUhvg0l3niSaka"},
	{"htpasswd -B", "correct horse", "$2y$05$POtWMAaJAT4VRc.vHGsL2./d/8AINd7W30XL4cpVe6F7ckBQURx.i"},
	{"htpasswd -B -C 10", "pässwörd", "$2y$10$ABUkEoJFGbyPl5.x0c4gZugdHaFD5o2cPPpXa4rkMKlR5R2WM3ORO"},
}

func TestVerifyHashesOfOtherPrograms(t *testing.T) {
	for _, r := range recorded {
		if err := Verify(t.Context(), secret.New(r.hash), r.password); err != nil {
			t.Errorf("%s: %v", r.tool, err)
		}
		for _, wrong := range []string{r.password + " ", r.password + "\x00"} {
			if err := Verify(t.Context(), secret.New(r.hash), wrong); !errors.Is(err, ErrMismatch) {
				t.Errorf("%s: %q: %v", r.tool, wrong, err)
			}
		}
	}
}

// TestOtherProgramsAgree lets Debian's programs compute our hashes again, and checks theirs of today.
func TestOtherProgramsAgree(t *testing.T) {
	const password = "tr0ub4dor&3 ñ"
	run := func(debianPackage string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(password)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v (it is in Debian's package %s)", args[0], err, debianPackage)
		}
		return strings.TrimSpace(string(out))
	}
	for _, theirs := range []string{
		run("openssl", "openssl", "passwd", "-6", "-stdin"),
		run("whois", "mkpasswd", "-s", "-m", "yescrypt"),
		run("whois", "mkpasswd", "-s", "-m", "bcrypt", "-R", "6"),
		run("whois", "mkpasswd", "-s", "-m", "sha512crypt"),
	} {
		if err := Verify(t.Context(), secret.New(theirs), password); err != nil {
			t.Errorf("%s: %v", theirs, err)
		}
	}

	const salt = "0123456789abcdef"
	for name, prefix := range map[string]string{Argon2id: "$argon2id$v=19$m=19456,t=2,p=1$", Bcrypt: "$2b$12$", SHA512Crypt: "$6$rounds=500000$", Yescrypt: "$y$j9T$"} {
		ours, err := Hash(password, name, strings.NewReader(salt))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(ours, prefix) {
			t.Errorf("%s: %s", name, ours)
		}
		var again string
		if name == Argon2id {
			again = run("argon2", "argon2", salt, "-id", "-t", "2", "-k", "19456", "-p", "1", "-e")
		} else {
			// Given a whole hash as its salt, crypt(3) computes the hash again.
			again = run("perl-base", "perl", "-e", "print crypt(<STDIN>, $ARGV[0])", ours)
		}
		if again != ours {
			t.Errorf("%s: another program makes %s of it", ours, again)
		}
	}
}

func TestHash(t *testing.T) {
	one, err := Hash("correct horse", Default, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(t.Context(), secret.New(one), "correct horse"); err != nil {
		t.Error(err)
	}
	if other, err := Hash("correct horse", Default, rand.Reader); err != nil || other == one {
		t.Errorf("the same salt twice: %s, %v", other, err)
	}
	for name, c := range map[string]struct{ password, algorithm, err string }{
		"empty":       {"", Argon2id, "empty"},
		"NUL":         {"a\x00b", Argon2id, "NUL"},
		"unknown":     {"a", "md5", "argon2id, bcrypt, sha512-crypt, yescrypt"},
		"long bcrypt": {strings.Repeat("x", 73), Bcrypt, "first 72 octets"},
	} {
		if hash, err := Hash(c.password, c.algorithm, rand.Reader); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", name, hash, err)
		}
	}
	if _, err := Hash("x", Argon2id, bytes.NewReader(nil)); err == nil {
		t.Error("hashed without a salt")
	}
}

func TestVerifyBcryptReadsNoMoreThanItHashes(t *testing.T) {
	long := strings.Repeat("x", 72)
	const hash = "$2y$04$EiOI83c9W/z9V.XT4KPOvORcN11NGCazDGeGwutXevAzRRWucorFG" // htpasswd -B -C 4
	if err := Verify(t.Context(), secret.New(hash), long); err != nil {
		t.Error(err)
	}
	if err := Verify(t.Context(), secret.New(hash), long+"y"); !errors.Is(err, ErrMismatch) {
		t.Errorf("a longer password: %v", err)
	}
}

func TestCheckRefusesByName(t *testing.T) {
	for _, c := range []struct{ hash, err string }{
		{"", "empty"},
		{"hunter2", "never written down in plain text"},
		{"$1$.f0oHdeQ$b06r4Xrfb.NvLjo/ASeqN0", "md5crypt"},
		{"$apr1$IxihaPw/$3bKxY04.0Xitihlh//ziJ1", "Apache's md5crypt"},
		{"$5$bmLvTy189bD7d.qK$m5mIkI0gBz4PvbuNGXIB4fhPEE1KfHcYO2fzPry4OM8", "sha256-crypt"},
		{"$7$CU..../....v3Qf0Wnsv9fxOQRiLDbIR1$wCSfmLVS7XiYem.M6qR7I6BSh/oaNShYSWwE4vNz7Q6", "scrypt"},
		{"$gy$j9T$JEYJFC9NgjMhRbSM2sSMR.$knsVS0T.RL6wEDzEkjgncsz0zdT3CpjDUHORQ.fLOj/", "gost-yescrypt"},
		{"$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ$WWXh2vKqCABuhyBgQhmNePuiutqcDyP1AqTJ/EUK1ew", "argon2i"},
		{"$2x$05$ZgxXj.6PH.xveOlhWMgi8uL/mQ9ojX1TueySXoalGNj9eB6PVw2l2", "faulty"},
		{"{SSHA}lcsL/Sl3x2EpjZYk5LTUxyo5l0o=", "{SSHA}"},
		{"{CRYPT}$6$ab$cd", "write what follows it"},
		{"!", "locked account"},
		{"$9$x", "unknown kind"},
		// Damaged, and what the decoders below would take all the same.
		{"$argon2id$v=19$m=16384,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$P/PN", "copied whole"},
		{"$argon2id$v=16$m=16384,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$P/PNQRkp0AbOJe9UxLEHV4B9BvaxKNfPoWogh+CQArg", "copied whole"},
		{"$argon2id$v=19$m=16384,t=2,p=1,m=8$c2FsdHNhbHRzYWx0c2FsdA$P/PNQRkp0AbOJe9UxLEHV4B9BvaxKNfPoWogh+CQArg", "copied whole"},
		{"$6$rounds=1000,rounds=5000000$ab$MdFzWqCIy4aB8Q9JyA9Dg", "copied whole"},
		{"$y$j9T$a$oh/.tXKxgGTJhyVtAp3YNYjZjqXaAFyCv8iDMeW9dM/", "copied whole"},
		{"$y$j9T5.$smweWGOitk5GxVDQ/MmfA1$oh/.tXKxgGTJhyVtAp3YNYjZjqXaAFyCv8iDMeW9dM/", "copied whole"},
		{"$2b$05$short", "copied whole"},
		{"$6$" + strings.Repeat("x", longestHash), "octets"},
	} {
		err := Check(secret.New(c.hash))
		if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%s: %v; want %q and the remedy", c.hash, err, c.err)
			continue
		}
		if len(c.hash) > 6 && strings.Contains(err.Error(), c.hash[len(c.hash)-6:]) {
			t.Errorf("the hash is quoted: %v", err)
		}
		if err := Verify(t.Context(), secret.New(c.hash), "hunter2"); err == nil || errors.Is(err, ErrMismatch) {
			t.Errorf("Verify with %s: %v", c.hash, err)
		}
	}
}

func TestCheckRefusesAbsurdCost(t *testing.T) {
	argon2id := func(parameters string) string {
		return "$argon2id$v=19$" + parameters + "$c2FsdHNhbHRzYWx0c2FsdA$P/PNQRkp0AbOJe9UxLEHV4B9BvaxKNfPoWogh+CQArg"
	}
	const bcryptTail = "ZgxXj.6PH.xveOlhWMgi8uL/mQ9ojX1TueySXoalGNj9eB6PVw2l2"
	const sha512Tail = "$JdmaaSckvnW4Auzy$HLdEmAokBJuy6eduBsEMP44thAxKoyyW7yKsbukfRT55yu3LhRFMBOWtu5a1UmeSbqFSBQd5YYooCkyMWieNp/"
	const yescryptTail = "$smweWGOitk5GxVDQ/MmfA1$oh/.tXKxgGTJhyVtAp3YNYjZjqXaAFyCv8iDMeW9dM/"
	for hash, want := range map[string]string{
		argon2id("m=1048576,t=1,p=1"):    "",
		argon2id("m=1048577,t=1,p=1"):    "1048577 KiB of memory",
		argon2id("m=1048576,t=5,p=1"):    "passes 5 times",
		argon2id("m=1000,t=999999,p=1"):  "passes 999999 times",
		argon2id("m=16384,t=2,p=65"):     "65 lanes",
		argon2id("m=16384,t=0,p=1"):      "forbids",
		argon2id("m=16384,t=1,p=0"):      "forbids",
		argon2id("m=15,t=1,p=2"):         "forbids",
		"$2b$16$" + bcryptTail:           "",
		"$2b$17$" + bcryptTail:           "cost 17",
		"$2b$03$" + bcryptTail:           "cost 3",
		"$6$rounds=5000000" + sha512Tail: "",
		"$6$rounds=5000001" + sha512Tail: "5000001 rounds",
		"$6$rounds=999" + sha512Tail:     "999 rounds",
		"$y$jFT" + yescryptTail:          "",
		"$y$jGT" + yescryptTail:          "2^19",
		"$y$j6T" + yescryptTail:          "2^9",
		"$y$j9U" + yescryptTail:          "r = 33",
	} {
		err := Check(secret.New(hash))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", hash, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v; want %q", hash, err, want)
		}
	}
}

func TestVerifyWaitsForItsTurn(t *testing.T) {
	for range cap(slots) {
		slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Verify(ctx, secret.New(recorded[0].hash), recorded[0].password)
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrMismatch) {
		t.Errorf("with all slots taken: %v", err)
	}

	result := make(chan error)
	go func() { result <- Verify(t.Context(), secret.New(recorded[0].hash), recorded[0].password) }()
	<-slots // one is done, and its slot is the waiting one's
	if err := <-result; err != nil {
		t.Error(err)
	}
	for range cap(slots) - 1 {
		<-slots
	}
	if len(slots) != 0 {
		t.Errorf("%d slots were not given back", len(slots))
	}
}

func FuzzCheck(f *testing.F) {
	for _, r := range recorded {
		f.Add(r.hash)
	}
	f.Add("{SSHA}x")
	f.Add("$1$x")
	f.Fuzz(func(t *testing.T, hash string) {
		err := Check(secret.New(hash))
		if err != nil && !strings.Contains(err.Error(), remedy) {
			t.Fatalf("%q: %v", hash, err)
		}
	})
}
