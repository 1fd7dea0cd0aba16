package policy

import (
	"cmp"
	"strings"
)

// Texts are what the user reads. Each is one line, at most 253 octets of UTF-8. In those that say so,
// {label} is what a factor is called, and {target} where its code goes, masked.
type Texts struct {
	// Prompt asks for the code; Retry asks again after a wrong one.
	Prompt, Retry string
	// Menu asks which factor to use; {menu} is the numbered list. BadChoice goes before it after an answer
	// that is not on the list.
	Menu, BadChoice string
	// Sent asks for a code that was sent just now, with {label} and {target}; Already, for one that was sent
	// a moment ago; TooSoon answers who asks for another one too early.
	Sent, Already, TooSoon string
	// SendFailed goes before Sent where another factor had to step in for {label}.
	SendFailed string
	// Reject is the one text of every reject, whatever its reason.
	Reject string
	// PasswordExpired, AccountExpired, AccountDisabled and AccountHours are for TellAccountState.
	PasswordExpired, AccountExpired, AccountDisabled, AccountHours string
	// Enrol tells who has no second factor how to add one, and EnrolRetry that the code was wrong; EnrolSkip, behind
	// either, that {word} goes on without. Key goes before the new device's key.
	Enrol, EnrolRetry, EnrolSkip, Key string
	// DeviceExpired tells whose first factor was right that the device called {device} expired.
	DeviceExpired string
}

// builtIn are the texts by language (RFC 5646).
var builtIn = map[string]Texts{
	"en": {
		Prompt:          "Code: ",
		Retry:           "Wrong code. Code: ",
		Menu:            "Choose a number: {menu}: ",
		BadChoice:       "That is not on the list. ",
		Sent:            "Code sent by {label} {target}. Code: ",
		Already:         "A code was sent by {label} {target} a moment ago. Code: ",
		TooSoon:         "Not yet: wait a little before you ask for another code. Code: ",
		SendFailed:      "{label} did not work. ",
		Reject:          "Login failed. Check the password, and use a new code: each works once. After several failures wait some minutes.",
		PasswordExpired: "Your password has expired. Change it, then log in again.",
		AccountExpired:  "Your account has expired. Ask your administrator.",
		AccountDisabled: "Your account is disabled. Ask your administrator.",
		AccountHours:    "Your account may not log in now. Ask your administrator.",
		Enrol:           "Add this account to an authenticator app, then type its code. ",
		EnrolRetry:      "Wrong code. Add this account to the app again, or check the phone's clock, and type the next code. ",
		EnrolSkip:       "To go on without, type {word}. ",
		Key:             "Key: ",
		DeviceExpired:   "Your device {device} expired. ",
	},
	"de": { //nolint:gosec // it speaks of passwords, and holds none
		Prompt:          "Code: ",
		Retry:           "Falscher Code. Code: ",
		Menu:            "Nummer wählen: {menu}: ",
		BadChoice:       "Das steht nicht zur Wahl. ",
		Sent:            "Code gesendet: {label} {target}. Code: ",
		Already:         "Ein Code wurde eben erst gesendet: {label} {target}. Code: ",
		TooSoon:         "Noch nicht: bitte etwas warten, bevor ein neuer Code angefordert wird. Code: ",
		SendFailed:      "{label} ging nicht. ",
		Reject:          "Anmeldung abgelehnt. Passwort prüfen und einen neuen Code nehmen: jeder gilt einmal. Nach mehreren Fehlern einige Minuten warten.",
		PasswordExpired: "Das Passwort ist abgelaufen. Bitte ändern und neu anmelden.",
		AccountExpired:  "Das Konto ist abgelaufen. Bitte an die Administration wenden.",
		AccountDisabled: "Das Konto ist gesperrt. Bitte an die Administration wenden.",
		AccountHours:    "Das Konto darf sich jetzt nicht anmelden. Bitte an die Administration wenden.",
		Enrol:           "Konto in einer Authenticator-App anlegen, deren Code eingeben. ",
		EnrolRetry:      "Falscher Code. Das Konto in der App neu anlegen oder die Uhr des Telefons prüfen und den nächsten Code eingeben. ",
		EnrolSkip:       "Ohne weiter: {word} eingeben. ",
		Key:             "Schlüssel: ",
		DeviceExpired:   "Das Gerät {device} ist abgelaufen. ",
	},
	"fr": { //nolint:gosec // it speaks of passwords, and holds none
		Prompt:          "Code : ",
		Retry:           "Code erroné. Code : ",
		Menu:            "Choisissez un numéro : {menu} : ",
		BadChoice:       "Ce choix n'existe pas. ",
		Sent:            "Code envoyé : {label} {target}. Code : ",
		Already:         "Un code vient d'être envoyé : {label} {target}. Code : ",
		TooSoon:         "Pas encore : attendez un peu avant de demander un autre code. Code : ",
		SendFailed:      "{label} n'a pas fonctionné. ",
		Reject:          "Échec de la connexion. Vérifiez le mot de passe et prenez un nouveau code : chacun sert une fois. Après plusieurs échecs, attendez quelques minutes.",
		PasswordExpired: "Votre mot de passe a expiré. Changez-le, puis reconnectez-vous.",
		AccountExpired:  "Votre compte a expiré. Adressez-vous à l'administration.",
		AccountDisabled: "Votre compte est désactivé. Adressez-vous à l'administration.",
		AccountHours:    "Votre compte ne peut pas se connecter maintenant. Adressez-vous à l'administration.",
		Enrol:           "Ajoutez ce compte à une application OTP, puis tapez son code. ",
		EnrolRetry:      "Code erroné. Ajoutez de nouveau ce compte ou vérifiez l'heure du téléphone, puis tapez le code suivant. ",
		EnrolSkip:       "Pour continuer sans, tapez {word}. ",
		Key:             "Clé : ",
		DeviceExpired:   "Votre dispositif {device} a expiré. ",
	},
}

// Languages lists those that there are texts in.
var Languages = []string{"de", "en", "fr"}

// DefaultTexts are the built-in texts in English.
func DefaultTexts() Texts { return builtIn["en"] }

// TextsIn returns the policy's own texts, and for those that it has none of its own, the built-in ones in the first
// of the wanted languages ("de", "de-AT") that there are texts in, or else in the policy's Language.
func (p *Policy) TextsIn(wanted ...string) Texts {
	var t Texts
	for _, w := range append(wanted, p.Language, DefaultLanguage) {
		language, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(w)), "_", "-"), "-")
		if found, ok := builtIn[language]; ok {
			t = found
			break
		}
	}
	own := p.Texts
	return Texts{
		Prompt: cmp.Or(own.Prompt, t.Prompt), Retry: cmp.Or(own.Retry, t.Retry),
		Menu: cmp.Or(own.Menu, t.Menu), BadChoice: cmp.Or(own.BadChoice, t.BadChoice),
		Sent: cmp.Or(own.Sent, t.Sent), Already: cmp.Or(own.Already, t.Already), TooSoon: cmp.Or(own.TooSoon, t.TooSoon),
		SendFailed: cmp.Or(own.SendFailed, t.SendFailed), Reject: cmp.Or(own.Reject, t.Reject),
		PasswordExpired: cmp.Or(own.PasswordExpired, t.PasswordExpired), AccountExpired: cmp.Or(own.AccountExpired, t.AccountExpired),
		AccountDisabled: cmp.Or(own.AccountDisabled, t.AccountDisabled), AccountHours: cmp.Or(own.AccountHours, t.AccountHours),
		Enrol: cmp.Or(own.Enrol, t.Enrol), EnrolRetry: cmp.Or(own.EnrolRetry, t.EnrolRetry), EnrolSkip: cmp.Or(own.EnrolSkip, t.EnrolSkip),
		Key: cmp.Or(own.Key, t.Key), DeviceExpired: cmp.Or(own.DeviceExpired, t.DeviceExpired),
	}
}
