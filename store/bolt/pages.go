package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"

	"tandem/store"
)

// bbolt's file format, version 2 (go.etcd.io/bbolt/internal/common): all numbers in the byte
// order of the machine.
//
//	page     id 8, flags 2, count 2, overflow 4 (further pages that belong to this one), body
//	meta     magic 4, version 4, page size 4, flags 4, root bucket 16, free list's page 8,
//	         number of pages 8, transaction 8, checksum 8 (FNV-1a 64 of all before)
//	branch   count × (key's offset 4, key's length 4, child page 8), then the keys
//	leaf     count × (flags 4, key's offset 4, key's length 4, value's length 4), then keys and values
//	free     count × page 8; a count of 0xFFFF means that the first number is the count
//	bucket   root page 8, sequence 8; root page 0: a leaf page follows inline
//
// An offset counts from the element that it stands in.
const (
	magic       = 0xED0CDAED
	fileVersion = 2

	branchPage = 0x01
	leafPage   = 0x02
	metaPage   = 0x04
	freePage   = 0x10

	bucketFlag = 0x01

	pageHeader   = 16
	elementSize  = 16 // of branch and leaf alike
	bucketHeader = 16
	metaSize     = 64

	minPageSize = 1 << 10
	maxPageSize = 1 << 24
	// maxDepth is far above what a tree of four or more keys a page can reach.
	maxDepth = 64
)

var order = binary.NativeEndian

// A meta is one of the two roots of the file.
type meta struct {
	pageSize    uint32
	root        uint64
	freelist    uint64
	pages       uint64
	transaction uint64
}

// readMetas reads both meta pages.
func readMetas(f io.ReaderAt) (newest, older meta, err error) {
	first, err := readMeta(f, 0, 0)
	if err != nil {
		return meta{}, meta{}, err
	}
	second, err := readMeta(f, 1, int64(first.pageSize))
	if err != nil {
		return meta{}, meta{}, err
	}
	if first.pageSize != second.pageSize {
		return meta{}, meta{}, corrupt("meta pages say pages of %d and of %d bytes", first.pageSize, second.pageSize)
	}
	if second.transaction > first.transaction {
		return second, first, nil
	}
	return first, second, nil
}

// checkPages reads the whole structure of the file of size bytes, trusting nothing. After it returned no error, bbolt can map
// the file: every page is used once or free, every reference leads to a page of the right kind inside the file, all
// keys are in order. What is in the records is not its business. The error is [store.ErrCorrupt], or an input error.
//
// It returns the newer meta page, and which pages only that leads to: those that the last commit wrote.
func checkPages(f io.ReaderAt, size int64) (newest meta, written []uint64, err error) {
	newest, older, err := readMetas(f)
	if err != nil {
		return meta{}, nil, err
	}
	limit := uint64(size) / uint64(newest.pageSize)
	now, err := walk(f, newest, limit)
	if err != nil {
		return meta{}, nil, err
	}
	for id, used := range now.used {
		if !used {
			return meta{}, nil, corrupt("page %d is neither used nor free", id)
		}
	}
	// It may be broken where it was written over since: then all pages count as written.
	before, err := walk(f, older, limit)
	for id, leads := range now.reached {
		if leads && (err != nil || id >= len(before.reached) || !before.reached[id]) {
			written = append(written, uint64(id))
		}
	}
	return newest, written, nil
}

// walk reads the free list and the tree below m. The file has so many pages.
func walk(f io.ReaderAt, m meta, pages uint64) (*pageCheck, error) {
	if m.pages > pages || m.pages < 4 {
		return &pageCheck{}, corrupt("cut off: it should have %d pages and has %d", m.pages, pages)
	}
	c := &pageCheck{f: f, meta: m, used: make([]bool, m.pages), reached: make([]bool, m.pages)}
	c.used[0], c.used[1] = true, true
	if err := c.freelist(); err != nil {
		return c, err
	}
	return c, c.bucket(m.root, 0)
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", store.ErrCorrupt, fmt.Sprintf(format, args...))
}

// readMeta reads meta page id, which begins at offset.
func readMeta(f io.ReaderAt, id uint64, offset int64) (meta, error) {
	page := make([]byte, pageHeader+metaSize)
	if n, err := f.ReadAt(page, offset); n < len(page) {
		return meta{}, fmt.Errorf("%w: meta page %d: %w", store.ErrCorrupt, id, err)
	}
	body := page[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(body[:metaSize-8])
	switch {
	case order.Uint64(page) != id || order.Uint16(page[8:]) != metaPage, order.Uint32(body) != magic:
		return meta{}, corrupt("page %d is not a bbolt meta page", id)
	case order.Uint64(body[metaSize-8:]) != sum.Sum64():
		return meta{}, corrupt("meta page %d has a wrong checksum", id)
	case order.Uint32(body[4:]) != fileVersion:
		return meta{}, corrupt("bbolt format %d, want %d", order.Uint32(body[4:]), fileVersion)
	}
	m := meta{
		pageSize:    order.Uint32(body[8:]),
		root:        order.Uint64(body[16:]),
		freelist:    order.Uint64(body[32:]),
		pages:       order.Uint64(body[40:]),
		transaction: order.Uint64(body[48:]),
	}
	if m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0 {
		return meta{}, corrupt("meta page %d says pages of %d bytes", id, m.pageSize)
	}
	if m.transaction%2 != id {
		return meta{}, corrupt("meta page %d has transaction %d, which is the other's", id, m.transaction)
	}
	return m, nil
}

// A pageCheck is one walk over the pages below a meta page.
type pageCheck struct {
	f    io.ReaderAt
	meta meta
	// used tells of each page whether it was found yet, in the tree or on the free list; reached, whether it is part of
	// the tree, or of the free list itself.
	used, reached []bool
}

// claim marks n pages from id on as used.
func (c *pageCheck) claim(id, n uint64) error {
	if id >= c.meta.pages || n > c.meta.pages-id {
		return corrupt("a reference to pages %d+%d, of %d", id, n, c.meta.pages)
	}
	for i := id; i < id+n; i++ {
		if c.used[i] {
			return corrupt("page %d is used twice", i)
		}
		c.used[i] = true
	}
	return nil
}

// read claims page id with its overflow and returns it.
func (c *pageCheck) read(id uint64) ([]byte, error) {
	if err := c.claim(id, 1); err != nil {
		return nil, err
	}
	pageSize := int(c.meta.pageSize)
	page, err := c.readAt(id, pageSize)
	if err != nil {
		return nil, err
	}
	if got := order.Uint64(page); got != id {
		return nil, corrupt("page %d calls itself page %d", id, got)
	}
	overflow := uint64(order.Uint32(page[12:]))
	c.reached[id] = true
	if overflow == 0 {
		return page, nil
	}
	if err := c.claim(id+1, overflow); err != nil {
		return nil, err
	}
	for i := id + 1; i <= id+overflow; i++ {
		c.reached[i] = true
	}
	return c.readAt(id, pageSize*int(overflow+1))
}

func (c *pageCheck) readAt(id uint64, size int) ([]byte, error) {
	page := make([]byte, size)
	if n, err := c.f.ReadAt(page, int64(id)*int64(c.meta.pageSize)); n < size {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return page, nil
}

func (c *pageCheck) freelist() error {
	page, err := c.read(c.meta.freelist)
	if err != nil {
		return fmt.Errorf("free list: %w", err)
	}
	if order.Uint16(page[8:]) != freePage {
		return corrupt("page %d is not a free list", c.meta.freelist)
	}
	count, ids := uint64(order.Uint16(page[10:])), page[pageHeader:]
	if count == 0xFFFF {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return corrupt("free list of %d pages on %d bytes", count, len(page))
	}
	for i := range count {
		if err := c.claim(order.Uint64(ids[8*i:]), 1); err != nil {
			return fmt.Errorf("free list: %w", err)
		}
	}
	return nil
}

// bucket walks the tree of the bucket whose root is page id. Nesting is 0 for the file's own
// bucket of buckets and 1 for those in it, which hold no others.
func (c *pageCheck) bucket(id uint64, nesting int) error {
	_, err := c.tree(id, keyRange{}, 0, nesting)
	return err
}

// A keyRange is what the branches above allow a page: keys from first on and before end.
type keyRange struct{ first, end []byte }

// tree walks the page id and all below it, and returns its last key.
func (c *pageCheck) tree(id uint64, allowed keyRange, depth, nesting int) (last []byte, err error) {
	if depth > maxDepth {
		return nil, corrupt("page %d is %d levels deep", id, depth)
	}
	page, err := c.read(id)
	if err != nil {
		return nil, err
	}
	switch kind := order.Uint16(page[8:]); kind {
	case leafPage:
		return c.leaf(page, allowed, nesting)
	case branchPage:
		return c.branch(page, allowed, depth, nesting)
	default:
		return nil, corrupt("page %d of a tree is of kind %#x", id, kind)
	}
}

func (c *pageCheck) branch(page []byte, allowed keyRange, depth, nesting int) (last []byte, err error) {
	count := int(order.Uint16(page[10:]))
	if count == 0 || pageHeader+count*elementSize > len(page) {
		return nil, corrupt("branch page %d has %d children on %d bytes", order.Uint64(page), count, len(page))
	}
	keys := make([][]byte, count)
	for i := range keys {
		at := pageHeader + i*elementSize
		if keys[i], err = cut(page, at, order.Uint32(page[at:]), order.Uint32(page[at+4:])); err != nil {
			return nil, err
		}
	}
	last = allowed.first
	for i, key := range keys {
		if err := inOrder(page, i, last, key, allowed.end); err != nil {
			return nil, err
		}
		below := keyRange{first: key, end: allowed.end}
		if i+1 < count {
			below.end = keys[i+1]
		}
		child := order.Uint64(page[pageHeader+i*elementSize+8:])
		if last, err = c.tree(child, below, depth+1, nesting); err != nil {
			return nil, err
		}
	}
	return last, nil
}

func (c *pageCheck) leaf(page []byte, allowed keyRange, nesting int) (last []byte, err error) {
	count := int(order.Uint16(page[10:]))
	if pageHeader+count*elementSize > len(page) {
		return nil, corrupt("leaf page %d has %d elements on %d bytes", order.Uint64(page), count, len(page))
	}
	last = allowed.first
	for i := range count {
		at := pageHeader + i*elementSize
		offset, keySize, valueSize := order.Uint32(page[at+4:]), order.Uint32(page[at+8:]), order.Uint32(page[at+12:])
		key, err := cut(page, at, offset, keySize)
		if err != nil {
			return nil, err
		}
		value, err := cut(page, at+int(offset)+int(keySize), 0, valueSize)
		if err != nil {
			return nil, err
		}
		if err := inOrder(page, i, last, key, allowed.end); err != nil {
			return nil, err
		}
		last = key
		switch flags := order.Uint32(page[at:]); {
		case flags == bucketFlag && nesting == 0:
			err = c.entry(key, value)
		case flags != 0 || nesting == 0:
			err = corrupt("element %d of leaf page %d has flags %#x", i, order.Uint64(page), flags)
		}
		if err != nil {
			return nil, err
		}
	}
	return last, nil
}

// entry walks the bucket that value is the header of.
func (c *pageCheck) entry(name, value []byte) error {
	if len(value) < bucketHeader {
		return corrupt("bucket %q is cut off", name)
	}
	root := order.Uint64(value)
	if root != 0 {
		return c.bucket(root, 1)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != leafPage {
		return corrupt("bucket %q is broken", name)
	}
	_, err := c.leaf(inline, keyRange{}, 1)
	return err
}

// cut returns size bytes of page, offset bytes after at.
func cut(page []byte, at int, offset, size uint32) ([]byte, error) {
	begin := uint64(at) + uint64(offset)
	end := begin + uint64(size)
	if end > uint64(len(page)) {
		return nil, corrupt("an element of page %d lies outside it", order.Uint64(page))
	}
	return page[begin:end], nil
}

// inOrder checks that key, the i-th of page, comes after last and before end. The first may be
// equal to last, which then is the key that the branch above knows the page by.
func inOrder(page []byte, i int, last, key, end []byte) error {
	after := bytes.Compare(key, last)
	if last != nil && (after < 0 || after == 0 && i > 0) || end != nil && bytes.Compare(key, end) >= 0 {
		return corrupt("key %d of page %d is out of order", i, order.Uint64(page))
	}
	return nil
}
