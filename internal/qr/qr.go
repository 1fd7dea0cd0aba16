// Package qr draws QR codes: on a terminal, as PNG and as SVG.
//
// What a phone's camera needs is dark modules on a light ground, a light margin around them (the quiet zone), and modules
// that are all of one size. So nothing here is ever scaled by a fraction, and the terminal's own colours are not
// relied on where others can be asked for.
//
// What is drawn is usually an otpauth:// URI, a secret: errors quote no part of it.
package qr

import (
	"errors"
	"fmt"

	"github.com/skip2/go-qrcode"
)

const (
	// quietZone is the light margin in modules, as ISO/IEC 18004 §5.3.8 asks for.
	quietZone = 4
	// narrowZone is the margin on a terminal. Cameras find the code with half of what the standard asks for, and an
	// otpauth:// URI of usual length then stands in 21 of a terminal's 24 lines.
	narrowZone = 2
)

// modules is a code: modules[y][x] is true where it is dark. It is square.
type modules [][]bool

// encode makes the code of text, at most 2953 octets, with a light margin.
func encode(text string, level qrcode.RecoveryLevel, margin int) (modules, error) {
	if text == "" {
		return nil, errors.New("make a QR code: there is nothing to write into it")
	}
	code, err := qrcode.New(text, level)
	if err != nil {
		return nil, fmt.Errorf("make a QR code of %d octets: %w", len(text), err)
	}
	code.DisableBorder = true
	bare := code.Bitmap()
	size := len(bare) + 2*margin
	m := make(modules, size)
	for y := range m {
		m[y] = make([]bool, size)
		if inside := y - margin; inside >= 0 && inside < len(bare) {
			copy(m[y][margin:], bare[inside])
		}
	}
	return m, nil
}
