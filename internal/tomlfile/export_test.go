package tomlfile

// FromBytes makes a file of text that stands nowhere, for tests that try thousands.
func FromBytes(text []byte) *File { return FromText("file.toml", text) }
