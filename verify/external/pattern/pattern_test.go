package pattern_test

import (
	"crypto/rand"
	"errors"
	"maps"
	mathrand "math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"tandem/verify/external/pattern"
)

func compile(t *testing.T, text string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func make1(t *testing.T, p *pattern.Pattern) string {
	t.Helper()
	code, err := p.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return code.Reveal()
}

func TestCodes(t *testing.T) {
	const upper, lower, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"
	for text, want := range map[string]struct {
		lengths  []int
		alphabet string
	}{
		`\d{6}`:                    {[]int{6}, digits},
		`^\d{6}$`:                  {[]int{6}, digits},
		`[0-9]{4,6}`:               {[]int{4, 5, 6}, digits},
		`\d\d\d\d\d?`:              {[]int{4, 5}, digits},
		`(?:\d{4}){2}`:             {[]int{8}, digits},
		`[A-Z]{4}-[A-Z]{4}`:        {[]int{9}, "-" + upper},
		`([a-z]{3}|\d{4})x{1,2}`:   {[]int{4, 5, 6}, digits + lower},
		`\w{8}`:                    {[]int{8}, digits + upper + "_" + lower},
		`[[:xdigit:]]{8}`:          {[]int{8}, digits + "ABCDEFabcdef"},
		`[Aa][Bb]\d{4}`:            {[]int{6}, digits + "ABab"},
		`(?i:k)\d{5}`:              {[]int{6}, digits + "Kk"},
		`[^\x00-/:-\x{10FFFF}]{5}`: {[]int{5}, digits},
		`[0-9٠-٩]{6}`:              {[]int{6}, digits},
	} {
		p := compile(t, text)
		if got := p.Lengths(); !slices.Equal(got, want.lengths) {
			t.Errorf("%s: lengths %v", text, got)
		}
		if got := p.Alphabet(); got != want.alphabet {
			t.Errorf("%s: alphabet %q", text, got)
		}
		matches := regexp.MustCompile(`\A(?:` + text + `)\z`)
		for range 50 {
			if code := make1(t, p); !matches.MatchString(code) {
				t.Errorf("%s made %q", text, code)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		``:                   `makes codes of less than 4 characters: make them longer, such as \d{6}`,
		`\d{3}|\d{6}`:        `makes codes of less than 4 characters: make them longer, such as \d{6}`,
		`\d+`:                `has a * or +, and so no longest code: say how many, such as \d{6}`,
		`\d{6}x*`:            `has a * or +, and so no longest code: say how many, such as \d{6}`,
		`\d{6,}`:             `has {6,}, and so no longest code: say how many, such as {6}`,
		`\d{3}^\d{3}`:        `has ^ or $ inside, where a code neither begins nor ends: remove it`,
		`(\d{6}$)`:           `has ^ or $ inside, where a code neither begins nor ends: remove it`,
		`\b\d{6}`:            `has \b or \B, which says nothing about a code's characters: remove it`,
		`\d{6} `:             `has a place where no visible ASCII character fits: name the characters, such as [A-Z2-9]`,
		`é\d{6}`:             `has a place where no visible ASCII character fits: name the characters, such as [A-Z2-9]`,
		`[^\x00-\x7f]{6}`:    `has a place where no visible ASCII character fits: name the characters, such as [A-Z2-9]`,
		`[^\x00-\x{10FFFF}]`: `has a place where no visible ASCII character fits: name the characters, such as [A-Z2-9]`,
		`\d{64}`:             `makes codes of more than 63 characters: nobody types those`,
		`(\d{30}){30}`:       `makes codes of more than 63 characters: nobody types those`,
		`\d{4,20}`:           `makes codes of 17 different lengths: use at most 8, or best one`,
		`\d{3}x`:             `makes only 1000 different codes, which can be guessed: use at least 10000, such as \d{6}`,
		`-\d{6}`:             `makes codes that begin with a dash, which commands take for an option: let them begin with another character`,
		`(\d?|x-?)-?\d{6}`:   `makes codes that begin with a dash, which commands take for an option: let them begin with another character`,
		`[^a]{8}`:            `makes codes that begin with a dash, which commands take for an option: let them begin with another character`,
		`\d{6`:               `makes codes of less than 4 characters: make them longer, such as \d{6}`, // "{6" is read as text,
		`(\d{6}`:             "is not a regular expression: error parsing regexp: missing closing ): `(\\d{6}`",
		`(?=\d)\d{6}`:        "is not a regular expression: error parsing regexp: invalid or unsupported Perl syntax: `(?=`",

		strings.Repeat(`\d`, 129): `is 258 octets long: use at most 256`,
	} {
		if _, err := pattern.Compile(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestEachCodeIsAsLikely draws from small sets whose parts are of unequal size, with a fixed seed.
func TestEachCodeIsAsLikely(t *testing.T) {
	random := mathrand.NewChaCha8([32]byte{1})
	p := compile(t, `[0-2]{4}x?|[a-z]\d{4}`) // 81 + 81 + 260000
	short := 0
	const draws = 100_000
	for range draws {
		code, err := p.New(random)
		if err != nil {
			t.Fatal(err)
		}
		if code.Reveal()[0] <= '2' {
			short++
		}
	}
	if want := draws * 162 / 260_162; short < want/2 || short > want*2 {
		t.Errorf("%d of the %d codes in the small part, expected about %d", short, draws, want)
	}

	p = compile(t, `\d{4}`)
	seen := map[string]int{}
	for range draws {
		code, err := p.New(random)
		if err != nil {
			t.Fatal(err)
		}
		seen[code.Reveal()]++
	}
	chi := 0.0
	for n := range 10_000 {
		d := float64(seen[leftPad(n)]) - draws/10_000
		chi += d * d / (draws / 10_000)
	}
	if chi < 9_300 || chi > 10_700 { // 9999 degrees of freedom: five standard deviations
		t.Errorf("chi squared is %.0f", chi)
	}
	if most := slices.Max(slices.Collect(maps.Values(seen))); most > 60 {
		t.Errorf("one code came %d times in %d", most, draws)
	}
}

func leftPad(n int) string { return ("000" + strconv.Itoa(n))[len(strconv.Itoa(n))-1:] }

// TestEveryCodeCanBeMade counts through a whole set.
func TestEveryCodeCanBeMade(t *testing.T) {
	p := compile(t, `[a-d]\d{3}x?|[e-h]\d{3}`)
	const want = 4000*2 + 4000
	seen := map[string]bool{}
	random := mathrand.NewChaCha8([32]byte{2})
	for range 12 * want {
		code, err := p.New(random)
		if err != nil {
			t.Fatal(err)
		}
		seen[code.Reveal()] = true
	}
	if len(seen) != want {
		t.Errorf("%d codes, expected %d", len(seen), want)
	}
}

func TestWithoutRandomnessThereIsNoCode(t *testing.T) {
	broken := errors.New("no entropy")
	code, err := compile(t, `\d{6}`).New(iotest.ErrReader(broken))
	if !errors.Is(err, broken) || !code.Empty() {
		t.Errorf("%q, %v", code.Reveal(), err)
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{
		`\d{6}`, `^[A-Z]{4}-[a-z]{4}$`, `(a|b|cd){3,5}`, `(?i)straße\d{9}`, `[^a]{6}`, `(x?){9}\d{4}`, `((a{1,9}){1,9}){1,9}`, `(){1000}\d{6}`,
		`\pN{6}`, `(?s).{6}`, `\Q-a.b\E\d{6}`, `[[:^alpha:]]{5}`, `a|b|[c-e]|ff\d{4}`, `(?P<n>\d{6})`, `\x{212A}{6}`, `(|){9}(||){9}\d{5}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := pattern.Compile(text)
		if err != nil {
			return
		}
		matches, err := regexp.Compile(`\A(?:` + text + `)\z`)
		if err != nil {
			t.Skip() // text closes our parenthesis
		}
		for range 5 {
			code := make1(t, p)
			if !matches.MatchString(code) {
				t.Errorf("%q made %q", text, code)
			}
			if !slices.Contains(p.Lengths(), len(code)) || strings.Trim(code, p.Alphabet()) != "" || code[0] == '-' {
				t.Errorf("%q made %q, of lengths %v and alphabet %q", text, code, p.Lengths(), p.Alphabet())
			}
		}
	})
}

func BenchmarkNew(b *testing.B) {
	p, err := pattern.Compile(`\d{6}`)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.New(rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}
