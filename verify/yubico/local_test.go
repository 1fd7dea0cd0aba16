package yubico

import (
	"strings"
	"testing"

	"tandem/directory"
	"tandem/verify"
	"tandem/verify/factortest"
)

func localFactor(t testing.TB) *Factor {
	t.Helper()
	f, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestConformanceWithALocalKey(t *testing.T) {
	factortest.Run(t, func(t *testing.T) factortest.Subject {
		use := uint8(0)
		return factortest.Subject{
			Factor: localFactor(t),
			User:   owner(alices.full(t)),
			Right:  func(t *testing.T) string { use++; return alices.code(t, 7, use) },
			Wrong:  []string{alices.id + strings.Repeat("c", 32), alices.id + bobs.code(t, 7, 1)[idLength:], bobs.code(t, 7, 1)},
		}
	})
}

// TestPublishedVectors: https://developers.yubico.com/OTP/Specifications/Test_vectors.html, the one of yubico-c's
// test-vectors.txt, and that of yubikey-ksm's self-test.
func TestPublishedVectors(t *testing.T) {
	const counting = "000102030405060708090a0b0c0d0e0f"
	for _, v := range []struct {
		private, aes, block string
		session             uint16
		use                 uint8
	}{
		{"010203040506", counting, "dvgtiblfkbgturecfllberrvkinnctnn", 1, 1},
		{"010203040506", counting, "rnibcnfhdninbrdebccrndfhjgnhftee", 1, 2},
		{"010203040506", counting, "iikkijbdknrrdhfdrjltvgrbkkjblcbh", 0xfff, 1},
		{"888888888888", strings.Repeat("8", 32), "dcihgvrhjeucvrinhdfddbjhfjftjdei", 0x0888, 0x88}, // the top bit is caps lock's
		{"000000000000", strings.Repeat("0", 32), "kkkncjnvcnenkjvjgncjihljiibgbhbh", 0, 0},
		{"33c69e7f249e", "c4422890653076cde73d449b191b416a", "iucvrkjiegbhidrcicvlgrcgkgurhjnj", 1, 0},
		{"8792ebfe26cc", "ecde18dbe76fbd0c33330f1c354871db", "hknhfjbrjnlnldnhcujvddbikngjrtgh", 19, 17},
		{"609963eae7b5", "c68c9df8cbfe7d2f994cb904046c7218", "tjduvtcjbfeuvhehdvjjlbchtlenfgku", 1, 0},
	} {
		k := yubikey{id: "cccccccccccb", private: v.private, aes: v.aes}
		for _, typed := range []string{k.id + v.block, strings.ToUpper(k.id + v.block)} {
			finding := check(t, localFactor(t), owner(k.full(t)), typed, &factortest.Kept{})
			want := verify.Claim{Key: "yubico/cccccccccccb", Value: uint64(v.session)<<8 | uint64(v.use)}
			if finding.Result != verify.Match || finding.Claim.Key != want.Key || finding.Claim.Value != want.Value {
				t.Errorf("%s: %+v, want the claim %+v", typed, finding, want)
			}
		}
	}
}

func TestCapsLockIsLowered(t *testing.T) {
	f, u, kept := localFactor(t), owner(alices.full(t)), &factortest.Kept{}
	typed := alices.code(t, 1, 1)
	shape := f.Shapes(u)[0]
	if upper := strings.ToUpper(typed); len(upper) != shape.Length || strings.Trim(upper, shape.Alphabet) != "" {
		t.Errorf("%s is not of the shape %+v", upper, shape)
	}
	if !login(t, f, u, strings.ToUpper(typed), kept) {
		t.Error("typed with caps lock it is wrong")
	}
	if finding := check(t, f, u, typed, kept); finding.Result != verify.Used {
		t.Errorf("and then without: %+v", finding)
	}
	// The Kelvin sign is lowered to k, and is three octets.
	if finding := check(t, f, u, strings.Replace(typed, typed[:3], "\u212a", 1), kept); finding.Result != verify.NoMatch {
		t.Errorf("%+v", finding)
	}
}

// TestRow33_SessionAndUseAreAPairThatGrows: the later touch is the one of the later session; earlier ones are used.
func TestRow33_SessionAndUseAreAPairThatGrows(t *testing.T) {
	f, u, kept := localFactor(t), owner(alices.full(t)), &factortest.Kept{}
	for _, step := range []struct {
		session uint16
		use     uint8
		in      bool
	}{
		{1, 0, true},
		{1, 20, true},
		{1, 20, false}, // again
		{1, 19, false}, // an earlier touch of the same session
		{2, 1, true},   // fewer touches, but a later session
		{1, 255, false},
		{2, 0, false},
		{2, 2, true},
		{0x8002, 3, true}, // triggered by caps lock
		{3, 0, true},      // which did not raise the session beyond all others
		{0x7fff, 255, true},
		{0x7fff, 255, false},
	} {
		if in := login(t, f, u, alices.code(t, step.session, step.use), kept); in != step.in {
			t.Errorf("session %#x, use %d: let in %v, want %v", step.session, step.use, in, step.in)
		}
	}
}

// TestRow33_ABlockMustBeWholeAndOfThisKey: who finds a code with the right private id, or one with a right
// checksum, has found nothing.
func TestRow33_ABlockMustBeWholeAndOfThisKey(t *testing.T) {
	f, u := localFactor(t), owner(alices.full(t))
	broken := alices.plain(t, 1, 1)
	broken[15] ^= 1
	twin := alices
	twin.private = "8792ebfe26cd"
	for name, typed := range map[string]string{
		"a broken checksum":  alices.seal(t, broken),
		"another private id": twin.code(t, 1, 1),
		"another AES key":    alices.id + bobs.code(t, 1, 1)[idLength:],
	} {
		if finding := check(t, f, u, typed, &factortest.Kept{}); finding.Result != verify.NoMatch {
			t.Errorf("%s: %+v", name, finding)
		}
	}
}

// TestRow33_OnlyTheUsersOwnKeysCount: bob's YubiKey is right, and known here, and not alice's.
func TestRow33_OnlyTheUsersOwnKeysCount(t *testing.T) {
	f, err := New(Config{Keys: Keys{bobs.id: {AES: bobs.full(t).Secret, PrivateID: bobs.full(t).PrivateID}}})
	if err != nil {
		t.Fatal(err)
	}
	typed := bobs.code(t, 1, 1)
	if finding := check(t, f, owner(bobs.device()), typed, &factortest.Kept{}); finding.Result != verify.Match {
		t.Errorf("bob: %+v", finding)
	}
	notHis := bobs.device()
	notHis.Type = directory.TypeWebAuthn
	alice := owner(alices.full(t), notHis)
	// Nor does alice's public id before bob's block.
	for name, code := range map[string]string{"bob's": typed, "bob's under alice's id": alices.id + typed[idLength:]} {
		if finding := check(t, f, alice, code, &factortest.Kept{}); finding.Result != verify.NoMatch {
			t.Errorf("%s: %+v", name, finding)
		}
	}
	// A server would say OK to it, so it is not asked.
	v := newValidator(t)
	if finding := check(t, remoteFactor(t, configOf(t, v)), owner(alices.device()), typed, &factortest.Kept{}); finding.Result != verify.NoMatch || v.timesAsked() != 0 {
		t.Errorf("at a server: %+v, asked %d times", finding, v.timesAsked())
	}
}

// TestAnOldEntryBesideTheNewOne: a key that was programmed anew may be written down twice.
func TestAnOldEntryBesideTheNewOne(t *testing.T) {
	old := alices
	old.aes = bobs.aes
	f, kept := localFactor(t), &factortest.Kept{}
	u := owner(old.full(t), alices.device(), alices.full(t))
	u.Devices[2].Name = "the new one"
	finding := check(t, f, u, alices.code(t, 1, 1), kept)
	if finding.Result != verify.Match || finding.Device != "the new one" {
		t.Errorf("%+v", finding)
	}
}

func TestDevicesThatNobodyCanCheckAreNotServed(t *testing.T) {
	f, u := localFactor(t), owner(alices.device())
	if shapes := f.Shapes(u); len(shapes) != 0 {
		t.Errorf("shapes %+v", shapes)
	}
	if finding := check(t, f, u, alices.code(t, 1, 1), &factortest.Kept{}); finding.Result != verify.NoMatch {
		t.Errorf("%+v", finding)
	}
}

func FuzzCode(f *testing.F) {
	f.Add(alices.code(f, 1, 1))
	f.Add(strings.ToUpper(alices.code(f, 0x7fff, 255)))
	f.Add("ccccccdteffujehknhfjbrjnlnldnhcujvddbikngjrtgh")
	f.Add(strings.Repeat("\u212a", 15))
	f.Add("")
	known := Key{AES: alices.full(f).Secret, PrivateID: alices.full(f).PrivateID}
	f.Fuzz(func(t *testing.T, typed string) {
		c, ok := parseCode(typed)
		if !ok {
			return
		}
		if again := c.id + toModhex(c.block[:]); again != strings.ToLower(typed) || c.text != again {
			t.Fatalf("%q was read as %q and %q", typed, again, c.text)
		}
		if at, right := known.open(c); right && at > 0x7fffff {
			t.Fatalf("%q is of %s", typed, at)
		}
	})
}
