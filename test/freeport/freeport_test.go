package freeport

import "testing"

func TestFind(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		port, err := Find()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < lowest || port >= highest {
			t.Fatalf("port %d a second time, or out of bounds", port)
		}
		seen[port] = true
	}
}
