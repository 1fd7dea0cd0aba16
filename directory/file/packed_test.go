package file

import (
	"fmt"
	"hash/maphash"
	"reflect"
	"strings"
	"testing"

	"tandem/directory"
	"tandem/internal/secret"
)

// filled sets every field below v to a value that no other field has, so that one which is forgotten is noticed.
func filled(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(-*n))
	case reflect.Uint64:
		v.SetUint(^uint64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), n)
		filled(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			filled(key, n)
			filled(value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[secret.String]() {
			v.Set(reflect.ValueOf(secret.New(fmt.Sprint("secret ", *n))))
			return
		}
		for i := range v.NumField() {
			filled(v.Field(i), n)
		}
	default:
		panic(v.Kind())
	}
}

func TestPackedIsWhatWasAdded(t *testing.T) {
	n := 0
	people := make([]*directory.User, 3)
	for i := range people {
		people[i] = &directory.User{}
		if i > 0 { // the first has nothing
			filled(reflect.ValueOf(people[i]).Elem(), &n)
		}
	}
	users := &table{}
	for i, u := range people {
		users.add(fmt.Sprint("name ", i), u)
	}
	if err := users.index(len(people)); err != nil {
		t.Fatal(err)
	}
	for i, want := range people {
		if got, ok := users.find(fmt.Sprint("name ", i)); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %t, want %+v", got, ok, want)
		}
	}
	next := 0
	for place, got := range users.all() {
		if place != next || !reflect.DeepEqual(got, people[place]) {
			t.Errorf("place %d: %+v, want %+v", place, got, people[next])
		}
		next++
	}
	if next != len(people) || users.size() != len(people) {
		t.Errorf("%d and %d users, want %d", next, users.size(), len(people))
	}
}

// Two names may have one hash.
func TestNobodyIsTakenForAnother(t *testing.T) {
	users := &table{}
	users.add("alice", &directory.User{ID: "alice"})
	if err := users.index(1); err != nil {
		t.Fatal(err)
	}
	users.at[maphash.String(users.seed, "mallory")] = users.at[maphash.String(users.seed, "alice")]
	if u, ok := users.find("mallory"); ok {
		t.Errorf("mallory is %s", u.ID)
	}

	users.add("alice", &directory.User{ID: "mallory"}) // the loader does not let it come to that
	if err := users.index(2); err == nil {
		t.Error("there may be two alices")
	}
}

// A large file is read in pieces; what it says is the same, and so is what is said of its mistakes.
func TestLargeFileIsReadWhole(t *testing.T) {
	var text strings.Builder
	const users = 10_000
	for i := range users {
		fmt.Fprintf(&text, "[[users]]\nname = \"user%d\"\nattributes = { vlan = [\"%[1]d\"] }\n[[users.devices]]\ntype = \"HOTP\"\nsecret = \"gezdgnbvgy3tqojqgezdgnbvgy3tqojq\"\ncounter = %[1]d\n", i)
	}
	if text.Len() < 3*piece {
		t.Fatalf("%d octets are too few for pieces of %d", text.Len(), piece)
	}
	f := mustOpen(t, text.String())
	for _, i := range []int{0, 1, users / 2, users - 1} {
		u, err := f.Lookup(t.Context(), fmt.Sprintf("USER%d", i))
		if err != nil || u.ID != fmt.Sprint("user", i) || u.Attributes["vlan"][0] != fmt.Sprint(i) || u.Devices[0].Counter != uint64(i) {
			t.Errorf("user %d: %+v, %v", i, u, err)
		}
	}
	for _, tt := range []struct{ add, want string }{
		{"[[users]]\nname = \"user7\"\n", fmt.Sprintf("users.toml:%d: users[%d].name: is also that of users[7]", 7*users+2, users)},
		{"[[users]]\nname = \"x\"\nid = \"user9\"\n", fmt.Sprintf("users.toml:%d: users[%d].id: is also that of users[9]", 7*users+3, users)},
		{"[[users]]\nname = \"x\"\nmial = \"x\"\n", fmt.Sprintf("users.toml:%d: users[%d].mial: unknown key", 7*users+3, users)},
		{"[[users]]\nname = \"x\nmail = \"x\"\n", fmt.Sprintf("users.toml:%d: ", 7*users+2)},
	} {
		write(t, f.path, text.String()+tt.add)
		if _, err := load(f.path, directory.DeviceOptions{}); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}
