package provider_test

import (
	"testing"

	"tandem/verify/provider"
)

func TestMask(t *testing.T) {
	for _, c := range []struct{ target, want string }{
		{"alice@example.org", "a…@e…"},
		{"Élodie@exämple.org", "É…@e…"},
		{"李@例子.中国", "李…@例…"},
		{"a@b", "a…@b…"},
		{"a@b@c", "a…@c…"},
		{"@example.org", "…@e…"},
		{"alice@", "a…@…"},
		{"@", "…@…"},
		{`"al ice"@example.org`, "…@e…"},
		{"\x1b[2Jalice@\u202eexample.org", "…@…"},
		{"\xffalice@\xfe", "…@…"},
		{"7up@9.example", "7…@9…"},
		{"+49 170 1234512", "…12"},
		{"+49 (0)170/12345-12", "…12"},
		{"(030) 123 45", "…45"},
		{"12345", "…"},
		{"112", "…"},
		{"1", "…"},
		{"alice", "…"},
		{"+٤٩١٧٠١٢٣٤٥٦٧", "…"},
		{"\xff\xfe", "…"},
		{"", ""},
	} {
		if got := provider.Mask(c.target); got != c.want {
			t.Errorf("Mask(%q) is %q, want %q", c.target, got, c.want)
		}
	}
	if got := provider.MaskMail("alice"); got != "…" {
		t.Errorf("an address without @ is shown as %q", got)
	}
	if got := provider.MaskMail("") + provider.MaskPhone(""); got != "" {
		t.Errorf("no target is shown as %q", got)
	}
	if got := provider.MaskPhone("alice123456@example.org"); got != "…56" {
		t.Errorf("digits of an odd number are shown as %q", got)
	}
}
