package provider_test

import (
	"strings"
	"testing"

	"tandem/verify/provider"
)

func TestNewDigits(t *testing.T) {
	for n := 6; n <= 10; n++ {
		// counts[i][d] is how often the digit d stood at place i.
		counts := make([][10]int, n)
		const codes = 2000
		for range codes {
			made, err := provider.NewDigits(n)
			if err != nil {
				t.Fatal(err)
			}
			code := made.Reveal()
			if len(code) != n || strings.Trim(code, "0123456789") != "" {
				t.Fatalf("%q is not %d digits", code, n)
			}
			for i, d := range []byte(code) {
				counts[i][d-'0']++
			}
		}
		for i := range counts {
			for d, count := range counts[i] {
				if count < codes/20 || count > codes/5 { // 7 standard deviations and more off a tenth
					t.Errorf("%d digits: %d stands %d times of %d at place %d", n, d, count, codes, i)
				}
			}
		}
	}
}
