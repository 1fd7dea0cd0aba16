package admin_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"tandem/internal/admin"
	"tandem/verify/recovery"
)

func TestRecoveryIsAuditedCountedAndDeleted(t *testing.T) {
	d := open(t)
	_, set, err := recovery.Make(rand.Reader, time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		request admin.Request
		left    int // after it
	}{
		{admin.Request{Op: admin.OpRecoveryLeft, User: "Alice"}, 0},
		{admin.Request{Op: admin.OpRecovery, User: "Alice", Record: set}, 0},
		{admin.Request{Op: admin.OpRecoveryLeft, User: "Alice"}, recovery.Count},
		{admin.Request{Op: admin.OpRecoveryDelete, User: "Alice"}, 0},
		{admin.Request{Op: admin.OpRecoveryLeft, User: "Alice"}, 0},
	}
	for _, s := range steps {
		reply, err := d.do(t, s.request, nil)
		if err != nil || reply.Account != "alice" || reply.Left != s.left {
			t.Fatalf("%s: %+v, %v", s.request.Op, reply, err)
		}
	}
	var audited []string
	for _, a := range d.actions {
		if a.User != "Alice" || a.By == "" || a.PID == 0 {
			t.Errorf("audit: %+v", a)
		}
		audited = append(audited, a.Action)
	}
	if got := strings.Join(audited, " "); got != "recovery recovery-delete" {
		t.Errorf("in the audit: %s", got)
	}
}

func TestRecoveryChangesNothingInDoubt(t *testing.T) {
	d := open(t)
	_, set, err := recovery.Make(rand.Reader, time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	d.core.records[recovery.Key] = set
	for name, r := range map[string]admin.Request{
		"no set":            {Op: admin.OpRecovery, User: "Alice"},
		"a later set":       {Op: admin.OpRecovery, User: "Alice", Record: []byte(`{"version":2}`)},
		"an empty set":      {Op: admin.OpRecovery, User: "Alice", Record: []byte(`{"version":1}`)},
		"junk":              {Op: admin.OpRecovery, User: "Alice", Record: []byte("junk")},
		"a stranger's":      {Op: admin.OpRecovery, User: "nobody", Record: set},
		"a stranger's left": {Op: admin.OpRecoveryLeft, User: "nobody"},
	} {
		if reply, err := d.do(t, r, nil); err == nil {
			t.Errorf("%s: %+v", name, reply)
		}
	}
	d.audit = errors.New("disk full")
	for _, op := range []string{admin.OpRecovery, admin.OpRecoveryDelete} {
		if _, err := d.do(t, admin.Request{Op: op, User: "Alice", Record: set}, nil); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%s without an audit line: %v", op, err)
		}
	}
	if string(d.core.records[recovery.Key]) != string(set) {
		t.Error("the set has changed")
	}
	d.core.records[recovery.Key] = []byte("{")
	if _, err := d.do(t, admin.Request{Op: admin.OpRecoveryLeft, User: "Alice"}, nil); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged set: %v", err)
	}
}
