package password

import (
	"context"
	"crypto/rand"
	"testing"

	"tandem/internal/secret"
)

// BenchmarkVerify shows what one login costs with each algorithm's own parameters.
func BenchmarkVerify(b *testing.B) {
	for _, name := range Algorithms {
		hash, err := Hash("correct horse", name, rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := Verify(context.Background(), secret.New(hash), "correct horse"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
