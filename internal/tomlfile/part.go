package tomlfile

import "bytes"

// Part says where a key stands in the text, so that the text can be changed there and stay as it is elsewhere.
type Part struct {
	// Key is that of the table which the header opens, or the one that gets a value, in the form of
	// [File.Errorf]. It is valid only during the call that shows the part.
	Key []byte
	// Header: this is [table] or [[table]], and not key = value.
	Header bool
	// Line is where it begins, counted from 1.
	Line int
	// Start is the place of its first octet in the text, Value that of the assigned value's first one, and End
	// is right behind the last; a comment behind it on the same line does not belong to it.
	Start, Value, End int
}

// FromText makes a File of text that is not yet in the file at path.
func FromText(path string, text []byte) *File { return &File{path: path, data: text} }

// Text is what was read. It must not be changed.
func (f *File) Text() []byte { return f.data }

// Parts calls visit for each header and each assignment at the top level, in the order of the text, which must be
// one that [File.Decode] could read. Between two of them are white space and comments only.
func (f *File) Parts(visit func(Part)) {
	s := scanner{text: f.data, line: 1, visit: func([]byte, int) {}, part: visit, inner: func(Part) {}, arrays: arrays{last: -1}}
	s.scan()
}

// Inside calls visit for what stands in brackets in the value of p: elements of arrays, whose Start and Value are
// the same, and members of inline tables. Each comes after those inside it.
func (f *File) Inside(p Part, visit func(Part)) {
	s := scanner{text: f.data, pos: p.Value, line: p.Line, visit: func([]byte, int) {}, inner: visit}
	s.value(p.Key, 0)
}

// Pieces cuts a file that is nothing but one array of tables, [[array]] and what stands below, into files of at least
// size octets, so that a large one can be decoded little by little: if nothing is wrong with any of them, the elements
// that they decode to are those of the whole file, in their order. A file with anything else in it stays whole. Errors
// in a piece have the lines and places of the piece.
func (f *File) Pieces(array string, size int) []*File {
	cuts, alone := []int{0}, true
	f.Parts(func(p Part) {
		below, ok := bytes.CutPrefix(p.Key, []byte(array+"["))
		alone = alone && ok
		line := f.data[bytes.LastIndexByte(f.data[:p.Start], '\n')+1:]
		begins := p.Header && bytes.IndexByte(below, ']') == len(below)-1 && bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("[["))
		if begins && p.Start-cuts[len(cuts)-1] >= size {
			cuts = append(cuts, p.Start)
		}
	})
	if !alone {
		return []*File{f}
	}
	pieces := make([]*File, len(cuts))
	for i, end := range append(cuts[1:], len(f.data)) {
		pieces[i] = FromText(f.path, f.data[cuts[i]:end])
	}
	return pieces
}
