package ldap

import (
	"testing"

	"tandem/test/slapdtest"
)

// BenchmarkLookupAndBind is the LDAP part of one login, many at once: a search and a bind.
func BenchmarkLookupAndBind(b *testing.B) {
	s := slapdtest.Start(b, slapdtest.Options{Users: []slapdtest.User{alice}})
	d := open(b, config(s.URL))
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			u, err := d.Lookup(b.Context(), "alice")
			if err == nil {
				err = d.CheckPassword(b.Context(), u, "wonderland")
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
