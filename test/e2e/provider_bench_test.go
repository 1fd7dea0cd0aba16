package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"layeh.com/radius"
)

// BenchmarkTOTPBesideAHangingProvider measures logins by app while as many others as may wait for a command that hangs
// do so, and, in turns within the same run, while none does. p99-ratio is what the hanging costs.
func BenchmarkTOTPBesideAHangingProvider(b *testing.B) {
	const users, rounds, each = 4000, 4, 400
	path := post{b, b.TempDir()}.script("hang", "sleep 60\n")
	tokens := map[string]*token{}
	for i := range users {
		name := fmt.Sprintf("user%d", i)
		tokens[name] = newToken(name)
	}
	var factors strings.Builder // one a round: after five calls that hung, a factor is left alone for a while
	for round := range rounds {
		fmt.Fprintf(&factors, "[[factor.external]]\nname = \"pager%d\"\ncode = '\\d{6}'\nsend = %q\ncode_on_stdin = true\n", round, path)
	}
	d := newDaemon(b, onFile+factors.String(), usersFile(b, tokens))
	next := 0
	measure := func() (took []time.Duration) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 4 {
			first := next
			next += each / 4
			all.Go(func() {
				for i := range each / 4 {
					name := fmt.Sprintf("user%d", first+i)
					began := time.Now()
					d.want(d.try(name, alicePassword+tokens[name].totp(b, 0)), radius.CodeAccessAccept, name)
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				}
			})
		}
		all.Wait()
		return took
	}
	p99 := func(took []time.Duration) float64 {
		slices.Sort(took)
		return took[len(took)*99/100].Seconds() * 1000
	}
	for b.Loop() {
		var alone, beside []time.Duration
		for round := range rounds {
			alone = append(alone, measure()...)
			var waiting sync.WaitGroup
			for i := range 16 { // max_concurrent
				waiting.Go(func() { d.try(fmt.Sprintf("user%d", users-1-i), fmt.Sprintf("%s,pager%d", alicePassword, round)) })
			}
			time.Sleep(300 * time.Millisecond) // they hang
			beside = append(beside, measure()...)
			waiting.Wait()
		}
		b.ReportMetric(p99(alone), "p99-ms-alone")
		b.ReportMetric(p99(beside), "p99-ms-beside")
		b.ReportMetric(p99(beside)/p99(alone), "p99-ratio")
		next = 0
		if b.N > 1 {
			break
		}
	}
}
