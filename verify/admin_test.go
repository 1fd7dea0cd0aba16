package verify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
)

func typed(codes ...string) []secret.String {
	out := make([]secret.String, 0, len(codes))
	for _, c := range codes {
		out = append(out, secret.New(c))
	}
	return out
}

func (b *bench) confirm(d directory.Device, codes ...string) error {
	b.t.Helper()
	_, _, err := b.core.ConfirmDevice(context.Background(), "Alice", d, typed(codes...))
	return err
}

// TestRow23_ConfirmingCodeIsUsedUp: the code that confirms a new device is worth nothing at the login that follows.
func TestRow23_ConfirmingCodeIsUsedUp(t *testing.T) {
	t.Run("TOTP", func(t *testing.T) {
		b := newBench(t)
		b.alice().Devices = nil
		d, code := totpDevice(otherKey), b.code(otherKey, 0)
		if err := b.confirm(d, code); err != nil {
			t.Fatal(err)
		}
		b.alice().Devices = []directory.Device{d}
		want(t, b.try(password+code), verify.Reject, verify.ReasonReplayedCode)
		if err := b.confirm(d, code); !errors.Is(err, verify.ErrUsedCode) {
			t.Errorf("confirmed twice: %v", err)
		}
		b.clock.Add(30 * time.Second)
		want(t, b.try(password+b.code(otherKey, 0)), verify.Accept, verify.ReasonOK)
	})
	t.Run("HOTP", func(t *testing.T) {
		b := newBench(t)
		d := hotpDevice(rfcKey, 0)
		_, use, err := b.core.ConfirmDevice(t.Context(), "alice", d, typed(b.digits(rfcKey, 4, 6), b.digits(rfcKey, 5, 6)))
		if err != nil || use.Counter == nil || *use.Counter != 6 {
			t.Fatalf("%+v, %v", use, err)
		}
		b.alice().Devices = []directory.Device{d}
		want(t, b.try(password+b.digits(rfcKey, 5, 6)), verify.Reject, verify.ReasonReplayedCode)
		want(t, b.try(password+b.digits(rfcKey, 6, 6)), verify.Accept, verify.ReasonOK)
	})
}

func TestConfirmingTakesThisDeviceAlone(t *testing.T) {
	b := newBench(t)
	for name, of := range map[string]struct {
		device directory.Device
		codes  []string
		want   error
	}{
		"a code of another device of hers":         {totpDevice(otherKey), []string{b.code(rfcKey, 0)}, verify.ErrWrongCode},
		"a wrong code":                             {totpDevice(otherKey), []string{b.wrong(otherKey)}, verify.ErrWrongCode},
		"no code":                                  {totpDevice(otherKey), nil, nil},
		"two codes by time":                        {totpDevice(otherKey), []string{b.code(otherKey, 0), b.code(otherKey, 1)}, nil},
		"one code by counter":                      {hotpDevice(otherKey, 0), []string{b.digits(otherKey, 0, 6)}, nil},
		"two that do not follow":                   {hotpDevice(otherKey, 0), []string{b.digits(otherKey, 0, 6), b.digits(otherKey, 2, 6)}, verify.ErrWrongCode},
		"the same twice":                           {hotpDevice(otherKey, 0), []string{b.digits(otherKey, 0, 6), b.digits(otherKey, 0, 6)}, verify.ErrWrongCode},
		"a right one before a wrong one":           {hotpDevice(otherKey, 0), []string{b.digits(otherKey, 0, 6), "000000"}, verify.ErrWrongCode},
		"two from before the device's own counter": {hotpDevice(otherKey, 7), []string{b.digits(otherKey, 3, 6), b.digits(otherKey, 4, 6)}, verify.ErrUsedCode},
		"a device that nothing checks":             {directory.Device{Type: directory.TypeYubikey, PublicID: "cccccccccccc"}, []string{"c"}, verify.ErrNoFactor},
	} {
		t.Run(name, func(t *testing.T) {
			err := b.confirm(of.device, of.codes...)
			if err == nil || of.want != nil && !errors.Is(err, of.want) {
				t.Errorf("%v, want %v", err, of.want)
			}
		})
	}
	if marks := b.marks(); len(marks) > 0 {
		t.Errorf("claimed: %v", marks)
	}
	if _, _, err := b.core.ConfirmDevice(t.Context(), "nobody", totpDevice(otherKey), typed(b.code(otherKey, 0))); !errors.Is(err, directory.ErrNoUser) {
		t.Errorf("a stranger: %v", err)
	}
}

func TestConfirmingSaysWhoseClockIsWrong(t *testing.T) {
	b := newBench(t)
	for steps, text := range map[int64]string{8: "4 minutes (the device is ahead of", -120: "60 minutes (the device is behind"} {
		err := b.confirm(totpDevice(otherKey), b.code(otherKey, steps))
		if !errors.Is(err, verify.ErrWrongCode) || !strings.Contains(err.Error(), text) {
			t.Errorf("%d steps: %v", steps, err)
		}
	}
}

// TestConfirmingIsNoGuess: an administrator who mistypes shuts nobody out, and a throttled user can get a device.
func TestConfirmingIsNoGuess(t *testing.T) {
	b := newBench(t)
	for range 30 {
		if err := b.confirm(totpDevice(otherKey), b.wrong(otherKey)); err == nil {
			t.Fatal("a wrong code confirms")
		}
	}
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	for range 6 {
		b.try(password + b.wrong(rfcKey))
	}
	want(t, b.try(password+b.wrong(rfcKey)), verify.Reject, verify.ReasonThrottled)
	if err := b.confirm(totpDevice(otherKey), b.code(otherKey, 0)); err != nil {
		t.Errorf("throttled: %v", err)
	}
}

// TestConfirmingNeedsTheStore: what cannot be claimed is not confirmed.
func TestConfirmingNeedsTheStore(t *testing.T) {
	b := newBench(t)
	b.store.setDown(errDown)
	if err := b.confirm(totpDevice(otherKey), b.code(otherKey, 0)); !errors.Is(err, errDown) {
		t.Errorf("confirmed without a store: %v", err)
	}
}

func (b *bench) resync(codes ...string) (found string, err error) {
	b.t.Helper()
	_, found, err = b.core.Resync(context.Background(), "alice", b.alice().Devices[0].ID(), typed(codes...))
	return found, err
}

func TestResync(t *testing.T) {
	b := newBench(t)
	b.alice().Devices = []directory.Device{hotpDevice(rfcKey, 0)}
	code := func(n uint64) string { return b.digits(rfcKey, n, 6) }

	want(t, b.try(password+code(2500)), verify.Reject, verify.ReasonWrongCode)
	found, err := b.resync(code(2500), code(2501))
	if err != nil || found != "2500 ahead" {
		t.Fatalf("%q, %v", found, err)
	}
	want(t, b.try(password+code(2501)), verify.Reject, verify.ReasonReplayedCode)
	want(t, b.try(password+code(2502)), verify.Accept, verify.ReasonOK)

	for name, codes := range map[string][]string{
		"out of reach":   {code(13_000), code(13_001)},
		"in wrong order": {code(2601), code(2600)},
		"with a gap":     {code(2600), code(2602)},
		"one":            {code(2600)},
	} {
		if found, err := b.resync(codes...); err == nil {
			t.Errorf("%s: %s", name, found)
		}
	}
	if _, _, err := b.core.Resync(t.Context(), "alice", "none", typed(code(2600), code(2601))); !errors.Is(err, directory.ErrNoDevice) {
		t.Errorf("no such device: %v", err)
	}
}

// TestRow23_ResyncNeverGoesBack: whoever has two old codes in a row cannot make the codes after them good again.
func TestRow23_ResyncNeverGoesBack(t *testing.T) {
	b := newBench(t)
	b.alice().Devices = []directory.Device{hotpDevice(rfcKey, 0)}
	code := func(n uint64) string { return b.digits(rfcKey, n, 6) }
	if _, err := b.resync(code(50), code(51)); err != nil {
		t.Fatal(err)
	}
	before := b.marks()
	if _, err := b.resync(code(10), code(11)); !errors.Is(err, verify.ErrUsedCode) {
		t.Errorf("old codes: %v", err)
	}
	for key, mark := range b.marks() {
		if mark != before[key] {
			t.Errorf("%s was %d, is %d", key, before[key], mark)
		}
	}
	want(t, b.try(password+code(12)), verify.Reject, verify.ReasonReplayedCode)
}

func TestResyncOfATimedDeviceSaysWhatToDo(t *testing.T) {
	b := newBench(t)
	for code, text := range map[string]string{
		b.code(rfcKey, 0):   "its clock is right",
		b.code(rfcKey, 10):  "off by about 5 minutes",
		b.wrong(otherKey):   "fits no time within a day",
		b.code(rfcKey, -30): "off by about 15 minutes",
	} {
		if _, err := b.resync(code); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("want %q: %v", text, err)
		}
	}
	if marks := b.marks(); len(marks) > 0 {
		t.Errorf("claimed: %v", marks)
	}
}

func TestSpend(t *testing.T) {
	b := newBench(t)
	step := uint64(b.clock.Now().Unix() / 30)
	spend := func(numbers ...uint64) error {
		_, err := b.core.Spend(t.Context(), "alice", b.alice().Devices[0], numbers)
		return err
	}
	if err := spend(step, step-5); err != nil {
		t.Fatal(err)
	}
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Reject, verify.ReasonReplayedCode)
	if err := spend(step - 1); err != nil {
		t.Errorf("what is passed over already: %v", err)
	}
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Reject, verify.ReasonReplayedCode)
	if err := spend(step + 1000); err == nil {
		t.Error("a time to come was spent: it shuts the device out until then")
	}
	b.clock.Add(30 * time.Second)
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
}

func TestDescribe(t *testing.T) {
	b := newBench(t)
	phone, token := totpDevice(rfcKey), hotpDevice(otherKey, 3)
	phone.Epoch, phone.Source = 1_600_000_000, "cn=alice"
	key := directory.Device{Type: directory.TypeYubikey, Name: "key", PublicID: "cccccccccccc"}
	b.alice().Devices = []directory.Device{phone, token, key}
	b.alice().Skipped = []directory.Problem{{ID: "x", Type: "TOTP", Device: "old", Why: "its secret is not base32"}}
	b.alice().Groups = []string{"staff"}

	fresh, err := b.core.Describe(t.Context(), "ALICE")
	if err != nil || len(fresh.Devices) != 4 || fresh.Devices[0].LastUse != nil || fresh.Throttle.Failures != 0 {
		t.Fatalf("%+v, %v", fresh, err)
	}
	want(t, b.try(password+b.code(rfcKey, 0)), verify.Accept, verify.ReasonOK)
	want(t, b.try(password+b.digits(otherKey, 5, 6)), verify.Accept, verify.ReasonOK)
	for range 2 {
		b.try(password + b.wrong(rfcKey))
	}
	d, err := b.core.Describe(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	if d.Name != "alice" || d.ID != "id-alice" || len(d.Groups) != 1 || d.Policy != "default" || d.Reason != verify.ReasonOK {
		t.Errorf("%+v", d)
	}
	if got := d.Devices[0]; got.LastUse == nil || !got.LastUse.At.Equal(b.clock.Now().Truncate(30*time.Second)) || got.Factor != "totp" ||
		got.Registered.Unix() != 1_600_000_000 || got.Source != "cn=alice" || got.ID != phone.ID() {
		t.Errorf("phone: %+v", got)
	}
	if got := d.Devices[1]; got.LastUse == nil || got.LastUse.Counter == nil || *got.LastUse.Counter != 6 {
		t.Errorf("token: %+v", got)
	}
	if got := d.Devices[2]; got.Factor != "" || got.Problem == "" {
		t.Errorf("key: %+v", got)
	}
	if got := d.Devices[3]; got.ID != "x" || got.Problem != "its secret is not base32" {
		t.Errorf("old: %+v", got)
	}
	if d.Throttle.Failures != 2 || d.Throttle.Burst != 25 || !d.Throttle.Until.IsZero() {
		t.Errorf("throttle: %+v", d.Throttle)
	}
	b.setup.Devices.TTL = map[string]time.Duration{directory.TypeTOTP: time.Hour}
	if d, err = b.node().Describe(t.Context(), "alice"); err != nil || d.Devices[0].Problem != "expired on 2020-09-13" || d.Devices[1].Problem != "" {
		t.Errorf("%+v, %v", d.Devices, err)
	}
	if _, err := b.core.Describe(t.Context(), "nobody"); !errors.Is(err, directory.ErrNoUser) {
		t.Errorf("a stranger: %v", err)
	}
}
