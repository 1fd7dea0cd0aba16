package recovery_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/factortest"
	"tandem/verify/recovery"
)

var (
	now   = func() time.Time { return time.Unix(1_800_000_000, 0) }
	alice = &directory.User{ID: "id-alice", Name: "alice"}
)

func makeSet(t testing.TB) (codes []string, record []byte) {
	t.Helper()
	codes, record, err := recovery.Make(rand.Reader, now())
	if err != nil {
		t.Fatal(err)
	}
	return codes, record
}

// keep is a user's store that holds the record.
func keep(record []byte) *factortest.Kept {
	kept := &factortest.Kept{}
	kept.Put(recovery.Key, record)
	return kept
}

func TestConformance(t *testing.T) {
	factortest.Run(t, func(t *testing.T) factortest.Subject {
		codes, record := makeSet(t)
		kept := keep(record)
		next := 0
		return factortest.Subject{
			Factor: recovery.New(now), User: alice, Kept: kept,
			Right: func(*testing.T) string {
				next++
				return codes[next-1]
			},
			Wrong: []string{"0000-0000-0000-0000", "abcdefghjkmnpqrs"},
		}
	})
}

func TestSetIsTenStrongCodesOfWhichNothingIsKept(t *testing.T) {
	codes, record := makeSet(t)
	more, _ := makeSet(t)
	if len(codes) != 10 {
		t.Fatalf("%d codes", len(codes))
	}
	all := append(codes, more...)
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != 20 {
		t.Errorf("codes come twice: %q", all)
	}
	for _, code := range codes {
		plain := strings.ReplaceAll(code, "-", "")
		if len(plain) != 16 || strings.Trim(plain, "0123456789abcdefghjkmnpqrstvwxyz") != "" { // 16 × 5 bits
			t.Errorf("code %q", code)
		}
		if bytes.Contains(record, []byte(code)) || bytes.Contains(record, []byte(plain)) {
			t.Errorf("the record holds the code %s: %s", code, record)
		}
	}
	if left, err := recovery.Left(record); left != 10 || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
	if len(record) > 4096 {
		t.Errorf("the record has %d octets", len(record))
	}
}

func TestNoSetWithoutRandomness(t *testing.T) {
	broken := errors.New("no entropy")
	if codes, record, err := recovery.Make(iotest.ErrReader(broken), now()); !errors.Is(err, broken) || codes != nil || record != nil {
		t.Errorf("%q, %s, %v", codes, record, err)
	}
}

// TestHowCodesAreTyped uses a set whose codes are known: of zeros only.
func TestHowCodesAreTyped(t *testing.T) {
	zeros := bytes.NewReader(make([]byte, 1024))
	codes, record, err := recovery.Make(zeros, now())
	if err != nil {
		t.Fatal(err)
	}
	if codes[0] != "0000-0000-0000-0000" {
		t.Fatalf("code %q", codes[0])
	}
	kept := keep(record)
	for typed, right := range map[string]bool{
		"0000-0000-0000-0000":             true,
		"0000000000000000":                true,
		"oooo-OOOO-0000-0O0o":             true, // read as letters
		"0000 0000 0000 0000":             false,
		"00000000-00000000":               false,
		"-0000000000000000":               false,
		"0000-0000-0000-000":              false,
		"000-00000-0000-0000":             false,
		"0000--000-0000-0000":             false,
		"0000-0000-0000-0000-":            false,
		"000000000000000\n0":              false,
		"0000000000000001":                false,
		"000000000000000u":                false,
		"٠٠٠٠٠٠٠٠":                        false, // 16 octets
		"0000-0000-0000-0000\n":           false,
		"----------------":                false,
		"0000-0000-0000-00000000":         false,
		"0000-0000-0000-0000000000000000": false,
	} {
		f, err := recovery.New(now).Check(t.Context(), alice, typed, kept)
		if err != nil || (f.Result == verify.Match) != right {
			t.Errorf("%q: %+v, %v", typed, f, err)
		}
	}
}

func TestUpperCaseAndMisreadLetters(t *testing.T) {
	codes, record := makeSet(t)
	kept := keep(record)
	for _, code := range codes {
		for _, typed := range []string{strings.ToUpper(code), strings.ReplaceAll(code, "1", "l"), strings.ReplaceAll(code, "1", "I")} {
			f, err := recovery.New(now).Check(t.Context(), alice, typed, kept)
			if err != nil || f.Result != verify.Match {
				t.Errorf("%q typed as %q: %+v, %v", code, typed, f, err)
			}
		}
	}
}

func TestUsedCodesAreKnownAndCounted(t *testing.T) {
	codes, record := makeSet(t)
	kept := keep(record)
	f := recovery.New(now)
	for i, code := range codes {
		if holds, _, err := f.Holds(kept); !holds || err != nil {
			t.Fatalf("before code %d: %v, %v", i+1, holds, err)
		}
		finding, err := f.Check(t.Context(), alice, code, kept)
		if err != nil || finding.Result != verify.Match || !kept.Take(finding) {
			t.Fatalf("code %d: %+v, %v", i+1, finding, err)
		}
		left := 9 - i
		if want := string(rune('0'+left)) + " left after this one"; finding.Detail != want {
			t.Errorf("detail %q, want %q", finding.Detail, want)
		}
		record, _ := kept.Record(recovery.Key)
		if got, err := recovery.Left(record); got != left || err != nil {
			t.Errorf("%d left, %v", got, err)
		}
		again, err := f.Check(t.Context(), alice, code, kept)
		if err != nil || again.Result != verify.Used || again.Detail != "used at 2027-01-15T08:00:00Z" {
			t.Errorf("once more: %+v, %v", again, err)
		}
	}
	if holds, _, err := f.Holds(kept); holds || err != nil {
		t.Errorf("after the last: %v, %v", holds, err)
	}
	if holds, _, err := f.Holds(&factortest.Kept{}); holds || err != nil {
		t.Errorf("who never had any: %v, %v", holds, err)
	}
}

// TestFindingsDoNotTellTheCode: findings go to logs.
func TestFindingsDoNotTellTheCode(t *testing.T) {
	codes, record := makeSet(t)
	kept := keep(record)
	for _, code := range codes {
		f, err := recovery.New(now).Check(t.Context(), alice, code, kept)
		if err != nil {
			t.Fatal(err)
		}
		if told := f.Device + f.Detail + string(f.Claim.To); strings.Contains(told, code) || strings.Contains(told, code[:4]) && strings.Contains(told, code[5:9]) {
			t.Errorf("%s is in %s", code, told)
		}
	}
}

// TestOldSetIsVoid: a new set between a check and its claim wins.
func TestOldSetIsVoid(t *testing.T) {
	codes, record := makeSet(t)
	kept := keep(record)
	f := recovery.New(now)
	checked, err := f.Check(t.Context(), alice, codes[0], kept)
	if err != nil || checked.Result != verify.Match {
		t.Fatalf("%+v, %v", checked, err)
	}
	_, newer := makeSet(t)
	kept.Put(recovery.Key, newer)
	if kept.Take(checked) {
		t.Error("a code of the old set was accepted after the new one was made")
	}
	if f, err := f.Check(t.Context(), alice, codes[1], kept); err != nil || f.Result != verify.NoMatch {
		t.Errorf("another one of the old set: %+v, %v", f, err)
	}
}

func TestRecordsThatCannotBeRead(t *testing.T) {
	codes, _ := makeSet(t)
	for record, want := range map[string]string{
		"":               "damaged",
		"{":              "damaged",
		`{"version":2}`:  "form 2",
		`null`:           "form 0",
		`{"version":"1"`: "damaged",
	} {
		kept := keep([]byte(record))
		f, err := recovery.New(now).Check(t.Context(), alice, codes[0], kept)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "tandem recovery") || f.Result != verify.NoMatch {
			t.Errorf("%q: %+v, %v", record, f, err)
		}
		if holds, _, err := recovery.New(now).Holds(kept); holds || err == nil {
			t.Errorf("%q: %v, %v", record, holds, err)
		}
	}
}

// TestScratchCodesOfAnotherProgram: each of them lets the user in once, appended to the password or alone.
func TestScratchCodesOfAnotherProgram(t *testing.T) {
	own, _ := makeSet(t)
	scratch := []string{"55259776", "47456833", "00000000", own[0]}
	var codes []secret.String
	for _, code := range scratch {
		codes = append(codes, secret.New(code))
	}
	record, err := recovery.From(codes, now())
	if err != nil {
		t.Fatal(err)
	}
	if left, err := recovery.Left(record); left != len(scratch) || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
	core := nodes(t, 1, newCrowd(1))[0]
	give(t, core, record)
	if v := login(t.Context(), core, "55259777"); v.Reason != verify.ReasonWrongCode {
		t.Errorf("a wrong code: %s", v.Reason)
	}
	for i, code := range scratch[1:] {
		if bytes.Contains(record, []byte(code)) {
			t.Errorf("the record holds a code: %s", record)
		}
		for _, want := range []verify.Reason{verify.ReasonOK, verify.ReasonReplayedCode} {
			if v := login(t.Context(), core, code); v.Reason != want {
				t.Errorf("code %d: %s, want %s", i+2, v.Reason, want)
			}
		}
	}
	if n := left(t, core); n != 1 {
		t.Errorf("%d left", n)
	}
}

func TestScratchCodesThatAreNotTaken(t *testing.T) {
	many := make([]secret.String, 65)
	for i := range many {
		many[i] = secret.New(fmt.Sprintf("%08d", i))
	}
	for want, codes := range map[string][]secret.String{
		"1 to 64":                  nil,
		"there are 65":             many,
		"code 2 of 2 is neither":   {secret.New("12345678"), secret.New("1234567a")},
		"code 1 of 1 is neither":   {secret.New("123456789")},
		"code 2 of 2 stands there": {secret.New("12345678"), secret.New("12345678")},
	} {
		record, err := recovery.From(codes, now())
		if err == nil || record != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "1234567") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// FuzzCheck: whatever is typed, and whatever stands in the store, only a code of the set matches.
func FuzzCheck(f *testing.F) {
	_, record, err := recovery.Make(bytes.NewReader(make([]byte, 1024)), now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("0000-0000-0000-0000", record)
	f.Add("0000000000000000", []byte(`{"version":1,"codes":[{"salt":null,"hash":null},{}]}`))
	f.Add("K000-0000-0000-0000", []byte(`{"version":1,"codes":null}`)) // the Kelvin sign's lower case is a k
	f.Add("\r\n", []byte(nil))
	f.Fuzz(func(t *testing.T, typed string, record []byte) {
		kept := keep(record)
		finding, err := recovery.New(now).Check(t.Context(), alice, typed, kept)
		if err != nil && finding.Result != verify.NoMatch {
			t.Fatalf("an error and %+v", finding)
		}
		if finding.Result != verify.Match {
			return
		}
		if n := len(typed); n != 8 && n != 16 && n != 19 {
			t.Fatalf("%q matches", typed)
		}
		before, errBefore := recovery.Left(finding.Claim.From)
		after, errAfter := recovery.Left(finding.Claim.To)
		if errBefore != nil || errAfter != nil || after != before-1 {
			t.Fatalf("%d left, then %d: %v, %v", before, after, errBefore, errAfter)
		}
	})
}
