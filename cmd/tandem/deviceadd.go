package main

import (
	"cmp"
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"tandem/directory"
	"tandem/directory/otpauth"
	"tandem/internal/admin"
	"tandem/internal/qr"
	"tandem/internal/secret"
	"tandem/internal/tomlfile"
	"tandem/verify"
)

type deviceAddCmd struct {
	User string `arg:"" help:"The user's name, as typed at a login."`
	Type string `required:"" enum:"totp,hotp,ubk,recovery" placeholder:"TYPE" help:"What it is: totp (an app, codes by time), hotp (a token, codes by counter), ubk (a YubiKey that is touched), recovery (ten codes on paper)."`
	Name string `placeholder:"NAME" help:"What the user calls it: letters, digits, spaces, \"-\" and \"_\", at most 20 (default: the type, numbered if it is taken)."`

	Digits    int           `placeholder:"N" help:"Length of a code, 6 to 8 (default: the configuration's)."`
	Period    time.Duration `placeholder:"DURATION" help:"Length of a TOTP step (default: the configuration's, usually 30s)."`
	Algorithm string        `enum:",SHA1,SHA256,SHA512" default:"" placeholder:"HASH" help:"SHA1, SHA256 or SHA512; many apps know no other than SHA1 (default: the configuration's)."`
	Issuer    string        `placeholder:"TEXT" help:"Who the app says the code is for (default: the configuration's)."`
	Label     string        `placeholder:"TEXT" help:"Whose the app says it is (default: the configuration's)."`

	SecretFile  string `placeholder:"FILE" xor:"secret" help:"A private file with the secret of a token that has one already, in base32. Otherwise a new one is made."`
	SecretStdin bool   `xor:"secret" help:"Read that secret as the first line of standard input."`
	Hex         bool   `help:"That secret is written in hexadecimal."`

	PNG  string `name:"png" placeholder:"FILE" help:"Write the QR code into a new file as PNG, mode 0600. Delete it afterwards: it holds the secret."`
	SVG  string `name:"svg" placeholder:"FILE" help:"Write it as SVG, likewise."`
	Size int    `default:"400" placeholder:"PIXELS" help:"Width and height of --png and --svg in pixels (default ${default})."`
	NoQR bool   `name:"no-qr" help:"Draw no QR code on the terminal, print only the URI."`

	Unconfirmed bool `help:"Ask for no code, for a token that nobody has at hand. A wrong secret then shows at the first login."`
}

// Run makes a device, lets its holder prove that it works, and writes it down.
func (c *deviceAddCmd) Run(e *env) error {
	if c.Type == "recovery" {
		return (&recoveryCmd{User: c.User}).Run(e)
	}
	return withUser(e, c.User, func(r *registry, u *directory.User) error {
		if err := r.daemonRuns(); err != nil { // better known before somebody has scanned a code
			return err
		}
		a := adding{deviceAddCmd: c, registry: r, user: u, asker: newAsker(e)}
		if err := a.add(); err != nil {
			return fmt.Errorf("add a %s device to %s: %w", deviceTypes[c.Type], u.Name, err)
		}
		return nil
	})
}

// deviceTypes are those that can be added.
var deviceTypes = map[string]string{"totp": directory.TypeTOTP, "hotp": directory.TypeHOTP, "ubk": directory.TypeYubikey}

// adding is one device on its way to a user.
type adding struct {
	*deviceAddCmd
	*registry
	user     *directory.User
	asker    *asker
	pictures []string // the files with the QR code, by now
}

// newSecret is how many octets a new secret has: 160 bits, as RFC 4226 §4 recommends.
const newSecret = 20

// tries is how often a person may type a code; from a pipe there is one.
const tries = 3

func (a *adding) add() error {
	var d directory.Device
	var err error
	if a.Type == "ubk" {
		d, err = a.yubikey()
	} else {
		d, err = a.oath()
	}
	if err != nil {
		return err
	}
	change := directory.Change{Add: []directory.Device{d}, Most: a.rules.Most}
	if err := a.change(a.user, admin.ActionAdd, change, noted{kind: d.Type, name: d.Name}); err != nil {
		return err
	}
	if a.Unconfirmed {
		fmt.Fprintf(a.stderr, "No code of %q was asked for: whether it works shows at the first login.\n", d.Name)
	}
	_, err = fmt.Fprintf(a.stdout, "%s has the %s device %q now.\n", a.user.Name, d.Type, d.Name)
	return err
}

// oath makes a device with a shared secret.
func (a *adding) oath() (directory.Device, error) {
	d, made, err := a.described()
	if err != nil {
		return directory.Device{}, err
	}
	if err := a.fits(d); err != nil {
		return directory.Device{}, err
	}
	if d.Weak {
		fmt.Fprintln(a.stderr, "The secret has fewer than 128 bits, which RFC 4226 asks for: replace the token when you can.")
	}
	if err := a.show(d, made); err != nil {
		a.discardPictures()
		return directory.Device{}, err
	}
	if a.Unconfirmed {
		return d, nil
	}
	prompt := "The code that it shows: "
	if made {
		prompt = "Put it into the app, then type the code that the app shows: "
	}
	use, err := a.confirm(func() (directory.Device, []string, error) {
		codes, err := askCodes(a.asker, d.Type == directory.TypeHOTP, prompt)
		return d, codes, err
	})
	if err != nil {
		a.discardPictures()
		return directory.Device{}, err
	}
	if use.Counter != nil {
		d.Counter = *use.Counter // so that codes before it stay used should the state be lost
	}
	return d, nil
}

// described is the device that the options describe; made says that its secret is new.
func (a *adding) described() (d directory.Device, made bool, err error) {
	if a.Type == "hotp" && a.Period != 0 {
		return d, false, usageError{errors.New("--period: a HOTP device counts, and knows no time")}
	}
	if a.Period%time.Second != 0 {
		return d, false, usageError{fmt.Errorf("--period %s: a step is a whole number of seconds", a.Period)}
	}
	written, made, err := a.secret()
	if err != nil {
		return d, false, err
	}
	entry := directory.DeviceEntry{Type: deviceTypes[a.Type], Name: a.name(), Epoch: time.Now().Unix(), Secret: written}
	digits, period, algorithm := a.conf.TOTP.Digits, a.conf.TOTP.Period, a.conf.TOTP.Algorithm
	if a.Type == "hotp" {
		digits, period, algorithm = a.conf.HOTP.Digits, 0, a.conf.HOTP.Algorithm
	}
	entry.Algorithm = said(cmp.Or(a.Algorithm, algorithm), algorithm, otpauth.DefaultAlgorithm)
	if n := said(cmp.Or(a.Digits, digits), digits, otpauth.DefaultDigits); n != 0 {
		entry.Digits = &n
	}
	if n := said(int(cmp.Or(a.Period, period)/time.Second), int(period/time.Second), otpauth.DefaultPeriod); n != 0 {
		entry.Period = &n
	}
	d, wrong := entry.Device(directory.DeviceOptions{MinSecretBits: a.conf.Devices.MinSecretBits})
	if len(wrong) > 0 {
		return d, false, fmt.Errorf("%s: %s", wrong[0].Field, wrong[0].Why)
	}
	return d, made, nil
}

// said is what a device is to say of itself: nothing, where the configuration and every app take value for granted.
func said[T comparable](value, configured, everywhere T) T {
	var nothing T
	if value == everywhere && configured == everywhere {
		return nothing
	}
	return value
}

// secret is the device's, in base32: a given one, or else a new one.
func (a *adding) secret() (written secret.String, made bool, err error) {
	var text string
	switch {
	case a.SecretFile != "":
		b, err := tomlfile.ReadBytes(a.SecretFile, tomlfile.Options{Private: true, MaxBytes: maxTyped})
		if err != nil {
			return secret.String{}, false, err
		}
		text = string(b)
	case a.SecretStdin:
		if text, err = a.asker.ask("Secret: "); err != nil {
			return secret.String{}, false, err
		}
	default:
		key := make([]byte, newSecret)
		if _, err := rand.Read(key); err != nil {
			return secret.String{}, false, fmt.Errorf("make a secret: %w", err)
		}
		return secret.New(base32.StdEncoding.EncodeToString(key)), true, nil
	}
	text = strings.TrimSpace(text)
	if a.Hex {
		key, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			return secret.String{}, false, errors.New("--hex: the secret is not hexadecimal")
		}
		text = base32.StdEncoding.EncodeToString(key)
	}
	return secret.New(text), false, nil
}

// name is the device's: the given one, or the type's, with a number if the user has one of that name.
func (a *adding) name() string {
	if a.Name != "" {
		return a.Name
	}
	taken := map[string]bool{}
	for _, l := range a.list(a.user) {
		taken[l.Name] = true
	}
	name := a.Type
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s %d", a.Type, n)
	}
	return name
}

// fits asks beforehand what is asked again when it is written.
func (a *adding) fits(d directory.Device) error {
	change := directory.Change{Add: []directory.Device{d}, Most: a.rules.Most}
	return change.Check(a.user.Devices, a.user.Skipped)
}

// show hands the secret over: as a URI and, to people, as a QR code. A token that has its secret already needs
// neither, unless a picture is asked for.
func (a *adding) show(d directory.Device, made bool) error {
	key := otpauth.Key{Device: a.explicit(d), Issuer: cmp.Or(a.Issuer, a.rules.Issuer), Account: cmp.Or(a.Label, a.rules.Account(a.user))}
	uri := key.URI()
	for _, picture := range []struct {
		file string
		draw func(string, int) ([]byte, error)
	}{{a.PNG, qr.PNG}, {a.SVG, qr.SVG}} {
		if picture.file == "" {
			continue
		}
		drawn, err := picture.draw(uri, a.Size)
		if err != nil {
			return err
		}
		if err := writePrivate(picture.file, drawn, false); err != nil {
			if errors.Is(err, os.ErrExist) {
				return fmt.Errorf("%s is there already, and may hold another device's secret: delete it, or name another file", picture.file)
			}
			return err
		}
		a.pictures = append(a.pictures, picture.file)
		fmt.Fprintf(a.stderr, "The QR code is in %s. It holds the secret: delete it when it has been scanned.\n", picture.file)
	}
	if !made {
		return nil
	}
	if _, err := fmt.Fprintln(a.stdout, uri); err != nil { // first, so that what scrolls away is what nobody needs
		return err
	}
	if out, ok := a.stdout.(*os.File); !ok || !term.IsTerminal(int(out.Fd())) || a.NoQR {
		return nil
	}
	drawn, err := qr.Terminal(uri)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%sKey, to type instead: %s\n", drawn, inFours(d.Secret))
	return err
}

// discardPictures deletes the pictures of a device that came to nothing: nobody can use them, and they would be in the
// way of the next try.
func (a *adding) discardPictures() {
	for _, file := range a.pictures {
		if err := os.Remove(file); err != nil {
			fmt.Fprintf(a.stderr, "The QR code of a device that was not written is left: %v\n", err)
		}
	}
}

// inFours is a key as people copy it: in base32, in groups of four.
func inFours(key secret.String) string {
	letters := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(key.Reveal()))
	var groups []string
	for group := range slices.Chunk([]byte(letters), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, " ")
}

// yubikey takes the public id from a code that the key types.
func (a *adding) yubikey() (directory.Device, error) {
	if a.SecretFile != "" || a.SecretStdin {
		return directory.Device{}, usageError{errors.New("the AES keys of YubiKeys come by `tandem import yubico-csv`")}
	}
	var d directory.Device
	_, err := a.confirm(func() (directory.Device, []string, error) {
		code, err := a.asker.askOpenly("Touch the YubiKey: ")
		if err != nil {
			return d, nil, err
		}
		code = strings.TrimSpace(code)
		entry := directory.DeviceEntry{Type: directory.TypeYubikey, Name: a.name(), Epoch: time.Now().Unix(), PublicID: code[:min(len(code), 12)]}
		touched, wrong := entry.Device(directory.DeviceOptions{})
		if len(wrong) > 0 || len(code) != yubikeyCode {
			return d, nil, fmt.Errorf("that is no code of a YubiKey, which has %d letters: touch it for a second, or for three if it answers with another slot", yubikeyCode)
		}
		d = touched
		return d, []string{code}, a.fits(d)
	})
	return d, err
}

// yubikeyCode is the length of what a YubiKey types: its public id and a block of 32.
const yubikeyCode = 44

// confirm asks for codes, and for the device that they are of, until they are right. The daemon checks them and uses
// them up.
func (a *adding) confirm(ask func() (directory.Device, []string, error)) (verify.Use, error) {
	for try := 1; ; try++ {
		d, codes, err := ask()
		if err != nil || a.Unconfirmed {
			return verify.Use{}, err
		}
		reply, err := a.ask(admin.Request{Op: admin.OpConfirm, User: a.user.Name, Device: admin.WholeDevice(d), Codes: codes})
		if err == nil {
			return *reply.Use, nil
		}
		mendable := reply.Reason == string(verify.ReasonWrongCode) || reply.Reason == string(verify.ReasonReplayedCode)
		if _, person := a.asker.terminal(); !person || !mendable || try == tries {
			return verify.Use{}, fmt.Errorf("%w; nothing was written", err)
		}
		fmt.Fprintf(a.stderr, "%v. Try again.\n", err)
	}
}

// writePrivate writes a file that nobody else may read. It replaces none unless told to.
func writePrivate(path string, text []byte, replace bool) error {
	how := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if replace {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(path, how, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
