package bolt

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"tandem/store"
)

// A layout knows where the pages of a sample are.
type layout struct {
	content  []byte
	pageSize int
	meta     meta
	free     []uint64
}

func layOut(t *testing.T, content []byte) *layout {
	t.Helper()
	first, err1 := readMeta(bytes.NewReader(content), 0, 0)
	second, err2 := readMeta(bytes.NewReader(content), 1, int64(first.pageSize))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	l := &layout{content: content, pageSize: int(first.pageSize), meta: first}
	if second.transaction > first.transaction {
		l.meta = second
	}
	list := l.page(l.meta.freelist)
	for i := range int(order.Uint16(list[10:])) {
		l.free = append(l.free, order.Uint64(list[pageHeader+8*i:]))
	}
	if len(l.free) < 2 {
		t.Fatal("the sample has too few free pages")
	}
	return l
}

// page returns the content from page id on, to change.
func (l *layout) page(id uint64) []byte {
	return l.content[int(id)*l.pageSize:]
}

// used returns the first used page of a kind that satisfies also.
func (l *layout) used(kind uint16, also func(page []byte) bool) []byte {
	for id := range l.meta.pages {
		page := l.page(id)
		if order.Uint16(page[8:]) == kind && order.Uint64(page) == id && !slices.Contains(l.free, id) && also(page) {
			return page
		}
	}
	panic("the sample has no such page")
}

func count(page []byte) int { return int(order.Uint16(page[10:])) }

func (l *layout) branch() []byte {
	return l.used(branchPage, func(p []byte) bool { return count(p) > 2 })
}

// leaf is one of records.
func (l *layout) leaf() []byte {
	return l.used(leafPage, func(p []byte) bool { return count(p) > 4 && bytes.Contains(p[:l.pageSize], []byte("record 0")) })
}

func (l *layout) overflowing() []byte {
	return l.used(leafPage, func(p []byte) bool { return order.Uint32(p[12:]) > 0 })
}

// element returns element i of a branch or leaf page.
func element(page []byte, i int) []byte { return page[pageHeader+elementSize*i:] }

func TestRow46_EveryReferenceIsChecked(t *testing.T) {
	o := newOpener(t, t.TempDir())
	content := writeSample(t, o)
	tests := []struct {
		name   string
		damage func(l *layout)
		want   string
	}{
		{"nothing", func(*layout) {}, ""},
		{"page calls itself another", func(l *layout) { l.leaf()[0]++ }, "calls itself"},
		{"child is another child", func(l *layout) {
			copy(element(l.branch(), 1)[8:16], element(l.branch(), 0)[8:16])
		}, "used twice"},
		{"child is the page itself", func(l *layout) { copy(element(l.branch(), 1)[8:16], l.branch()[:8]) }, "used twice"},
		{"child is a meta page", func(l *layout) { order.PutUint64(element(l.branch(), 1)[8:], 1) }, "used twice"},
		{"child is free", func(l *layout) { order.PutUint64(element(l.branch(), 1)[8:], l.free[0]) }, "used twice"},
		{"child is outside the file", func(l *layout) { order.PutUint64(element(l.branch(), 1)[8:], 1<<40) }, "a reference to pages"},
		{"branch without children", func(l *layout) { order.PutUint16(l.branch()[10:], 0) }, "0 children"},
		{"branch with too many children", func(l *layout) { order.PutUint16(l.branch()[10:], 0xffff) }, "65535 children"},
		{"branch lost its last child", func(l *layout) { l.branch()[10]-- }, "neither used nor free"},
		{"leaf with too many elements", func(l *layout) { order.PutUint16(l.leaf()[10:], 0xffff) }, "65535 elements"},
		{"leaf is a free list", func(l *layout) { order.PutUint16(l.leaf()[8:], freePage) }, "of kind 0x10"},
		{"key outside its page", func(l *layout) { order.PutUint32(element(l.leaf(), 1)[4:], 1<<30) }, "lies outside"},
		{"key's length wraps around", func(l *layout) { order.PutUint32(element(l.leaf(), 1)[8:], 0xffffffff) }, "lies outside"},
		{"value outside its page", func(l *layout) { order.PutUint32(element(l.leaf(), 1)[12:], 1<<30) }, "lies outside"},
		{"branch key outside its page", func(l *layout) { order.PutUint32(element(l.branch(), 1)[4:], 1<<30) }, "lies outside"},
		{"same key twice", func(l *layout) {
			// Offsets count from the element, so the one before has the key one element further.
			offset := order.Uint32(element(l.leaf(), 1)[4:])
			order.PutUint32(element(l.leaf(), 2)[4:], offset-elementSize)
		}, "out of order"},
		{"first key before the branch's", func(l *layout) {
			// The second child's, because nothing bounds the first.
			child := l.page(order.Uint64(element(l.branch(), 1)[8:]))
			child[pageHeader+order.Uint32(element(child, 0)[4:])] = 0
		}, "out of order"},
		{"last key beyond the branch's", func(l *layout) {
			child := l.page(order.Uint64(element(l.branch(), 0)[8:]))
			last := count(child) - 1
			child[pageHeader+elementSize*last+int(order.Uint32(element(child, last)[4:]))] = 0xff
		}, "out of order"},
		{"overflow onto others", func(l *layout) { l.overflowing()[12]++ }, "page"},
		{"overflow beyond the file", func(l *layout) { order.PutUint32(l.overflowing()[12:], 0xffffffff) }, "a reference to pages"},
		{"element with unknown flags", func(l *layout) { element(l.leaf(), 1)[0] = 8 }, "flags 0x8"},
		{"free list elsewhere", func(l *layout) { order.PutUint16(l.page(l.meta.freelist)[8:], leafPage) }, "not a free list"},
		{"free list too long", func(l *layout) { order.PutUint16(l.page(l.meta.freelist)[10:], 0xfffe) }, "free list of 65534"},
		{"free list far too long", func(l *layout) {
			order.PutUint16(l.page(l.meta.freelist)[10:], 0xffff)
			order.PutUint64(l.page(l.meta.freelist)[pageHeader:], 1<<63)
		}, "free list of 9223372036854775808"},
		{"free twice", func(l *layout) {
			list := l.page(l.meta.freelist)
			copy(list[pageHeader+8:pageHeader+16], list[pageHeader:pageHeader+8])
		}, "used twice"},
		{"free list names a page in use", func(l *layout) { copy(l.page(l.meta.freelist)[pageHeader:], l.leaf()[:8]) }, "used twice"},
		{"free page forgotten", func(l *layout) { l.page(l.meta.freelist)[10]-- }, "neither used nor free"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			damaged := bytes.Clone(content)
			tt.damage(layOut(t, damaged))
			_, _, err := checkPages(bytes.NewReader(damaged), int64(len(damaged)))
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (!errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want ErrCorrupt with %q", err, tt.want)
			}
		})
	}
}
