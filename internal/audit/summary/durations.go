package summary

import (
	"math"
	"slices"
)

// The classes of durations: class i holds what took at most shortest·2^(i/perOctave) ms. A percentile is the
// upper bound of its class, and so at most 4.5 % too high.
const (
	shortest  = 0.01
	perOctave = 16
	classes   = 27*perOctave + 1 // up to 22 minutes
	// longest is a day: no step takes longer, whatever a line says.
	longest = 24 * 60 * 60 * 1000
)

// durations counts how long steps took, in bounded memory.
type durations struct {
	classes [classes]uint32
	count   int
	max     float64
}

func (d *durations) add(ms float64) {
	ms = min(max(ms, 0), longest)
	i := 0
	if ms > shortest {
		i = int(math.Ceil(perOctave * math.Log2(ms/shortest)))
	}
	d.classes[min(i, classes-1)]++
	d.count++
	d.max = max(d.max, ms)
}

// percentile is the duration in ms that so many of a hundred did not exceed.
func (d *durations) percentile(p int) float64 {
	wanted := (d.count*p + 99) / 100
	seen := 0
	for i, n := range d.classes {
		if seen += int(n); seen >= wanted {
			return min(d.max, shortest*math.Exp2(float64(i)/perOctave))
		}
	}
	return d.max
}

// maxGroups bounds how many doors, factors or reasons are told apart; what comes then is counted as others. There are
// some dozens; a file may hold anything.
const (
	maxGroups = 100
	others    = "(others)"
)

// grouped are durations by door, by factor or by reason.
type grouped map[string]*durations

func (g grouped) add(name string, ms float64) {
	d := g[name]
	if d == nil && len(g) >= maxGroups {
		name = others
		d = g[name]
	}
	if d == nil {
		d = new(durations)
		g[name] = d
	}
	d.add(ms)
}

// slowest lists the groups by their 95th percentile, the slowest first.
func (g grouped) slowest(kind string) []Took {
	took := make([]Took, 0, len(g))
	for name, d := range g {
		took = append(took, Took{Kind: kind, Name: name, Steps: d.count, P50: round(d.percentile(50)), P95: round(d.percentile(95)), Max: round(d.max)})
	}
	slices.SortFunc(took, func(a, b Took) int { return compareTook(b, a) })
	return took
}

// round keeps what can be read at a glance: microseconds.
func round(ms float64) float64 { return math.Round(ms*1000) / 1000 }
