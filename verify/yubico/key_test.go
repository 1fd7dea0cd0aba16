package yubico

import (
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/factortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// yubikey is a key as it lies in a user's hand.
type yubikey struct {
	id           string
	private, aes string // hexadecimal
}

var (
	alices = yubikey{"dteffujehknh", "8792ebfe26cc", "ecde18dbe76fbd0c33330f1c354871db"}
	bobs   = yubikey{"vvccccbhbllr", "010203040506", "000102030405060708090a0b0c0d0e0f"}
)

func fromHexMust(t testing.TB, digits string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func toModhex(raw []byte) string {
	var b strings.Builder
	for _, octet := range raw {
		b.WriteByte(modhex[octet>>4])
		b.WriteByte(modhex[octet&15])
	}
	return b.String()
}

// plain is what a key encrypts at a touch.
func (k yubikey) plain(t testing.TB, session uint16, use uint8) []byte {
	b := append(fromHexMust(t, k.private), 0, 0, 0x10, 0x27, 0, use, 0xc8, 0x9f)
	binary.LittleEndian.PutUint16(b[6:], session)
	return binary.LittleEndian.AppendUint16(b, ^crc16(b))
}

// seal makes a code of a decrypted block.
func (k yubikey) seal(t testing.TB, plain []byte) string {
	c, err := aes.NewCipher(fromHexMust(t, k.aes))
	if err != nil {
		t.Fatal(err)
	}
	sealed := make([]byte, aes.BlockSize)
	c.Encrypt(sealed, plain)
	return k.id + toModhex(sealed)
}

// code is what the key types at a touch.
func (k yubikey) code(t testing.TB, session uint16, use uint8) string {
	return k.seal(t, k.plain(t, session, use))
}

// device is the key as a directory has it: only its public id.
func (k yubikey) device() directory.Device {
	return directory.Device{Type: directory.TypeYubikey, Name: "key of " + k.id, PublicID: k.id}
}

// full is the key as a directory has it that knows all of it.
func (k yubikey) full(t testing.TB) directory.Device {
	d := k.device()
	d.Secret, d.PrivateID = secret.New(string(fromHexMust(t, k.aes))), secret.New(string(fromHexMust(t, k.private)))
	return d
}

func owner(devices ...directory.Device) *directory.User {
	return &directory.User{ID: "id-alice", Name: "alice", Devices: devices}
}

// check checks a code, and expects an answer.
func check(t *testing.T, f *Factor, u *directory.User, code string, kept *factortest.Kept) verify.Finding {
	t.Helper()
	finding, err := f.Check(t.Context(), u, code, kept)
	if err != nil {
		t.Fatalf("check %s: %v", code, err)
	}
	return finding
}

// login checks a code, and claims it if it is right. It says whether that lets somebody in.
func login(t *testing.T, f *Factor, u *directory.User, code string, kept *factortest.Kept) bool {
	t.Helper()
	finding := check(t, f, u, code, kept)
	return finding.Result == verify.Match && kept.Take(finding)
}
