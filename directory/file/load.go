package file

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tandem/directory"
	"tandem/directory/password"
	"tandem/internal/secret"
	"tandem/internal/tomlfile"
)

// maxFile is the size in octets of the largest users file: some 100,000 users.
const maxFile = 64 << 20

// userEntry is one [[users]] as it is written.
type userEntry struct {
	Name       string              `toml:"name"`
	ID         *string             `toml:"id"`
	Password   *secret.String      `toml:"password"`
	Mail       *string             `toml:"mail"`
	Phone      *string             `toml:"phone"`
	Groups     []string            `toml:"groups"`
	Attributes map[string][]string `toml:"attributes"`
	Devices    []deviceEntry       `toml:"devices"`
}

// deviceEntry is one [[users.devices]] as it is written.
type deviceEntry struct {
	Type      string         `toml:"type"`
	Name      string         `toml:"name"`
	Epoch     int64          `toml:"epoch"`
	Secret    *secret.String `toml:"secret"`
	Digits    *int           `toml:"digits"`
	Period    *int           `toml:"period"`
	Algorithm *string        `toml:"algorithm"`
	Counter   *uint64        `toml:"counter"`
	PublicID  *string        `toml:"public_id"`
	AESKey    *secret.String `toml:"aes_key"`
	PrivateID *secret.String `toml:"private_id"`
}

// load reads the whole file, and returns a table or everything that is wrong.
func load(path string, o directory.DeviceOptions) (*table, error) {
	f, err := read(path)
	if err != nil {
		return nil, err
	}
	return parse(f, o)
}

func read(path string) (*tomlfile.File, error) {
	return tomlfile.Read(path, tomlfile.Options{Private: true, MaxBytes: maxFile})
}

// piece is about how many octets of a users file are parsed at a time: the parser's tree takes some ten times as many.
const piece = 256 << 10

// parse returns a table, or everything that is wrong with the file. A file is parsed piece by piece, and only one with
// mistakes as a whole, so that they are told of it and not of a piece.
func parse(f *tomlfile.File, o directory.DeviceOptions) (*table, error) {
	pieces := f.Pieces("users", piece)
	t, err := parsePieces(pieces, o)
	if err != nil && len(pieces) > 1 {
		return parsePieces([]*tomlfile.File{f}, o)
	}
	return t, err
}

// parsePieces returns the table of all pieces together, or what is wrong with the first one that is not sound.
func parsePieces(pieces []*tomlfile.File, o directory.DeviceOptions) (*table, error) {
	l := loader{devices: o, table: &table{}, names: map[string]int{}, ids: map[string]int{}}
	users := 0
	for i, f := range pieces {
		var written struct {
			Users []userEntry `toml:"users"`
		}
		l.file = f
		if f.Decode(&written) {
			for j := range written.Users {
				l.user(users+j, &written.Users[j])
			}
			users += len(written.Users)
			if users == 0 && i == len(pieces)-1 {
				f.Errorf("", "there are no users in it: add a [[users]] with a name")
			}
		}
		if err := f.Err(); err != nil {
			return nil, err
		}
	}
	if err := l.table.index(users); err != nil {
		l.check("", err)
		return nil, l.file.Err()
	}
	return l.table, nil
}

// loader turns entries into users, and notes what is wrong with them.
type loader struct {
	file    *tomlfile.File
	devices directory.DeviceOptions
	table   *table
	// names and ids say which entry has taken them.
	names, ids map[string]int
}

// user adds one entry to the table. What it keeps of the file's text it copies, because a piece of a
// text keeps the whole text in memory, with all the secrets in it.
func (l *loader) user(i int, e *userEntry) {
	key := fmt.Sprintf("users[%d]", i)
	folded, err := fold(e.Name)
	if err != nil {
		l.file.Errorf(key+".name", "%v", err)
		return
	}
	u := &directory.User{Name: strings.Clone(e.Name), ID: folded}
	if e.ID != nil {
		u.ID = strings.Clone(*e.ID)
		l.check(key+".id", checkID(u.ID))
	}
	if l.claim(l.names, folded, i, "name") {
		l.claim(l.ids, u.ID, i, "id")
	}
	if e.Password != nil {
		l.check(key+".password", password.Check(*e.Password))
		u.Credential = secret.New(strings.Clone(e.Password.Reveal()))
	}
	u.Mail = l.text(key+".mail", e.Mail)
	u.Phone = l.text(key+".phone", e.Phone)
	u.Groups = l.texts(key+".groups", e.Groups)
	u.Attributes = l.attributes(key+".attributes", e.Attributes)
	if len(e.Devices) > directory.MaxDevices {
		l.file.Errorf(key+".devices", "are %d, and a user has at most %d", len(e.Devices), directory.MaxDevices)
		return
	}
	for j := range e.Devices {
		l.device(fmt.Sprintf("%s.devices[%d]", key, j), u, &e.Devices[j])
	}
	l.table.add(folded, u)
}

func (l *loader) check(key string, err error) {
	if err != nil {
		l.file.Errorf(key, "%v", err)
	}
}

// claim returns false, and notes it at both places, if two entries have the same name or id.
func (l *loader) claim(taken map[string]int, value string, i int, field string) bool {
	earlier, twice := taken[value]
	if !twice {
		taken[value] = i
		return true
	}
	for _, pair := range [][2]int{{i, earlier}, {earlier, i}} {
		l.file.Errorf(fmt.Sprintf("users[%d].%s", pair[0], field), "is also that of users[%d], both are compared as %q: change one", pair[1], value)
	}
	return false
}

func (l *loader) text(key string, s *string) string {
	if s == nil {
		return ""
	}
	l.check(key, checkText(*s))
	return strings.Clone(*s)
}

func (l *loader) texts(key string, written []string) []string {
	if len(written) == 0 {
		return nil
	}
	kept := make([]string, len(written))
	for i := range written {
		kept[i] = l.text(fmt.Sprintf("%s[%d]", key, i), &written[i])
	}
	return kept
}

func (l *loader) attributes(key string, written map[string][]string) map[string][]string {
	if len(written) == 0 {
		return nil
	}
	kept := make(map[string][]string, len(written))
	for _, name := range slices.Sorted(maps.Keys(written)) {
		if strings.Trim(name, attributeLetters) != "" || name == "" {
			l.file.Errorf(key, "the name %q holds more than letters, digits, - and _", name)
			continue
		}
		kept[strings.Clone(name)] = l.texts(key+"."+name, written[name])
	}
	return kept
}

// attributeLetters are those of LDAP's attribute names, and _.
const attributeLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
