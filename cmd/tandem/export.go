package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"tandem/directory"
	"tandem/directory/tokens"
	"tandem/internal/admin"
	"tandem/internal/secret"
)

type exportCmd struct {
	Format string   `arg:"" enum:"pskc,otpauth" help:"What to write: pskc or otpauth."`
	User   []string `arg:"" help:"Whose devices."`

	Out         string `placeholder:"FILE" help:"The file to write, mode 0600; without it, standard output. It holds every secret."`
	Force       bool   `help:"Replace the file if it is there."`
	ShowSecrets bool   `help:"Write to a terminal."`

	PSKFile      string `name:"psk-file" placeholder:"FILE" xor:"key" help:"A private file with the key, in hexadecimal, to encrypt a PSKC file with."`
	PasswordFile string `placeholder:"FILE" xor:"key" help:"A private file with the password to encrypt a PSKC file with."`
}

// Run writes what an authenticator or another server needs to make or check the users' codes.
func (c *exportCmd) Run(e *env) error {
	if c.Out == "" && !c.ShowSecrets {
		if out, ok := e.stdout.(*os.File); ok && term.IsTerminal(int(out.Fd())) {
			return usageError{errors.New("this would show secrets on the terminal: name a file with --out, or say --show-secrets")}
		}
	}
	r, err := openRegistry(e)
	if err != nil {
		return err
	}
	defer r.close()
	key, err := readHex(c.PSKFile)
	if err != nil {
		return err
	}
	password, err := readLine(c.PasswordFile)
	if err != nil {
		return err
	}
	var all []tokens.Token
	for _, name := range c.User {
		held, err := r.held(name)
		if err != nil {
			return err
		}
		all = append(all, held...)
	}
	if len(all) == 0 {
		return errors.New("there is no TOTP or HOTP device to write")
	}
	r.noteExport(all)
	var text bytes.Buffer
	if err := c.encode(&text, all, key, password); err != nil {
		return err
	}
	if c.Out == "" {
		_, err := e.stdout.Write(text.Bytes())
		return err
	}
	if err := writePrivate(c.Out, text.Bytes(), c.Force); err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s is there already: --force replaces it", c.Out)
		}
		return err
	}
	how := "not encrypted"
	if !key.Empty() || !password.Empty() {
		how = "encrypted"
	}
	_, err = fmt.Fprintf(e.stderr, "%s in %s, with their secrets, %s: keep it safe, and delete it when it has been read.\n", counted(len(all), "device"), c.Out, how)
	return err
}

// noteExport puts into the audit whose secrets leave the house. Who can read the directory does not need the daemon for it,
// so without one it is only said that there is no such line.
func (r *registry) noteExport(all []tokens.Token) {
	for _, t := range all {
		if err := r.note(&directory.User{Name: t.User}, admin.ActionExport, noted{kind: t.Device.Type, name: t.Serial}, nil); err != nil {
			fmt.Fprintf(r.stderr, "This export stands in no audit: %v\n", err)
			return
		}
	}
}

// encode writes the format that was asked for.
func (c *exportCmd) encode(to *bytes.Buffer, all []tokens.Token, key, password secret.String) error {
	if c.Format == "pskc" {
		return tokens.WritePSKC(to, all, tokens.PSKCOptions{Key: key, Password: password, Random: rand.Reader})
	}
	if !key.Empty() || !password.Empty() {
		return usageError{errors.New("otpauth URIs are never encrypted: leave --psk-file and --password-file out, or write pskc")}
	}
	return tokens.WriteOTPAuth(to, all)
}

// held are the devices of one user that can be written, with their counters as they stand today.
func (r *registry) held(name string) ([]tokens.Token, error) {
	u, err := r.user(name)
	if err != nil {
		return nil, err
	}
	counters := map[string]uint64{}
	reply, err := r.ask(admin.Request{Op: admin.OpDescribe, User: name})
	if err != nil {
		fmt.Fprintf(r.stderr, "The counters of HOTP devices of %s are those of the directory, which codes since may have passed: %v\n", u.Name, err)
	} else {
		for _, d := range reply.Description.Devices {
			if d.LastUse != nil && d.LastUse.Counter != nil {
				counters[d.ID] = *d.LastUse.Counter
			}
		}
	}
	var held []tokens.Token
	for _, d := range u.Devices {
		if d.Type != directory.TypeTOTP && d.Type != directory.TypeHOTP {
			fmt.Fprintf(r.stderr, "%s of %s is a %s device, which no such file can hold: left out.\n", harmless(d.Name), u.Name, harmless(d.Type))
			continue
		}
		d.Counter = max(d.Counter, counters[d.ID()])
		held = append(held, tokens.Token{User: u.Name, Serial: d.Name, Issuer: r.rules.Issuer, Device: r.explicit(d)})
	}
	for _, p := range u.Skipped {
		fmt.Fprintf(r.stderr, "%s of %s cannot be read and is left out: %s\n", harmless(p.Device), u.Name, harmless(p.Why))
	}
	return held, nil
}

// explicit is d with what the configuration says about it where it says nothing itself: whoever reads it elsewhere
// does not know the configuration.
func (r *registry) explicit(d directory.Device) directory.Device {
	digits, algorithm := r.conf.TOTP.Digits, r.conf.TOTP.Algorithm
	if d.Type == directory.TypeHOTP {
		digits, algorithm = r.conf.HOTP.Digits, r.conf.HOTP.Algorithm
	} else if d.Period == 0 {
		d.Period = int(r.conf.TOTP.Period / time.Second)
	}
	if d.Digits == 0 {
		d.Digits = digits
	}
	if d.Algorithm == "" {
		d.Algorithm = algorithm
	}
	return d
}
