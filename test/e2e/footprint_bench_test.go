package e2e

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"tandem/radiusd/radiusclient"
)

// BenchmarkFootprint starts tandemd with 10,000 users in a file, waits for its first answer, and reads its
// resident memory once it has been idle for a second.
func BenchmarkFootprint(b *testing.B) {
	tokens := map[string]*token{}
	for i := range 10_000 {
		tokens[fmt.Sprintf("user%05d", i)] = newToken(fmt.Sprintf("%05d", i))
	}
	d := newDaemon(b, onFile, usersFile(b, tokens))
	var rss float64
	var first time.Duration
	for b.Loop() {
		d.stop()
		began := time.Now()
		d.run()
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			_, err := radiusclient.Status(ctx, d.client(10*time.Millisecond, 0))
			cancel()
			if err == nil {
				break
			}
		}
		first += time.Since(began)
		time.Sleep(time.Second)
		rss += d.rss()
	}
	b.ReportMetric(rss/float64(b.N), "MiB-RSS")
	b.ReportMetric(first.Seconds()/float64(b.N), "s-to-first-answer")
}

// rss is the daemon's resident memory in MiB.
func (d *daemon) rss() float64 {
	d.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.process.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	for l := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			n, err := strconv.ParseFloat(strings.Fields(kib)[0], 64)
			if err != nil {
				d.t.Fatal(err)
			}
			return n / 1024
		}
	}
	d.t.Fatal("no VmRSS")
	return 0
}
