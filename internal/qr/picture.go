package qr

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"github.com/skip2/go-qrcode"
)

// MaxSize is the largest picture that is drawn, in pixels a side.
const MaxSize = 4096

// PNG draws text as a picture of size × size pixels. The modules are as large as they can be all of one size; what
// is left over goes to the margin. It is an error if a module would be smaller than a pixel.
func PNG(text string, size int) ([]byte, error) {
	m, err := picture(text, size)
	if err != nil {
		return nil, err
	}
	light, dark := color.Gray{Y: 0xff}, color.Gray{Y: 0}
	img := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{light, dark}) // all light
	module := size / len(m)
	margin := (size - module*len(m)) / 2
	for y := range module * len(m) {
		for x := range module * len(m) {
			if m[y/module][x/module] {
				img.SetColorIndex(margin+x, margin+y, 1)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, fmt.Errorf("write the QR code as PNG: %w", err)
	}
	return b.Bytes(), nil
}

// SVG draws text as a picture that is size × size pixels where it is not scaled.
func SVG(text string, size int) ([]byte, error) {
	m, err := picture(text, size)
	if err != nil {
		return nil, err
	}
	var path strings.Builder
	for y := range m {
		for x := 0; x < len(m); x++ {
			if !m[y][x] {
				continue
			}
			from := x
			for x < len(m) && m[y][x] {
				x++
			}
			fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from, y, x-from, x-from)
		}
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[1]d" viewBox="0 0 %[2]d %[2]d" shape-rendering="crispEdges">`+
		`<rect width="%[2]d" height="%[2]d" fill="#fff"/><path d="%[3]s" fill="#000"/></svg>`+"\n", size, len(m), path.String()), nil
}

// picture is the code for a picture, which may be printed: it survives the loss of 15 % of it.
func picture(text string, size int) (modules, error) {
	m, err := encode(text, qrcode.Medium, quietZone)
	switch {
	case err != nil:
		return nil, err
	case size < len(m):
		return nil, fmt.Errorf("draw the QR code in %d pixels: it needs at least %d, and twice as many are better", size, len(m))
	case size > MaxSize:
		return nil, fmt.Errorf("draw the QR code in %d pixels: at most %d are drawn", size, MaxSize)
	}
	return m, nil
}
