package verify_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"tandem/directory"
	"tandem/store/bolt"
	"tandem/verify"
)

// BenchmarkLogin is a whole login through the core, password and TOTP: with a store in memory, and with claims on disk
// and 64 logins at once.
func BenchmarkLogin(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		w := newBench(b)
		b.ReportAllocs()
		for b.Loop() {
			w.clock.Add(30 * time.Second) // a code is good once
			if v := w.try(password + w.code(rfcKey, 0)); v.Outcome != verify.Accept {
				b.Fatal(v)
			}
			w.records = w.records[:0]
		}
	})
	b.Run("disk", func(b *testing.B) {
		w := newBench(b)
		const users = 1 << 16
		for i := range users {
			name := fmt.Sprintf("user%05d", i)
			w.people.users[name] = &directory.User{ID: name, Name: name, Devices: []directory.Device{totpDevice(rfcKey)}}
			w.people.passwords[name] = password
		}
		state, err := bolt.Open(bolt.Options{Path: filepath.Join(b.TempDir(), "state.db"), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		defer state.Close()
		core, err := verify.New(b.Context(), verify.Config{Store: state, Audit: noAudit{}, Log: slog.New(slog.DiscardHandler), Now: w.clock.Now}, w.setup)
		if err != nil {
			b.Fatal(err)
		}
		typed := password + w.code(rfcKey, 0)
		var logins atomic.Int64
		b.SetParallelism(64)
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(next *testing.PB) {
			for next.Next() {
				n := logins.Add(1)
				if n > users {
					b.Error("more logins than users: use a shorter -benchtime")
					return
				}
				if v := core.Start(context.Background(), attempt(fmt.Sprintf("user%05d", n-1), typed)); v.Outcome != verify.Accept {
					b.Errorf("%+v", v)
					return
				}
			}
		})
	})
}

// noAudit keeps no records.
type noAudit struct{}

func (noAudit) Record(verify.Record) error { return nil }
