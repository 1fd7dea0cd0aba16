package main

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tandem/directory"
	"tandem/directory/tokens"
	"tandem/internal/admin"
	"tandem/internal/secret"
	"tandem/internal/tomlfile"
	"tandem/verify/recovery"
)

type importCmd struct {
	Format string `arg:"" enum:"pskc,oath-csv,yubico-csv,google-authenticator,users.oath,otpauth" help:"What the file is: pskc, oath-csv, yubico-csv, google-authenticator, users.oath or otpauth."`
	File   string `arg:"" help:"The file. It holds secrets, so nobody else may be able to read it."`

	User   string `placeholder:"NAME" xor:"who" help:"Whose the devices are of which the file does not say it; with otpauth, whose all are: labels of apps are seldom login names."`
	Users  string `placeholder:"FILE" xor:"who" help:"Whose each is: a CSV file of lines \"serial number,user\"."`
	Name   string `placeholder:"NAME" help:"What the devices are called (default: their serial numbers, or else their types)."`
	Type   string `enum:",totp,hotp" default:"" placeholder:"TYPE" help:"totp or hotp: what tokens of an OATH CSV file are that do not say it."`
	DryRun bool   `help:"Only say what would happen, token by token."`

	PSKFile      string `name:"psk-file" placeholder:"FILE" xor:"key" help:"A private file with the key, in hexadecimal, that a PSKC file was encrypted with."`
	PasswordFile string `placeholder:"FILE" xor:"key" help:"A private file with the password that a PSKC file was encrypted with."`
}

// formatOTPAuth is the format in which what stands for the user is a label.
const formatOTPAuth = "otpauth"

// Run takes tokens over: all are looked at before the first is written.
func (c *importCmd) Run(e *env) error {
	r, err := openRegistry(e)
	if err != nil {
		return err
	}
	defer r.close()
	p := &importing{importCmd: c, registry: r, users: map[string]*owner{}}
	if err := p.read(); err != nil {
		return err
	}
	if err := p.plan(); err != nil {
		return err
	}
	if len(p.problems) > 0 {
		for _, problem := range p.problems {
			fmt.Fprintln(e.stderr, problem)
		}
		return fmt.Errorf("%s: %s, so nothing was written", c.File, counted(len(p.problems), "problem"))
	}
	if c.DryRun {
		return p.report()
	}
	return p.write()
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// importing is a file on its way to the users it is for.
type importing struct {
	*importCmd
	*registry
	tokens   []tokens.Token
	serials  map[string]string // whose a serial number is, by --users
	users    map[string]*owner // by the names that the file has for them
	order    []*owner
	rows     []*row
	problems []error
}

// owner is a user and what they get.
type owner struct {
	*directory.User
	change directory.Change
	rows   []*row
}

// row is what becomes of one token.
type row struct {
	token  tokens.Token
	device directory.Device
	user   string
	what   string
}

// What becomes of tokens.
const (
	rowPlanned = "to be added"
	rowThere   = "is there already"
	rowAdded   = "added"
	rowFailed  = "NOT written"
)

// read reads the files.
func (p *importing) read() error {
	text, err := tomlfile.ReadBytes(p.File, tomlfile.Options{Private: true, MaxBytes: tokens.MaxFile})
	if err != nil {
		return err
	}
	o := tokens.Options{File: p.File, User: p.User, Type: strings.ToUpper(p.Type)}
	if o.Key, err = readHex(p.PSKFile); err != nil {
		return err
	}
	if o.Password, err = readLine(p.PasswordFile); err != nil {
		return err
	}
	var wrong []tokens.Problem
	p.tokens, wrong = tokens.Read(p.Format, bytes.NewReader(text), o)
	for _, w := range wrong {
		p.problems = append(p.problems, w)
	}
	return p.readUsers()
}

// readHex reads a key in hexadecimal; no path is none.
func readHex(path string) (secret.String, error) {
	written, err := readLine(path)
	if err != nil || written.Empty() {
		return secret.String{}, err
	}
	key, err := hex.DecodeString(written.Reveal())
	if err != nil {
		return secret.String{}, fmt.Errorf("%s: the key is not hexadecimal", path)
	}
	return secret.New(string(key)), nil
}

// readLine reads a secret on one line; no path is none.
func readLine(path string) (secret.String, error) {
	if path == "" {
		return secret.String{}, nil
	}
	b, err := tomlfile.ReadBytes(path, tomlfile.Options{Private: true, MaxBytes: maxTyped})
	if err != nil {
		return secret.String{}, err
	}
	line := strings.TrimRight(string(b), "\r\n")
	if line == "" || strings.ContainsAny(line, "\r\n") {
		return secret.String{}, fmt.Errorf("%s: it has to hold one line", path)
	}
	return secret.New(line), nil
}

// readUsers reads who has which serial number.
func (p *importing) readUsers() error {
	if p.Users == "" {
		return nil
	}
	text, err := tomlfile.ReadBytes(p.Users, tomlfile.Options{MaxBytes: tokens.MaxFile})
	if err != nil {
		return err
	}
	p.serials = map[string]string{}
	lines := csv.NewReader(bytes.NewReader(text))
	lines.Comment, lines.FieldsPerRecord, lines.TrimLeadingSpace = '#', -1, true
	all, err := lines.ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", p.Users, err)
	}
	for i, fields := range all {
		if len(fields) != 2 || fields[0] == "" || strings.TrimSpace(fields[1]) == "" {
			p.problems = append(p.problems, fmt.Errorf(`%s: entry %d: write "serial number,user"`, p.Users, i+1))
			continue
		}
		serial, user := strings.TrimSpace(fields[0]), strings.TrimSpace(fields[1])
		if other, twice := p.serials[serial]; twice && other != user {
			p.problems = append(p.problems, fmt.Errorf("%s: entry %d: %s is said to be that of %s and of %s", p.Users, i+1, serial, other, user))
		}
		p.serials[serial] = user
	}
	return nil
}

// plan decides what becomes of each token, and finds everything that stands in the way. Its error means that the
// directory cannot be asked.
func (p *importing) plan() error {
	for _, t := range p.tokens {
		name := t.User
		if p.Format == formatOTPAuth && p.User != "" {
			name = p.User // an app's label is what somebody once called the account, seldom a login name
		}
		if user, ok := p.serials[t.Serial]; ok && t.Serial != "" {
			name = user
		}
		if name == "" {
			p.stop(t, "user", errors.New("nobody knows whose it is: name one with --user, or each with --users"))
			continue
		}
		o, err := p.owner(name)
		switch {
		case errors.Is(err, directory.ErrNoUser), errors.Is(err, directory.ErrAmbiguous):
			p.stop(t, "user", err)
			continue
		case err != nil:
			return err
		}
		p.give(o, t)
	}
	return nil
}

// owner looks up a user once.
func (p *importing) owner(name string) (*owner, error) {
	if o := p.users[name]; o != nil {
		return o, nil
	}
	u, err := p.user(name)
	if err != nil {
		return nil, err
	}
	for _, o := range p.order { // another spelling of the same name
		if o.ID == u.ID {
			p.users[name] = o
			return o, nil
		}
	}
	o := &owner{User: u, change: directory.Change{Most: p.rules.Most}}
	p.users[name], p.order = o, append(p.order, o)
	return o, nil
}

// give plans t for o.
func (p *importing) give(o *owner, t tokens.Token) {
	for _, step := range t.Used {
		if at := time.Unix(int64(step)*int64(t.Device.Period), 0); at.After(time.Now().Add(time.Hour)) {
			p.stop(t, "used codes", fmt.Errorf("one is of %s, which is still to come: is the clock of this host right?", at.Format(time.DateTime)))
			return
		}
	}
	d := t.Device
	d.Name, d.Epoch = p.nameFor(o, t), time.Now().Unix()
	to := &row{token: t, device: d, user: o.Name, what: rowPlanned}
	with := o.change
	with.Add = append(with.Add[:len(with.Add):len(with.Add)], d)
	switch err := with.Check(o.Devices, o.Skipped); {
	case errors.Is(err, directory.ErrSameDevice):
		to.what, to.device.Name = rowThere, nameOf(append(o.Devices[:len(o.Devices):len(o.Devices)], o.change.Add...), d)
	case err != nil:
		p.stop(t, "", err)
		return
	case len(d.Secret.Reveal())*8 < p.conf.Devices.MinSecretBits && d.Type != directory.TypeYubikey:
		p.stop(t, "secret", fmt.Errorf("it has %d bits, and devices.min_secret_bits asks for %d", len(d.Secret.Reveal())*8, p.conf.Devices.MinSecretBits))
		return
	default:
		o.change = with
		o.rows = append(o.rows, to)
	}
	p.rows = append(p.rows, to)
}

// nameOf is what the device of these is called that has the key of d.
func nameOf(devices []directory.Device, d directory.Device) string {
	const space = "import"
	for _, there := range devices {
		if there.Type == d.Type && there.Fingerprint(space) == d.Fingerprint(space) {
			return there.Name
		}
	}
	return ""
}

func (p *importing) stop(t tokens.Token, field string, why error) {
	p.problems = append(p.problems, tokens.Problem{File: p.File, Line: t.Line, Field: field, Why: why.Error()})
}

// nameFor is what the device is called: as asked for, or by its serial number, or by its type; with a number behind
// it if the user has one of that name.
func (p *importing) nameFor(o *owner, t tokens.Token) string {
	taken := map[string]bool{}
	for _, l := range p.list(o.User) {
		taken[l.Name] = true
	}
	for _, d := range o.change.Add {
		taken[d.Name] = true
	}
	base := p.Name
	if base == "" {
		base = allowed(t.Serial)
	}
	if base == "" {
		base = strings.ToLower(t.Device.Type)
	}
	name := base
	for n := 2; taken[name]; n++ {
		suffix := " " + strconv.Itoa(n)
		runes := []rune(base)
		name = string(runes[:min(len(runes), directory.MaxNewName-len(suffix))]) + suffix
	}
	return name
}

// allowed is what of a serial number can be a device's name.
func allowed(serial string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, serial))
	return string(runes[:min(len(runes), directory.MaxNewName)])
}

// report prints what became of each token, or would.
func (p *importing) report() error {
	rows := make([][]string, 1, 1+len(p.rows))
	rows[0] = []string{"LINE", "USER", "TYPE", "SERIAL", "NAME", "WHAT"}
	for _, r := range p.rows {
		what := r.what
		for _, note := range p.notes(r) {
			what += "; " + note
		}
		rows = append(rows, []string{strconv.Itoa(r.token.Line), r.user, r.device.Type, orDash(r.token.Serial), orDash(r.device.Name), what})
	}
	s := new(sheet)
	s.plain(columns(withoutEmpty(rows))...)
	_, err := fmt.Fprint(p.stdout, s.String())
	return err
}

// notes are what is to be known of a token beside what becomes of it.
func (p *importing) notes(r *row) []string {
	notes := append([]string{}, r.token.Notes...)
	if r.device.Weak {
		notes = append(notes, "its secret has fewer than 128 bits")
	}
	return notes
}

// write does what was planned, user by user. For one user it is all or nothing; if it fails for one, the others go
// on, and the report says which.
func (p *importing) write() error {
	if err := p.daemonRuns(); err != nil {
		return err
	}
	failed := 0
	for _, o := range p.order {
		if len(o.rows) == 0 {
			continue
		}
		err := p.writeUser(o)
		for _, r := range o.rows {
			r.what = rowAdded
			if err != nil {
				r.what = rowFailed
				failed++
			}
		}
		if err != nil {
			fmt.Fprintf(p.stderr, "tandem: import for %s: %v\n", o.Name, err)
		}
	}
	if err := p.report(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%s not written; run it again when that is mended: what is there already is passed over", counted(failed, "token"))
	}
	return nil
}

// writeUser notes which codes were used elsewhere, and only then writes the devices: at no time could one of them be
// used again.
func (p *importing) writeUser(o *owner) error {
	about := make([]noted, 0, len(o.rows))
	for _, r := range o.rows {
		about = append(about, noted{kind: r.device.Type, name: r.device.Name, detail: "serial " + orDash(r.token.Serial)})
		if len(r.token.Used) == 0 {
			continue
		}
		_, err := p.ask(admin.Request{Op: admin.OpSpend, User: o.Name, Device: admin.WholeDevice(r.device), Numbers: r.token.Used})
		if err != nil {
			return err
		}
	}
	if err := p.change(o.User, admin.ActionImport, o.change, about...); err != nil {
		return err
	}
	for _, r := range o.rows {
		if len(r.token.Scratch) > 0 {
			if err := p.takeScratch(o, r); err != nil {
				return fmt.Errorf("the device %q is written, but its scratch codes are not taken over: %w (`tandem recovery %s` makes new ones)", r.device.Name, err, o.Name)
			}
		}
	}
	return nil
}

// takeScratch makes scratch codes the user's recovery codes, unless there are better ones, or were: the set that is used
// up may be of the same codes, which would be good once more.
func (p *importing) takeScratch(o *owner, r *row) error {
	reply, err := p.ask(admin.Request{Op: admin.OpRecoveryLeft, User: o.Name})
	if err != nil {
		return err
	}
	if reply.Left > 0 {
		r.token.Notes = append(r.token.Notes, "its scratch codes are not taken over: the user has recovery codes, which stay")
		return nil
	}
	if reply.Given {
		r.token.Notes = append(r.token.Notes, fmt.Sprintf("its scratch codes are not taken over: the user's recovery codes are used up, and could be these (`tandem recovery %s` makes new ones)", o.Name))
		return nil
	}
	record, err := recovery.From(r.token.Scratch, time.Now())
	if err != nil {
		return err
	}
	if _, err := p.ask(admin.Request{Op: admin.OpRecovery, User: o.Name, Record: record}); err != nil {
		return err
	}
	r.token.Notes = append(r.token.Notes, counted(len(r.token.Scratch), "scratch code")+" taken over as recovery codes")
	return nil
}
