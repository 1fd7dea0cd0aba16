package compose

import (
	"cmp"

	"tandem/internal/config"
	"tandem/verify"
	"tandem/verify/rest"
)

func restFactor(r *config.REST) (verify.Factor, error) {
	return rest.New(rest.Config{
		Name: r.Name, Label: cmp.Or(r.Label, r.Name),
		InitURL: r.InitURL, InitArguments: r.InitArguments, InitStatusOnly: r.InitAnswer == "status",
		VerifyURL: r.VerifyURL, VerifyArguments: r.VerifyArguments, Target: r.Target,
		Token: r.Token, TokenHeader: r.TokenHeader, Username: r.Username, Password: r.Password,
		CAFile: r.CAFile, CertFile: r.CertFile, KeyFile: r.KeyFile, AllowPlaintext: r.AllowPlaintext,
		Timeout: r.Timeout, MaxConcurrent: r.MaxConcurrent, ResendInterval: r.ResendInterval,
		Digits: r.Digits, OwnDigits: r.Code, Lifetime: r.Lifetime,
	})
}
