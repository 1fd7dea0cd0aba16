package qr_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tandem/internal/qr"
)

// texts are as short, as usual and as long as what is drawn.
var texts = map[string]string{
	"short":  "x",
	"usual":  "otpauth://totp/Example%20Corp:alice@example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example%20Corp",
	"long":   "otpauth://totp/" + strings.Repeat("Example%20", 30) + "?secret=" + strings.Repeat("GEZDGNBVGY3TQOJQ", 13) + "&algorithm=SHA512&digits=8&period=60",
	"recode": "JJ4Y UZLM NR4W K4TT",
}

// run starts a program of Debian's and returns what it prints.
func run(t *testing.T, debianPackage, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("this test needs %s: apt-get install %s", program, debianPackage)
	}
	var stderr bytes.Buffer
	c := exec.Command(program, args...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, stderr.String())
	}
	return string(out)
}

// scan gives a picture to zbarimg.
func scan(t *testing.T, picture []byte, options ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "code.png")
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--quiet", "--raw", "-Sdisable", "-Sqrcode.enable"}, options...)
	return strings.TrimSuffix(run(t, "zbar-tools", "zbarimg", append(args, file)...), "\n")
}

func TestPNGIsReadByZbarimg(t *testing.T) {
	for name, text := range texts {
		for _, size := range []int{200, 256, 1000} {
			picture, err := qr.PNG(text, size)
			if err != nil {
				t.Fatal(err)
			}
			if got := scan(t, picture); got != text {
				t.Errorf("%s at %d pixels: %q", name, size, got)
			}
			if c, err := png.DecodeConfig(bytes.NewReader(picture)); err != nil || c.Width != size || c.Height != size {
				t.Errorf("%s at %d pixels: %+v, %v", name, size, c, err)
			}
		}
	}
}

func TestSVGIsReadByZbarimg(t *testing.T) {
	for name, text := range texts {
		picture, err := qr.SVG(text, 300)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "code.svg")
		if err := os.WriteFile(file, picture, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := scan(t, []byte(run(t, "librsvg2-bin", "rsvg-convert", "--zoom=3", file))); got != text {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestTerminal draws what a terminal would: on a black and on a white one, with its own colours and with ours.
func TestTerminalIsReadByZbarimg(t *testing.T) {
	for name, text := range texts {
		coloured, err := qr.Terminal(text)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := qr.Plain(text)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(plain, func(r rune) bool { return r < ' ' && r != '\n' }) {
			t.Errorf("%s: there are control characters in %q", name, plain)
		}
		blackOnWhite, whiteOnBlack := terminal{ink: 0, paper: 0xff}, terminal{ink: 0xff, paper: 0}
		for what, picture := range map[string][]byte{
			"Terminal on white": blackOnWhite.show(t, coloured),
			"Terminal on black": whiteOnBlack.show(t, coloured),
			"Plain on black":    whiteOnBlack.show(t, plain),
		} {
			if got := scan(t, picture); got != text {
				t.Errorf("%s of %s: %q", what, name, got)
			}
		}
		if got := scan(t, blackOnWhite.show(t, plain), "-Stest-inverted"); got != text {
			t.Errorf("Plain on white of %s, read as light on dark: %q", name, got)
		}
	}
}

func TestUsualCodeFitsOnATerminal(t *testing.T) {
	drawn, err := qr.Plain(texts["usual"])
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
	if len(lines) > 21 || len([]rune(lines[0])) > 80 {
		t.Errorf("%d lines of %d cells", len(lines), len([]rune(lines[0])))
	}
}

func TestWhatCannotBeDrawn(t *testing.T) {
	secret := strings.Repeat("hush", 800)
	for name, err := range map[string]error{
		"too long":  second(qr.Terminal(secret)),
		"nothing":   second(qr.Plain("")),
		"too small": second(qr.PNG(texts["usual"], 40)),
		"no size":   second(qr.SVG(texts["usual"], 0)),
		"too large": second(qr.PNG(texts["usual"], qr.MaxSize+1)),
	} {
		if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "GEZD") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// terminal draws half blocks as a terminal of these two colours does.
type terminal struct{ ink, paper uint8 }

const module = 4 // pixels

func (own terminal) show(t *testing.T, text string) []byte {
	t.Helper()
	lines := strings.Split(text, "\n")
	img := image.NewGray(image.Rect(0, 0, (len([]rune(lines[0]))+10)*module, 2*len(lines)*module))
	for i := range img.Pix {
		img.Pix[i] = own.paper
	}
	for row, line := range lines {
		colours, column := own, 0
		for line != "" {
			if rest, found := strings.CutPrefix(line, "\x1b[97;40m"); found {
				colours, line = terminal{ink: 0xff, paper: 0}, rest
				continue
			}
			if rest, found := strings.CutPrefix(line, "\x1b[0m"); found {
				colours, line = own, rest
				continue
			}
			r := []rune(line)[0]
			line = line[len(string(r)):]
			upper, lower := colours.paper, colours.paper
			switch r {
			case '█':
				upper, lower = colours.ink, colours.ink
			case '▀':
				upper = colours.ink
			case '▄':
				lower = colours.ink
			case ' ':
			default:
				t.Fatalf("%q in line %d", r, row+1)
			}
			for x := range module {
				for y := range module {
					img.SetGray(column*module+x, 2*row*module+y, color.Gray{Y: upper})
					img.SetGray(column*module+x, (2*row+1)*module+y, color.Gray{Y: lower})
				}
			}
			column++
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
