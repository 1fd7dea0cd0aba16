package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is what came of a case.
type report struct {
	Case, About string
	Notes       []string `json:",omitempty"`
	Lines       []reportLine
	bars        []bar
}

// reportLine is one line of a case, measured once a round.
type reportLine struct {
	Label        string
	Measurements []Measurement
	against      string
}

// metric is a figure of a measurement.
type metric struct {
	name string
	of   func(Measurement) float64
}

// The metrics.
var (
	rate   = metric{"logins/s", func(m Measurement) float64 { return m.LoginsPerSecond }}
	cpu    = metric{"CPU", func(m Measurement) float64 { return m.ServerMicros }}
	beside = metric{"beside", func(m Measurement) float64 { return m.BesideMicros }}
	p50    = metric{"p50", func(m Measurement) float64 { return m.P50 }}
	p95    = metric{"p95", func(m Measurement) float64 { return m.P95 }}
	p99    = metric{"p99", func(m Measurement) float64 { return m.P99 }}
	p999   = metric{"p99.9", func(m Measurement) float64 { return m.P999 }}
	others = metric{"others", func(m Measurement) float64 { return m.Others }}
	lost   = metric{"lost", func(m Measurement) float64 { return 100 * float64(m.Lost) / float64(max(1, m.Sent)) }}
	rss    = metric{"RSS", func(m Measurement) float64 { return m.RSS }}
	peak   = metric{"peak RSS", func(m Measurement) float64 { return m.PeakRSS }}
)

// bar is a ratio that has to be reached: at least or at most.
type bar struct {
	line, against string
	metric        metric
	least, most   float64
}

// median of a metric over the rounds.
func (l reportLine) median(of metric) float64 {
	values := make([]float64, len(l.Measurements))
	for i, m := range l.Measurements {
		values[i] = of.of(m)
	}
	return median(values)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// odd is the first thing that was not as it should be.
func (l reportLine) odd() string {
	for _, m := range l.Measurements {
		if m.Odd != "" {
			return m.Odd
		}
	}
	return ""
}

func (r report) line(label string) (reportLine, bool) {
	at := slices.IndexFunc(r.Lines, func(l reportLine) bool { return l.Label == label })
	if at < 0 {
		return reportLine{}, false
	}
	return r.Lines[at], true
}

// reached is the rate of the named line in this round; 0 if there is none.
func (r report) reached(label string) float64 {
	l, ok := r.line(label)
	if !ok || len(l.Measurements) == 0 {
		return 0
	}
	return l.Measurements[len(l.Measurements)-1].LoginsPerSecond
}

// ratio is one line's median divided by another's, and the lowest and highest over the rounds.
func (r report) ratio(label, against string, of metric) (middle, lowest, highest float64, ok bool) {
	l, known := r.line(label)
	o, other := r.line(against)
	if !known || !other || o.median(of) == 0 {
		return 0, 0, 0, false
	}
	for i := range l.Measurements {
		if each := of.of(o.Measurements[i]); each > 0 {
			x := of.of(l.Measurements[i]) / each
			lowest, highest = min(cmp.Or(lowest, x), x), max(highest, x)
		}
	}
	return l.median(of) / o.median(of), lowest, highest, true
}

// print writes the case as a table.
func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s\n", r.Case, r.About)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tlogins/s\tCPU µs\tbeside µs\tp50 ms\tp95\tp99\tp99.9\tRSS MiB\tpeak\tlost %\tothers %\tlogins/s ×\tCPU ×\t")
	for _, l := range r.Lines {
		fmt.Fprintf(t, "%s\t%.0f\t%.1f\t%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t%.1f\t%.0f\t", l.Label,
			l.median(rate), l.median(cpu), l.median(beside), l.median(p50), l.median(p95), l.median(p99), l.median(p999), l.median(rss), l.median(peak), l.median(lost), l.median(others))
		for _, of := range []metric{rate, cpu} {
			if x, _, _, ok := r.ratio(l.Label, l.against, of); ok {
				fmt.Fprintf(t, "%.2f", x)
			}
			fmt.Fprint(t, "\t")
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush()
	for _, l := range r.Lines {
		if odd := l.odd(); odd != "" {
			fmt.Fprintf(w, "  ! %s: %s\n", l.Label, odd)
		}
	}
	for _, b := range r.bars {
		fmt.Fprintln(w, "  "+r.judge(b))
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, "  "+n)
	}
}

// judge says how a ratio stands to its bar.
func (r report) judge(b bar) string {
	x, lowest, highest, ok := r.ratio(b.line, b.against, b.metric)
	if !ok {
		return fmt.Sprintf("%s of %s: not measured", b.metric.name, b.line)
	}
	word, sign, value, met := "MISSED", "≥", b.least, x >= b.least
	if b.least == 0 {
		sign, value, met = "≤", b.most, x <= b.most
	}
	if met {
		word = "met"
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%s of %s: %.2f × %s (%.2f to %.2f over the rounds), bar %s %.2f: %s", b.metric.name, b.line, x, b.against, lowest, highest, sign, value, word)
	return s.String()
}
