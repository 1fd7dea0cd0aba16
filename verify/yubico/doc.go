// Package yubico checks Yubico OTPs: the 44 letters that a YubiKey types when it is touched.
//
//	dteffujehknh hknhfjbrjnlnldnhcujvddbikngjrtgh
//	public id    one AES-128 block: private id, two counters, a clock, noise, a checksum
//
// The letters are modhex, 16 that stand at the same place on most keyboards; with caps lock on they arrive in
// upper case, and count the same. The public id, never secret, says which key it is: a code is looked at only if
// that key is one of the user's UBK devices. The two counters say which touch it is: session counts how often the
// key got power, use the touches since. They order all codes of a key, and only ever grow.
//
// # Who knows the AES key
//
// A device checks its codes in one of two ways.
//
// Locally, if its AES key and private id are here: in the device itself (`_aes` and `_private`, `aes_key` and
// `private_id` in the users file) or in a file of keys ([ParseKeys]). Nobody else is asked or trusted.
//
// At validation servers otherwise (validation protocol 2.0, https://developers.yubico.com/OTP/Specifications/):
// Yubico's for keys as they are sold, one's own for others. All servers are asked at once, in the same words, and the
// first definite answer counts. An answer counts if it came over a connection whose certificate is right, with status
// 200, without a redirect, and if its signature, its copy of the code and of this check's nonce, and its one status are
// right. Anything else is an error, and an error is neither yes nor no. Nothing is kept from one check to the next, not
// even a connection.
//
// # What is trusted, and what is claimed
//
// A server is trusted to say which codes are right; who holds it, or the API key, can let anybody with the password in.
// It is not trusted to remember: the server may be restored from a backup, lose a write, or be one of two that do not
// know of each other. So the counters, which each yes brings along, are claimed here as well, as a mark that only
// grows, and no code gets in twice. Both ways share the mark, so that a device may change from one to the other.
//
// Some servers bring no counters, or do not sign them (Debian's yubiserver 0.6 signs the rest of the answer), which
// comes to the same. Then a hash of the code is claimed: the last 256 codes of each key are remembered, 4 KiB. Once a
// key's counters are known, an answer without them is not enough.
//
// The mark belongs to the user and the public id. When a key is programmed anew its counters begin anew, and all its codes count as
// used, unless it gets a new public id, as the programs that write keys propose.
//
// # When a code is burnt
//
// A server consumes a code by checking it. In append mode the code is checked before the password, so that a wrong code
// costs no bind; the price here is that after a wrong password the user has to touch the key once more, and that the
// old code is then a used one, not a guess. A code that is checked locally is consumed only when the login succeeds.
package yubico
