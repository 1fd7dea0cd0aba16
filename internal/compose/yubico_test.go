package compose_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tandem/directory"
	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/verify"
	"tandem/verify/factortest"
)

// TestYubiKeysOfTheKeysFile: the block alone sets the factor up, and the file's keys arrive there.
func TestYubiKeysOfTheKeysFile(t *testing.T) {
	c := config.Default()
	c.Factor.Yubico = new(config.Yubico)
	c.Factor.Yubico.SetDefaults()
	factor := func() verify.Checker {
		t.Helper()
		setup, err := compose.Setup(c, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(setup.Factors, func(f verify.Factor) bool { return f.Name() == "yubico" })
		if i < 0 {
			t.Fatal("there is no factor yubico")
		}
		return setup.Factors[i].(verify.Checker)
	}
	u := &directory.User{Devices: []directory.Device{{Type: directory.TypeYubikey, PublicID: "cccccccccccb"}}}
	if shapes := factor().Shapes(u); len(shapes) != 0 {
		t.Errorf("a device that nobody can check has the shapes %+v", shapes)
	}

	c.Factor.Yubico.KeysFile = filepath.Join(t.TempDir(), "yubikeys.csv")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(c.Factor.Yubico.KeysFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cccccccccccb, 010203040506, 000102030405060708090a0b0c0d0e0f\n")
	// https://developers.yubico.com/OTP/Specifications/Test_vectors.html
	finding, err := factor().Check(t.Context(), u, "cccccccccccbdvgtiblfkbgturecfllberrvkinnctnn", &factortest.Kept{})
	if err != nil || finding.Result != verify.Match {
		t.Errorf("%+v, %v", finding, err)
	}

	write("cccccccccccb, 0102\n")
	if _, err := compose.Setup(c, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "yubikeys.csv:1: 2 values") {
		t.Errorf("a bad file: %v", err)
	}
}
