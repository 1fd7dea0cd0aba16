package main

import (
	"context"
	"os"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

const (
	// garbage is how much of it, in bytes, may gather before it is collected. The runtime's own measure is as much as is
	// in use, which is a few megabytes here: under load, a quarter of the time would go into collecting.
	garbage = 32 << 20
	// mostGarbage bounds the same in per cent of what is in use.
	mostGarbage = 800
	// garbageLook is how often is looked at what is in use: a users file may have grown.
	garbageLook = 5 * time.Second
)

// letGarbageGather sets the runtime's collector until ctx ends, unless the administrator does (GOGC).
func letGarbageGather(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	inUse := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := 0
	look := time.NewTicker(garbageLook)
	defer look.Stop()
	for {
		runtimemetrics.Read(inUse)
		if percent := garbagePercent(inUse[0].Value.Uint64()); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// garbagePercent is what [debug.SetGCPercent] is told if so many bytes are in use: in steps, since each change of it
// stops everything for a moment.
func garbagePercent(inUse uint64) int {
	percent := mostGarbage
	for percent > 100 && inUse*uint64(percent)/100 > garbage {
		percent /= 2
	}
	return percent
}
