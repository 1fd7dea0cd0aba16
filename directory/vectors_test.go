package directory

import (
	"encoding/json"
	"os"
	"testing"
)

// llngVectors is what was recorded from LemonLDAP::NG 2.16.1 by running its own code.
type llngVectors struct {
	DecryptEdge []struct{ Case, Key, Stored string } `json:"decrypt_edge"`
	Encrypted   []struct {
		Kind, Key, Stored, Cleartext string
		CleartextHex                 string `json:"cleartext_hex"`
		IVHex                        string `json:"iv_hex"`
		SecretHex                    string `json:"secret_hex"`
	}
	NewSecretSamples []string `json:"newSecret_samples"`
	VerifyEdge       []struct {
		Result       *int
		StoredSecret *string `json:"stored_secret"`
	} `json:"verify_edge"`
	RealPortal struct {
		Cleartext string `json:"cleartext_2fDevices"`
		Encrypted struct {
			Devices string `json:"_2fDevices"`
		} `json:"encrypted_psession"`
		EncryptedTOTPCleartext string `json:"encrypted_totp_cleartext"`
		PasswordCleartext      string `json:"password_cleartext"`
		WebAuthn               struct {
			Devices string `json:"_2fDevices"`
		} `json:"webauthn_psession"`
	} `json:"real_portal"`
}

func loadVectors(t testing.TB) llngVectors {
	t.Helper()
	raw, err := os.ReadFile("testdata/lemonldap-2.16.1.json")
	if err != nil {
		t.Fatal(err)
	}
	var v llngVectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
