package file

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"tandem/internal/tomlfile"
)

// edit is the text of a users file in which the devices of one user are changed. Each step leaves every octet as
// it is that is not the device's own.
//
// A comment belongs to the device whose block it touches: a paragraph right above the header or right below the
// last key. One that touches other lines as well stays, because nobody can tell whom it is about.
type edit struct {
	path string
	text []byte
	// user is the place of the user's entry in the file.
	user int
}

// entry is where one user's entry stands in a text.
type entry struct {
	// parts are all of it: its header, and what follows up to the next user's.
	parts []tomlfile.Part
	// blocks are the devices, as ranges of parts: [from, to).
	blocks [][2]int
	// inline are the devices if they stand in one array, devices = [{…}, …]; nil otherwise.
	inline *inline
	// next is where the next entry begins, or the text ends.
	next int
}

// find looks the entry up. It refuses users that stand in an inline array.
func (e *edit) find() (*entry, error) {
	file := tomlfile.FromText(e.path, e.text)
	found := &entry{next: len(e.text)}
	own := fmt.Sprintf("users[%d]", e.user)
	devices := own + ".devices"
	var err error
	past := false
	file.Parts(func(p tomlfile.Part) {
		key := string(p.Key)
		if !p.Header && key == "users" {
			err = fmt.Errorf("%s:%d: users: are written in one array, in which Tandem changes nothing: write each of them as [[users]], with its keys below",
				e.path, p.Line)
		}
		if !p.Header && key == devices {
			found.inline = inlineDevices(file, p)
		}
		if !strings.HasPrefix(key, own) {
			if len(found.parts) > 0 && !past {
				past, found.next = true, e.lineStart(p.Start)
			}
			return
		}
		if p.Header && strings.HasPrefix(key, devices) {
			found.blocks = append(found.blocks, [2]int{len(found.parts), len(found.parts)})
		}
		p.Key = bytes.Clone(p.Key)
		found.parts = append(found.parts, p)
		if n := len(found.blocks); n > 0 && strings.HasPrefix(key, devices) {
			found.blocks[n-1][1] = len(found.parts)
		}
	})
	if err != nil {
		return nil, err
	}
	if len(found.parts) == 0 || !found.parts[0].Header {
		return nil, e.notFound()
	}
	return found, nil
}

// findDevice looks the entry up, and wants that the device is there.
func (e *edit) findDevice(device int) (*entry, error) {
	at, err := e.find()
	if err != nil {
		return nil, err
	}
	if at.inline == nil && device >= len(at.blocks) || at.inline != nil && device >= len(at.inline.elements) {
		return nil, e.notFound()
	}
	return at, nil
}

func (e *edit) notFound() error {
	return fmt.Errorf("%s: the lines of users[%d] and its devices were not found: change them by hand", e.path, e.user)
}

// add writes a block of lines, whose indentation and line ends it makes the file's own, below the user's last device,
// or at the end of the entry if there is none.
func (e *edit) add(lines []string) error {
	at, err := e.find()
	if err != nil {
		return err
	}
	if at.inline != nil {
		e.addInline(at.inline, "{ "+strings.Join(lines[1:], ", ")+" }")
		return nil
	}
	last, indent := len(at.parts)-1, ""
	if n := len(at.blocks); n > 0 {
		header := at.parts[at.blocks[n-1][0]]
		last, indent = at.blocks[n-1][1]-1, string(e.text[e.lineStart(header.Start):header.Start])
	}
	end := e.lineEnd(at.parts[last].End)
	end += e.commentsBelow(end, e.gapEnd(at, last))

	newline := e.newline()
	block := indent + strings.Join(lines, newline+indent) + newline
	switch rest := e.text[end:]; {
	case len(rest) == 0 && !bytes.HasSuffix(e.text, []byte("\n")):
		block = newline + newline + strings.TrimSuffix(block, newline)
	case len(rest) == 0 || isBlank(firstLine(rest)):
		block = newline + block
	}
	e.splice(end, end, block)
	return nil
}

// remove takes a device's block out, with its comments, and one of the two empty lines that would meet then.
func (e *edit) remove(device int) error {
	at, err := e.findDevice(device)
	if err != nil {
		return err
	}
	if at.inline != nil {
		e.removeInline(at.inline, device)
		return nil
	}
	from, to := at.blocks[device][0], at.blocks[device][1]
	start := e.lineStart(at.parts[from].Start)
	end := e.lineEnd(at.parts[to-1].End)
	above := e.lineEnd(at.parts[from-1].End) // the entry's own header is always above
	start -= e.commentsAbove(above, start)
	end += e.commentsBelow(end, e.gapEnd(at, to-1))

	rest := e.text[end:]
	if line := lastLine(e.text[above:start]); len(line) > 0 && isBlank(line) && (len(rest) == 0 || isBlank(firstLine(rest))) {
		start -= len(line)
	}
	if len(rest) == 0 && !bytes.HasSuffix(e.text, []byte("\n")) {
		start -= len(e.text[:start]) - len(bytes.TrimSuffix(bytes.TrimSuffix(e.text[:start], []byte("\n")), []byte("\r")))
	}
	e.splice(start, end, "")
	return nil
}

// rename changes the value of a device's name, or writes the line if there is none.
func (e *edit) rename(device int, name string) error {
	at, err := e.findDevice(device)
	if err != nil {
		return err
	}
	if at.inline != nil {
		e.renameInline(at.inline, device, name)
		return nil
	}
	block := at.parts[at.blocks[device][0]:at.blocks[device][1]]
	for _, p := range block {
		if !p.Header && strings.HasSuffix(string(p.Key), "].name") {
			e.splice(p.Value, p.End, quote(name))
			return nil
		}
	}
	first := block[min(1, len(block)-1)]
	start := e.lineStart(first.Start)
	e.splice(start, start, string(e.text[start:first.Start])+"name = "+quote(name)+e.newline())
	return nil
}

func (e *edit) splice(start, end int, with string) {
	e.text = slices.Concat(e.text[:start], []byte(with), e.text[end:])
}

// gapEnd is where the white space and comments below a part end.
func (e *edit) gapEnd(at *entry, part int) int {
	if part+1 < len(at.parts) {
		return e.lineStart(at.parts[part+1].Start)
	}
	return at.next
}

// commentsAbove is the length of the comments that end at start, if an empty line parts them from what
// stands above them. The gap begins at from.
func (e *edit) commentsAbove(from, start int) int {
	length := 0
	for gap := e.text[from:start]; ; gap = gap[:len(gap)-len(lastLine(gap))] {
		switch line := lastLine(gap); {
		case len(line) == 0:
			return 0
		case isBlank(line):
			return length
		default:
			length += len(line)
		}
	}
}

// commentsBelow is the length of the comments that begin at end, if an empty line, or the end of the text, parts them
// from what stands below them. The gap ends at to.
func (e *edit) commentsBelow(end, to int) int {
	length := 0
	for gap := e.text[end:to]; ; gap = gap[len(firstLine(gap)):] {
		switch line := firstLine(gap); {
		case len(line) == 0 && to < len(e.text):
			return 0
		case isBlank(line):
			return length
		default:
			length += len(line)
		}
	}
}

// lineStart is where the line begins in which place is; a byte order mark stands before the first.
func (e *edit) lineStart(place int) int {
	start := bytes.LastIndexByte(e.text[:place], '\n') + 1
	if start == 0 {
		start = len(e.text) - len(bytes.TrimPrefix(e.text, []byte("\xef\xbb\xbf")))
	}
	return start
}

// lineEnd is behind the newline of the line in which place is.
func (e *edit) lineEnd(place int) int { return place + len(firstLine(e.text[place:])) }

// newline is the one that the file has.
func (e *edit) newline() string {
	if bytes.HasSuffix(firstLine(e.text), []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// firstLine and lastLine are with their newlines; the last one may have none.
func firstLine(text []byte) []byte {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return text[:i+1]
	}
	return text
}

func lastLine(text []byte) []byte {
	return text[bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n')+1:]
}

func isBlank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }
