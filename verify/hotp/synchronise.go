package hotp

import (
	"fmt"

	"tandem/directory"
	"tandem/verify"
)

var (
	_ verify.Synchroniser = (*Factor)(nil)
	_ verify.Numbered     = (*Factor)(nil)
)

// Reach is how many counters around the expected one an administrator's resynchronisation looks at. Two codes of six
// digits fit one place in 10¹² by chance, so that so many can be looked at without anything being given away.
const Reach = 10_000

// Synchronise implements [verify.Synchroniser].
func (f *Factor) Synchronise(d directory.Device, codes []string, marks verify.Marks) (verify.Finding, error) {
	key := markKey(d)
	mark, marked, err := marks.Mark(key)
	if err != nil {
		return verify.Finding{}, err
	}
	next, err := first(d, mark, marked, marks)
	if err != nil {
		return verify.Finding{}, err
	}
	if at, ok, err := f.findRow(d, codes, next, Reach); err != nil || ok {
		return verify.Finding{
			Result: verify.Match, Device: d.Name, Claim: verify.Claim{Key: key, Value: at + uint64(len(codes)) - 1},
			Detail: fmt.Sprintf("%d ahead", at-next),
		}, err
	}
	behind := min(next, Reach)
	if at, ok, err := f.findRow(d, codes, next-behind, behind); err != nil || ok {
		return verify.Finding{
			Result: verify.Used, Device: d.Name,
			Detail: fmt.Sprintf("these codes were used, or skipped, already: press the button until %d more have been shown", next-at),
		}, err
	}
	return verify.Finding{}, nil
}

// findRow looks for codes, one after the other, that begin at one of n counters from first on.
func (f *Factor) findRow(d directory.Device, codes []string, first, n uint64) (at uint64, ok bool, err error) {
	for at = first; at < first+n; at++ {
		if ok, err = f.row(d, codes, at); ok || err != nil {
			return at, ok, err
		}
	}
	return 0, false, nil
}

// row reports whether codes are those of the counters from first on.
func (f *Factor) row(d directory.Device, codes []string, first uint64) (bool, error) {
	for i, code := range codes {
		if ok, err := f.config.Matches(d, first+uint64(i), code); err != nil || !ok {
			return false, err
		}
	}
	return len(codes) > 0, nil
}

// Spent implements [verify.Numbered].
func (*Factor) Spent(d directory.Device, counter uint64) verify.Claim {
	return verify.Claim{Key: markKey(d), Value: counter}
}

// Use implements [verify.Numbered].
func (*Factor) Use(_ directory.Device, counter uint64) verify.Use {
	next := counter + 1
	return verify.Use{Counter: &next, Text: fmt.Sprintf("counter %d", counter)}
}

func markKey(d directory.Device) string { return "hotp/" + d.Fingerprint("hotp") }
