package vpn

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"tandem/test/netns"
)

// forStrongSwan is what tandemd is told of a strongSwan: it signs its requests, and shows users one field.
const forStrongSwan = `
[[radius.clients]]
name = "strongswan"
networks = ["127.0.0.1"]
secret = "` + sharedSecret + `"
[[policies]]
name = "default"
mode = "append"
[[policies.reply]]
attribute = "Class"
value = "{groups}"
[[policies.reply]]
attribute = "Framed-IP-Address"
value = "{vpnAddress}"
`

// plugins are what both ends load. kernel-libipsec encrypts outside of the kernel, which may have no IPsec.
const plugins = "random nonce x509 revocation constraints pubkey pkcs1 pkcs8 pem openssl kdf gmp hmac sha2 sha1 aes " +
	"kernel-libipsec kernel-netlink socket-default vici updown eap-identity eap-gtc eap-radius"

// charon is strongSwan's daemon, at one end.
type charon struct {
	*estate
	*program
	network *netns.Network
	dir     string
}

// startCharon runs one end. config is its swanctl.conf; settings go into the daemon's section of strongswan.conf.
func (e *estate) startCharon(n *netns.Network, name, settings, config string) *charon {
	e.t.Helper()
	for file, debianPackage := range map[string]string{"eap-radius": "libcharon-extra-plugins", "openssl": "libstrongswan-standard-plugins"} {
		if _, err := os.Stat("/usr/lib/ipsec/plugins/libstrongswan-" + file + ".so"); err != nil {
			e.t.Fatalf("%v: apt-get install %s", err, debianPackage)
		}
	}
	s := &charon{estate: e, network: n, dir: filepath.Join(e.dir, name)}
	for _, folder := range []string{"x509", "x509ca", "x509aa", "x509ac", "x509crl", "x509ocsp", "private", "pubkey", "rsa", "ecdsa", "bliss", "pkcs8", "pkcs12"} {
		if err := os.MkdirAll(filepath.Join(s.dir, folder), 0o700); err != nil {
			e.t.Fatal(err)
		}
	}
	e.write(name+"/swanctl.conf", config)
	e.write(name+"/strongswan.conf", fmt.Sprintf(`charon-systemd {
  journal {
    default = -1
  }
  filelog {
    stderr {
      default = 1
    }
  }
  load = %s
  plugins {
    vici {
      socket = unix://%s
    }
%s
  }
}
`, plugins, s.socket(), settings))
	c := exec.Command(find(e.t, "charon-systemd", "charon-systemd"))
	c.Env = s.environment()
	s.program = start(e.t, n, c)
	eventually(e.t, "charon's socket", s.said, func() bool {
		_, err := os.Stat(s.socket())
		return err == nil
	})
	return s
}

func (s *charon) socket() string { return filepath.Join(s.dir, "vici") }

func (s *charon) environment() []string {
	return append(os.Environ(), "STRONGSWAN_CONF="+filepath.Join(s.dir, "strongswan.conf"), "SWANCTL_DIR="+s.dir)
}

// swanctl runs a command of the administrator's, and returns what it printed.
func (s *charon) swanctl(args ...string) (out string, ok bool) {
	s.estate.t.Helper()
	c := exec.Command(find(s.estate.t, "swanctl", "strongswan-swanctl"), append(args, "--uri", "unix://"+s.socket())...)
	c.Env = s.environment()
	p := start(s.estate.t, s.network, c)
	<-p.ended
	return p.said(), p.cmd.ProcessState.Success()
}

func (s *charon) load() {
	s.estate.t.Helper()
	if out, ok := s.swanctl("--load-all"); !ok {
		s.estate.t.Fatalf("swanctl --load-all:\n%s\n%s", out, s.said())
	}
}

// dial sets up the tunnel with what u typed, and returns its address, or "" if the gateway refused.
func (s *charon) dial(u *user, typed string) (address, out string) {
	s.estate.t.Helper()
	s.write(filepath.Base(s.dir)+"/swanctl.conf", fmt.Sprintf(`connections {
  work {
    version = 2
    remote_addrs = %s
    vips = 0.0.0.0
    local {
      auth = eap-gtc
      eap_id = %s
    }
    remote {
      auth = pubkey
      id = %[1]s
    }
    children {
      inside {
        remote_ts = %[3]s
      }
    }
  }
}
secrets {
  eap {
    id = %[2]s
    secret = %[4]q
  }
}
`, gatewayAddress, u.name, insideNetwork, typed))
	if out, ok := s.swanctl("--load-creds", "--clear"); !ok {
		s.estate.t.Fatalf("swanctl --load-creds:\n%s", out)
	}
	if out, ok := s.swanctl("--load-conns"); !ok {
		s.estate.t.Fatalf("swanctl --load-conns:\n%s", out)
	}
	out, ok := s.swanctl("--initiate", "--child", "inside", "--timeout", "30")
	if !ok {
		return "", out
	}
	if m := regexp.MustCompile(`installing new virtual IP ([\d.]+)`).FindStringSubmatch(out); m != nil {
		address = m[1]
	}
	return address, out
}

// hangUp ends the tunnel.
func (s *charon) hangUp() {
	s.estate.t.Helper()
	if out, ok := s.swanctl("--terminate", "--ike", "work"); !ok {
		s.estate.t.Fatalf("swanctl --terminate:\n%s", out)
	}
	s.wantNoWayIn()
}

// TestStrongSwanWithTheCodeAppended is IKEv2: the gateway asks for the password with EAP-GTC, and gives it to its RADIUS
// plugin, which asks Tandem with PAP.
func TestStrongSwanWithTheCodeAppended(t *testing.T) {
	t.Parallel()
	alice := &user{name: "alice", groups: []string{"staff"}, entry: `attributes = { vpnAddress = ["10.98.0.77"] }`}
	bob := &user{name: "bob", entry: `attributes = { vpnAddress = ["10.98.0.78"] }`}
	e := newEstate(t, forStrongSwan, alice, bob)
	gateway := e.startCharon(e.gateway, "gateway", fmt.Sprintf(`    eap-gtc {
      backend = radius
    }
    eap-radius {
      load = yes
      nas_identifier = strongswan
      station_id_with_port = no
      class_group = yes
      servers {
        tandem {
          address = 127.0.0.1
          secret = %s
        }
      }
    }`, sharedSecret), fmt.Sprintf(`connections {
  roadwarriors {
    version = 2
    local_addrs = %s
    pools = radius
    local {
      auth = pubkey
      certs = %s
      id = %[1]s
    }
    remote {
      auth = eap-gtc
      eap_id = %%any
      groups = staff
    }
    children {
      inside {
        local_ts = %[3]s
      }
    }
  }
}
`, gatewayAddress, e.certFile, insideNetwork))
	key, err := os.ReadFile(e.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	e.write("gateway/private/key.pem", string(key))
	gateway.load()
	client := e.startCharon(e.road, "client", "", "")
	ca, err := os.ReadFile(e.caFile)
	if err != nil {
		t.Fatal(err)
	}
	e.write("client/x509ca/ca.pem", string(ca))
	client.load()
	e.wantNoWayIn()

	used := password + alice.press(t)
	address, out := client.dial(alice, used)
	if address != "10.98.0.77" {
		t.Fatalf("address %q\n%s\n%s", address, out, gateway.said())
	}
	e.wantReach(address)
	e.tandem.want("alice", "accept", "ok")
	client.hangUp()
	// Tandem lets bob in, and the gateway does not: he is not in the group.
	if address, out := client.dial(bob, password+bob.press(t)); address != "" {
		t.Errorf("bob is in as %s\n%s", address, out)
	}
	e.tandem.want("bob", "accept", "ok")
	e.wantNoWayIn()
	for typed, reason := range map[string]string{used: "replayed-code", password + alice.wrong(t): "wrong-code", "wrong" + alice.press(t): "wrong-password"} {
		if address, out := client.dial(alice, typed); address != "" {
			t.Errorf("%s: in as %s\n%s", reason, address, out)
		}
		e.tandem.want("alice", "reject", reason)
		e.wantNoWayIn()
	}
	// The gateway itself was not upset by the rejects.
	if address, out = client.dial(alice, password+alice.press(t)); address == "" {
		t.Fatalf("%s\n%s", out, gateway.said())
	}
	e.wantReach(address)
}
