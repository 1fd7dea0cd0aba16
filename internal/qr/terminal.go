package qr

import (
	"strings"

	"github.com/skip2/go-qrcode"
)

// A character cell is twice as high as it is wide: an upper and a lower half, each a module.
const (
	upperLight = "▀"
	lowerLight = "▄"
	bothLight  = "█"
	bothDark   = " "
)

// Colours by their numbers in ECMA-48 §8.3.117 (and the bright white that all terminals know): asked for, so that the code is
// dark on light whatever the terminal's own colours are, and given back at the end of each line.
const (
	whiteOnBlack = "\x1b[97;40m"
	asBefore     = "\x1b[0m"
)

// Terminal draws text for a terminal, in UTF-8 half blocks and with colours of its own: dark on light, whether the
// terminal is black on white or white on black. Each line ends with a newline.
//
// It has the lowest recovery level: nobody spills coffee on a terminal, and fewer modules are larger ones.
func Terminal(text string) (string, error) { return halfBlocks(text, whiteOnBlack, asBefore) }

// Plain is [Terminal] without colours, for what goes through a program that does not let escape sequences pass:
// ssh prints those in a prompt as "\033[97;40m". On a terminal that is black on white the code is then light on dark, which
// most apps read, and some do not: whoever shows it shows the text as well.
func Plain(text string) (string, error) { return halfBlocks(text, "", "") }

func halfBlocks(text, begin, end string) (string, error) {
	m, err := encode(text, qrcode.Low, narrowZone)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for y := 0; y < len(m); y += 2 {
		b.WriteString(begin)
		for x := range m {
			b.WriteString(cell(m[y][x], y+1 < len(m) && m[y+1][x]))
		}
		b.WriteString(end + "\n")
	}
	return b.String(), nil
}

// cell draws two modules. The size of a code is odd, and what is below its last line belongs to the margin.
func cell(upperIsDark, lowerIsDark bool) string {
	switch {
	case upperIsDark && lowerIsDark:
		return bothDark
	case upperIsDark:
		return lowerLight
	case lowerIsDark:
		return upperLight
	}
	return bothLight
}
