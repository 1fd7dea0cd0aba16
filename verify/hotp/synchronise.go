package hotp

import (
	"fmt"

	"tandem/directory"
	"tandem/verify"
	"tandem/verify/oath"
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
	next, err := first(d, marks)
	if err != nil {
		return verify.Finding{}, err
	}
	right, err := f.config.Codes(d)
	if err != nil {
		return verify.Finding{}, err
	}
	if at, ok := findRow(&right, codes, next, Reach); ok {
		return verify.Finding{
			Result: verify.Match, Device: d.Name, Claim: verify.Claim{Key: markKey(d), Value: at + uint64(len(codes)) - 1},
			Detail: fmt.Sprintf("%d ahead", at-next),
		}, nil
	}
	behind := min(next, Reach)
	if at, ok := findRow(&right, codes, next-behind, behind); ok {
		return verify.Finding{
			Result: verify.Used, Device: d.Name,
			Detail: fmt.Sprintf("these codes were used, or skipped, already: press the button until %d more have been shown", next-at),
		}, nil
	}
	return verify.Finding{}, nil
}

// findRow looks for codes, one after the other, that begin at one of n counters from first on.
func findRow(right *oath.Codes, codes []string, first, n uint64) (at uint64, ok bool) {
	for at = first; at < first+n; at++ {
		if isRow(right, codes, at) {
			return at, true
		}
	}
	return 0, false
}

// isRow reports whether codes are those of the counters from first on.
func isRow(right *oath.Codes, codes []string, first uint64) bool {
	for i, code := range codes {
		if !right.Match(first+uint64(i), code) {
			return false
		}
	}
	return len(codes) > 0
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
