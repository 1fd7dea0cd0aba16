package file

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
)

const (
	// cheapHash is sha512-crypt of "correct horse" with the fewest rounds; emptyHash is that of "".
	cheapHash = "$6$rounds=1000$salt$Op5Pr8IefYjtJFNiLT8d.Xb85v8VtEyyKosvqEUXP9/.f4IC5kMbKoUZwss1ymncWvUZB6QVTmIH88IN1Uc5C."
	emptyHash = "$6$rounds=1000$salt$8.6rbmbp5x0d6GHKoit3wSooHPfMEY9cwCpDMr6.bC46HXi1Eqr7xqKZ9RPwaFW/eCyoUBBNRq1xG/f612CuH0"
	aSecret   = "gezdgnbvgy3tqojqgezdgnbvgy3tqojq"
)

const alice = `
[[users]]
name = "Alice"
id = "u-1"
password = "` + cheapHash + `"
mail = "alice@example.org"
phone = "+33 1 23 45 67 89"
groups = ["vpn", "admins"]
attributes = { vlan = ["42", "43"] }

[[users.devices]]
type = "TOTP"
name = "phone"
secret = "` + aSecret + `"
digits = 8
period = 60
algorithm = "sha256"
epoch = 1795278502

[[users.devices]]
type = "HOTP"
secret = "` + aSecret + `"
counter = 7

[[users.devices]]
type = "UBK"
public_id = "cccccccccccb"

[[users]]
name = "bob"
`

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fixture is an open directory over a file of its own.
type fixture struct {
	*Directory
	path  string
	clock *clock
	log   *bytes.Buffer
}

func write(t testing.TB, path, text string) {
	t.Helper()
	// A new file each time, as "mv users.toml.new users.toml" gives.
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, text string) (*fixture, error) {
	t.Helper()
	f := &fixture{path: filepath.Join(t.TempDir(), "users.toml"), clock: &clock{now: time.Unix(1800000000, 0)}, log: &bytes.Buffer{}}
	write(t, f.path, text)
	var err error
	f.Directory, err = Open(Options{Path: f.path, Now: f.clock.Now, Logger: slog.New(slog.NewTextHandler(f.log, nil))})
	return f, err
}

func mustOpen(t testing.TB, text string) *fixture {
	t.Helper()
	f, err := open(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLookup(t *testing.T) {
	f := mustOpen(t, alice)
	u, err := f.Lookup(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	want := &directory.User{
		ID: "u-1", Name: "Alice", Mail: "alice@example.org", Phone: "+33 1 23 45 67 89",
		Groups: []string{"vpn", "admins"}, Attributes: map[string][]string{"vlan": {"42", "43"}},
		Devices: []directory.Device{
			{Type: "TOTP", Name: "phone", Epoch: 1795278502, Digits: 8, Period: 60, Algorithm: "SHA256"},
			{Type: "HOTP", Counter: 7},
			{Type: "UBK", PublicID: "cccccccccccb"},
		},
	}
	for i := range 2 {
		if u.Devices[i].Secret.Reveal() != "12345678901234567890" {
			t.Errorf("device %d has another secret", i)
		}
		u.Devices[i].Secret = secret.String{}
	}
	u.Credential = secret.String{}
	if !reflect.DeepEqual(u, want) {
		t.Errorf("got %+v\nwant %+v", u, want)
	}

	bob, err := f.Lookup(t.Context(), "BOB")
	if err != nil || bob.ID != "bob" || bob.HasDevices() {
		t.Errorf("%+v, %v", bob, err)
	}
	for _, nobody := range []string{"carol", "", "\x00", "\xff", strings.Repeat("a", 100_000)} {
		if u, err := f.Lookup(t.Context(), nobody); !errors.Is(err, directory.ErrNoUser) {
			t.Errorf("%.20q: %+v, %v", nobody, u, err)
		}
	}
}

func TestLookupGivesACopy(t *testing.T) {
	f := mustOpen(t, alice)
	u, err := f.Lookup(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	u.Groups[0], u.Devices[0].Name, u.Attributes["vlan"][0] = "x", "x", "x"
	delete(u.Attributes, "vlan")
	again, err := f.Lookup(t.Context(), "alice")
	if err != nil || again.Groups[0] != "vpn" || again.Devices[0].Name != "phone" || again.Attributes["vlan"][0] != "42" {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestCheckPassword(t *testing.T) {
	f := mustOpen(t, alice)
	u, err := f.Lookup(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CheckPassword(t.Context(), u, "correct horse"); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"Correct horse", "correct horse ", "x"} {
		if err := f.CheckPassword(t.Context(), u, wrong); !errors.Is(err, directory.ErrWrongPassword) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	bob, err := f.Lookup(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CheckPassword(t.Context(), bob, "x"); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("a user without a password: %v", err)
	}
	u.Credential = secret.New("damaged")
	if err := f.CheckPassword(t.Context(), u, "x"); err == nil || errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("a hash that cannot be used says nothing of the password: %v", err)
	}
}

func TestRow12_AnEmptyPasswordIsWrongWhateverTheHash(t *testing.T) {
	f := mustOpen(t, "[[users]]\nname = \"eve\"\npassword = \""+emptyHash+"\"\n")
	u, err := f.Lookup(t.Context(), "eve")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CheckPassword(t.Context(), u, ""); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("an empty password: %v", err)
	}
}

func TestRow16_HoweverTheNameIsTypedTheKeyIsOne(t *testing.T) {
	f := mustOpen(t, "[[users]]\nname = \"Alice\"\n[[users]]\nname = \"Zoë\"\n[[users]]\nname = \"bob@Example.org\"\nid = \"B\"\n")
	for typed, id := range map[string]string{
		"Alice": "alice", "alice": "alice", "ALICE": "alice", "ａｌｉｃｅ": "alice", "ａＬＩＣＥ": "alice",
		"zoë": "zoë", "zoe\u0308": "zoë", "ZOË": "zoë",
		"BOB@example.ORG": "B",
	} {
		u, err := f.Lookup(t.Context(), typed)
		if err != nil || u.ID != id {
			t.Errorf("%q: %+v, %v; want the id %q", typed, u, err, id)
		}
	}
	for _, typed := range []string{"alice ", " alice", "alice\t", "alice\u00a0", "al ice", "alice\x00", "alice\u200b", "alice\n", "аlice", "u-1", "B"} {
		if u, err := f.Lookup(t.Context(), typed); !errors.Is(err, directory.ErrNoUser) {
			t.Errorf("%q: %+v, %v", typed, u, err)
		}
	}
}

func TestRow16_TwoEntriesOfOneKeyAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, first, second string }{
		"names that fold alike":  {"[[users]]\nname = \"Alice\"\n[[users]]\nname = \"ALICE\"\n", ":2: users[0].name:", ":4: users[1].name:"},
		"composed in two ways":   {"[[users]]\nname = \"zoë\"\n[[users]]\nname = \"zoe\\u0308\"\n", ":2: users[0].name:", ":4: users[1].name:"},
		"the same id":            {"[[users]]\nname = \"a\"\nid = \"1\"\n[[users]]\nname = \"b\"\nid = \"1\"\n", ":3: users[0].id:", ":6: users[1].id:"},
		"an id another defaults": {"[[users]]\nname = \"a\"\nid = \"b\"\n[[users]]\nname = \"B\"\n", ":3: users[0].id:", ":4: users[1].id:"},
	} {
		_, err := open(t, c.text)
		if err == nil || !strings.Contains(err.Error(), c.first) || !strings.Contains(err.Error(), c.second) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenReportsAllMistakes(t *testing.T) {
	f, err := open(t, `[[users]]
name = "a b"

[[users]]
id = "x"

[[users]]
name = "alice"
id = ""
password = "hunter2"
mail = "x\nBcc: y"
groups = ["", "ok"]
attributes = { "a b" = ["1"], ok = ["\u0000"] }
shoe_size = 42

[[users.devices]]
type = "TOTP"
secret = "GEZD GNBV"
digits = 9
counter = 5

[[users.devices]]
type = "Password"

[[users.devices]]
type = "UBK"
secret = "x"

[[users]]
name = 5
`)
	if err == nil {
		t.Fatalf("opened: %+v", f)
	}
	got := strings.ReplaceAll(err.Error(), f.path, "users.toml")
	want := `users.toml:2: users[0].name: holds white space, which no login name does: remove it
users.toml:4: users[1].name: is empty: write the login name
users.toml:9: users[2].id: is empty: leave it out
users.toml:10: users[2].password: this is no password hash; a password is never written down in plain text: make a new one with "tandem passwd"
users.toml:11: users[2].mail: holds control characters: remove them
users.toml:12: users[2].groups[0]: is empty: leave it out
users.toml:13: users[2].attributes: the name "a b" holds more than letters, digits, - and _
users.toml:13: users[2].attributes.ok[0]: holds control characters: remove them
users.toml:14: users[2].shoe_size: unknown key: known here are name, id, password, mail, phone, groups, attributes, devices
users.toml:18: users[2].devices[0].secret: the secret is not base32: remove the white space
users.toml:19: users[2].devices[0].digits: digits = 9: codes have 6, 7 or 8 digits
users.toml:20: users[2].devices[0].counter: is nothing that a TOTP device has: remove it
users.toml:23: users[2].devices[1].type: is "Password": write TOTP, HOTP or UBK (a Yubikey)
users.toml:25: users[2].devices[2].public_id: the Yubikey's public identity is not 12 letters: copy the first 12 of any code it types
users.toml:27: users[2].devices[2].secret: is nothing that a UBK device has: remove it
users.toml:30: users[3].name: wants a text, not an integer: put it in quotes`
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("line %d\n got %s\nwant %s", i+1, g, w)
		}
	}
	for _, secretText := range []string{"hunter2", "GEZD"} {
		if strings.Contains(err.Error(), secretText) {
			t.Errorf("%q is quoted", secretText)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := open(t, "# nobody yet\n"); err == nil || !strings.Contains(err.Error(), "[[users]]") {
		t.Errorf("no users: %v", err)
	}
	if _, err := open(t, "[[users]]\nname = alice\n"); err == nil || !strings.Contains(err.Error(), "users.toml:2:") {
		t.Errorf("no TOML: %v", err)
	}
	many := "[[users]]\nname = \"a\"\n" + strings.Repeat("[[users.devices]]\ntype = \"UBK\"\npublic_id = \"cccccccccccb\"\n", directory.MaxDevices+1)
	if _, err := open(t, many); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("at most %d", directory.MaxDevices)) {
		t.Errorf("too many devices: %v", err)
	}
	_, err := Open(Options{Path: filepath.Join(t.TempDir(), "none"), Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestWeakSecretsAreToldOnce(t *testing.T) {
	const text = "[[users]]\nname = \"alice\"\n[[users.devices]]\ntype = \"TOTP\"\nsecret = \"JBSWY3DPEHPK3PXP\"\n"
	f := mustOpen(t, text)
	if log := f.log.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "first_user=alice") {
		t.Errorf("log: %s", log)
	}
	u, err := f.Lookup(t.Context(), "alice")
	if err != nil || len(u.Devices) != 1 || !u.Devices[0].Weak {
		t.Errorf("%+v, %v", u, err)
	}
	o := f.o
	o.Devices.MinSecretBits = 128
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), ":5: users[0].devices[0].secret: the secret has 80 bits") {
		t.Errorf("where 128 bits are asked for: %v", err)
	}
}

// TestTenThousandUsersAreSmall bounds what stays in memory: 60 MiB are the whole daemon's.
func TestTenThousandUsersAreSmall(t *testing.T) {
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "[[users]]\nname = \"user%05d\"\npassword = %q\nmail = \"user%05d@example.org\"\ngroups = [\"vpn\"]\n[[users.devices]]\ntype = \"TOTP\"\nname = \"phone\"\nsecret = %q\n\n", i, cheapHash, i, aSecret)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f := mustOpen(t, text.String())
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("10,000 users take %d KiB", grown>>10)
	}
	if _, err := f.Lookup(t.Context(), "user09999"); err != nil {
		t.Error(err)
	}
}

func TestYubikeyWithItsKey(t *testing.T) {
	const entry = `
[[users]]
name = "alice"
[[users.devices]]
type = "UBK"
public_id = "dteffujehknh"
private_id = "8792ebfe26cc"
`
	f := mustOpen(t, entry+`aes_key = "ecde18dbe76fbd0c33330f1c354871db"`)
	u, err := f.Lookup(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	d := u.Devices[0]
	if got := fmt.Sprintf("%x %x", d.PrivateID.Reveal(), d.Secret.Reveal()); got != "8792ebfe26cc ecde18dbe76fbd0c33330f1c354871db" {
		t.Errorf("private identity and key are %s", got)
	}
	if _, err := open(t, entry); err == nil || !strings.Contains(err.Error(), "devices[0].aes_key: the Yubikey's AES key is not 32 hexadecimal digits") {
		t.Errorf("without the key: %v", err)
	}
}
