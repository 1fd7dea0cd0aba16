package main

import "testing"

func TestGarbagePercent(t *testing.T) {
	for inUse, want := range map[uint64]int{
		0: mostGarbage, 1 << 20: mostGarbage, garbage / 8: 800, garbage/8 + 8: 400, garbage / 2: 200, garbage: 100, 1 << 40: 100,
	} {
		if got := garbagePercent(inUse); got != want {
			t.Errorf("%d bytes in use: %d %%, want %d", inUse, got, want)
		}
	}
}
