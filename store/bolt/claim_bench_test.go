package bolt

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"tandem/store"
)

// BenchmarkClaim is a high-water mark raised, on disk, with 64 logins at once. Run it with -cpu 1,2: on one
// core the others can only join a group if the committer lets them run.
func BenchmarkClaim(b *testing.B) {
	s, err := Open(Options{Path: filepath.Join(b.TempDir(), "state.db"), Logger: discard})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var claims atomic.Uint64
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(next *testing.PB) {
		for next.Next() {
			n := claims.Add(1)
			key := fmt.Sprintf("mark/user-%d/totp", n%10_000)
			if err := s.Update(b.Context(), func(tx store.Tx) error {
				if _, err := tx.Get(key); err != nil {
					return err
				}
				tx.Put(key, binary.BigEndian.AppendUint64(nil, n), 0)
				return nil
			}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "claims/s")
	b.ReportMetric(s.Stats().MeanGroup, "claims/commit")
}
