package admin_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/admin"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/recovery"
)

// lines are the audit's, in short.
func (d *desk) lines() (lines []string) {
	for _, a := range d.actions {
		line := fmt.Sprintf("%s %s/%s/%s %s", a.Action, a.User, a.DeviceType, a.Device, a.Detail)
		if a.Error != "" {
			line += "FAILED: " + a.Error
		}
		if a.By == "" || a.PID == 0 || a.Time.IsZero() {
			line += " by nobody"
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func wantLines(t *testing.T, d *desk, want ...string) {
	t.Helper()
	if got := strings.Join(d.lines(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the audit has:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

var phone = directory.Device{
	Type: directory.TypeTOTP, Name: "phone", Epoch: 7, Secret: secret.New("a key"), Digits: 8, Period: 60, Algorithm: "SHA256",
}

func TestConfirm(t *testing.T) {
	d := open(t)
	confirm := func(code string) (admin.Reply, error) {
		return d.do(t, admin.Request{Op: admin.OpConfirm, User: "Alice", Device: admin.WholeDevice(phone), Codes: []string{code}}, nil)
	}
	if reply, err := confirm("right"); err != nil || reply.Account != "alice" || reply.Use.Text != "step 1" {
		t.Fatalf("%+v, %v", reply, err)
	}
	if reply, err := confirm("wrong"); err == nil || reply.Reason != string(verify.ReasonWrongCode) || !strings.Contains(err.Error(), "wrong for now") {
		t.Fatalf("%+v, %v", reply, err)
	}
	wantLines(t, d, "device-confirm Alice/TOTP/phone", "device-confirm Alice/TOTP/phone", "device-confirm Alice/TOTP/phone FAILED: the code is wrong for now")
	if strings.Contains(fmt.Sprintf("%+v", d.actions), "a key") {
		t.Error("the audit holds the secret")
	}
}

func TestResyncSpendAndDescribe(t *testing.T) {
	d := open(t)
	named := &admin.Device{Type: "HOTP", Name: "token"}
	reply, err := d.do(t, admin.Request{Op: admin.OpResync, User: "Alice", DeviceID: "ID", Codes: []string{"1", "2"}, Device: named}, nil)
	if err != nil || reply.Message != "57 ahead" {
		t.Errorf("%+v, %v", reply, err)
	}
	if reply, err := d.do(t, admin.Request{Op: admin.OpResync, User: "Alice"}, nil); err == nil || reply.Reason != string(verify.ReasonReplayedCode) {
		t.Errorf("%+v, %v", reply, err)
	}
	if _, err := d.do(t, admin.Request{Op: admin.OpSpend, User: "Alice", Device: named, Numbers: []uint64{1, 2}}, nil); err != nil {
		t.Error(err)
	}
	_, set, err := recovery.Make(rand.Reader, time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	d.core.records[recovery.Key] = set
	reply, err = d.do(t, admin.Request{Op: admin.OpDescribe, User: "Alice"}, nil)
	if err != nil || reply.Description == nil || reply.Description.Name != "alice" || reply.Left != recovery.Count {
		t.Errorf("%+v, %v", reply, err)
	}
	if _, err := d.do(t, admin.Request{Op: admin.OpDescribe, User: "nobody"}, nil); err == nil {
		t.Error("a stranger was described")
	}
	wantLines(t, d, "resync Alice/HOTP/token", "resync Alice//", "resync Alice// FAILED: the code has been used already", "device-spend Alice/HOTP/token")
}

func TestChangesOfTheCommandAreAudited(t *testing.T) {
	d := open(t)
	note := func(device *admin.Device, change *admin.Change) error {
		_, err := d.do(t, admin.Request{Op: admin.OpChange, User: "alice", Device: device, Change: change}, nil)
		return err
	}
	named := &admin.Device{Type: "TOTP", Name: "phone"}
	if err := note(named, &admin.Change{Action: admin.ActionRename, Detail: "to mobile"}); err != nil {
		t.Error(err)
	}
	if err := note(named, &admin.Change{Action: admin.ActionDelete, Error: "disk full " + strings.Repeat("x", 5000)}); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"no device":         note(nil, &admin.Change{Action: admin.ActionAdd}),
		"no change":         note(named, nil),
		"another operation": note(named, &admin.Change{Action: admin.OpUnlock}),
	} {
		if err == nil {
			t.Errorf("%s: noted", name)
		}
	}
	if len(d.actions) != 2 || len(d.actions[1].Error) > 1100 {
		t.Fatalf("audit: %+v", d.actions)
	}
	d.actions[1].Error = d.actions[1].Error[:9]
	wantLines(t, d, "device-rename alice/TOTP/phone to mobile", "device-delete alice/TOTP/phone FAILED: disk full")
}

// TestNothingHappensWithoutItsAuditLine: the line comes first, and without it nothing is done.
func TestNothingHappensWithoutItsAuditLine(t *testing.T) {
	d := open(t)
	d.audit = errors.New("disk full")
	for _, r := range []admin.Request{
		{Op: admin.OpConfirm, User: "Alice", Device: admin.WholeDevice(phone), Codes: []string{"right"}},
		{Op: admin.OpResync, User: "Alice", DeviceID: "ID", Codes: []string{"1", "2"}},
		{Op: admin.OpSpend, User: "Alice", Device: admin.WholeDevice(phone), Numbers: []uint64{1, 2}},
		{Op: admin.OpChange, User: "Alice", Device: admin.WholeDevice(phone), Change: &admin.Change{Action: admin.ActionAdd}},
	} {
		if reply, err := d.do(t, r, nil); err == nil || !strings.Contains(err.Error(), "nothing was changed") || reply.Account != "" {
			t.Errorf("%s without an audit line: %+v, %v", r.Op, reply, err)
		}
	}
	for _, op := range []string{admin.OpConfirm, admin.OpSpend} {
		if _, err := d.do(t, admin.Request{Op: op, User: "Alice"}, nil); err == nil {
			t.Errorf("%s without a device", op)
		}
	}
}
