package pamhelper

import (
	"strings"

	"tandem/internal/qr"
	"tandem/verify"
)

// draw is the prompt that shows a new device to the user: a QR code and the key beneath it, or, where that cannot be
// shown, the key and the URI in words. The key comes before anything that a short prompt may lose.
//
// The code is drawn without colours: neither the module nor ssh lets escape sequences through.
func (c *conversation) draw(message string, e *verify.Enrolment) string {
	key := e.KeyLabel + e.Key.Reveal()
	if c.door.QRCode && c.hello.longestPrompt > 0 {
		code, err := qr.Plain(e.URI.Reveal())
		text := strings.TrimSpace(message) + "\n" + code + key + "\n" + e.Prompt
		if err == nil && len(text) <= c.hello.longestPrompt {
			return text
		}
	}
	parting := "\n"
	if c.hello.longestPrompt == 0 { // one line
		parting = " "
	}
	return strings.Join([]string{strings.TrimSpace(message), key, e.URI.Reveal(), e.Prompt}, parting)
}
