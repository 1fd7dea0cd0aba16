package main

import (
	"math"
	"strings"
	"testing"
)

func TestSimulation(t *testing.T) {
	results := simulate(100_000, 8)
	if len(results) != 7 {
		t.Fatalf("%d results, want those of 2 to 8 clusters", len(results))
	}
	for _, r := range results {
		if r.least < 0.95 || r.most > 1.05 {
			t.Errorf("%d clusters: %.3f to %.3f of the mean", r.clusters, r.least, r.most)
		}
		if ideal := 1 / float64(r.clusters+1); math.Abs(r.moved-ideal) > 0.01 || r.strayed != 0 {
			t.Errorf("%d clusters: %.3f of all users move, want %.3f; %d of them between old ones", r.clusters, r.moved, ideal, r.strayed)
		}
	}
	var b strings.Builder
	if err := printTable(&b, results); err != nil || strings.Count(b.String(), "\n") != 9 {
		t.Errorf("%v\n%s", err, b.String())
	}
}
