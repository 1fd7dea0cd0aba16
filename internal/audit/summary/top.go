package summary

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// counted is a key of a [top].
type counted struct {
	key, name string
	count     int
	// over is by how much count may be too high: what was counted for the key whose place it took.
	over int
	// last is when it was counted last, and detail what was said then.
	last   time.Time
	detail string
	at     int // in the heap
}

// top counts the most frequent of any number of keys in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi:
// Efficient Computation of Frequent and Top-k Elements in Data Streams, 2005). While there are no more keys than
// places, counts are exact; beyond, every key that makes up more than 1/places of all is found.
type top struct {
	places int
	byKey  map[string]*counted
	least  leastFirst
}

func newTop(places int) *top { return &top{places: places, byKey: map[string]*counted{}} }

// add counts key, which people know by that name.
func (t *top) add(key, name string, at time.Time, detail string) {
	c, known := t.byKey[key]
	switch {
	case known:
	case len(t.byKey) < t.places:
		c = &counted{}
		heap.Push(&t.least, c)
	default:
		c = t.least[0]
		delete(t.byKey, c.key)
		*c = counted{count: c.count, over: c.count, at: c.at}
	}
	c.key, c.name = key, name
	t.byKey[key] = c
	c.count++
	if !at.Before(c.last) {
		c.last, c.detail = at, detail
	}
	heap.Fix(&t.least, c.at)
}

// most returns the n keys with the highest counts, the highest first.
func (t *top) most(n int) []*counted {
	all := slices.Clone(t.least)
	slices.SortFunc(all, func(a, b *counted) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.name, b.name), cmp.Compare(a.key, b.key))
	})
	return all[:min(n, len(all))]
}

// leastFirst is the heap of a [top].
type leastFirst []*counted

func (l leastFirst) Len() int           { return len(l) }
func (l leastFirst) Less(i, j int) bool { return l[i].count < l[j].count }
func (l leastFirst) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].at, l[j].at = i, j
}

// Push implements [heap.Interface].
func (l *leastFirst) Push(x any) {
	c, _ := x.(*counted)
	c.at = len(*l)
	*l = append(*l, c)
}

// Pop implements [heap.Interface]. Nothing is ever taken out.
func (l *leastFirst) Pop() any { panic("a top only grows") }
